"""Who is in a segment: counted, refreshed, and asked about before it changes."""
