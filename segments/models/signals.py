"""What the segments app tells whoever listens."""

from django.dispatch import Signal

# Sent after a commit in which someone entered or left a segment. It carries no data, and a listener that misses it finds the same rows in Transition.
segments_changed = Signal()
