"""What columns mean: types by the whole column, and rows as messages. Pure."""
