"""Rules: the tree that a segment stores, and the only evaluator of it."""
