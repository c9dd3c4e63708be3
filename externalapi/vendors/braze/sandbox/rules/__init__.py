"""What the sandbox accepts and refuses, as Braze does."""
