"""The pages of uploaded lists: what is on one, an upload to it, and what came of each row."""
