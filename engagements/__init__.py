"""When, and what each person gets: from a segment's people to what Braze said to each."""
