"""Messages, triggers and subscription states."""
