"""curl commands, read as a shell and curl read them."""
