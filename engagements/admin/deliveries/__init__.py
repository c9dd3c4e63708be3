"""The list of deliveries: its filters, and what can be done with all that it shows."""
