"""A file as rows: its encoding, its format, its cells, from where one left off. Pure."""
