"""The filters of personalization variables: one table (`table`), and what each does."""
