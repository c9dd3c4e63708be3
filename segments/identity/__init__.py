"""Who a message is about, and how contacts are kept."""
