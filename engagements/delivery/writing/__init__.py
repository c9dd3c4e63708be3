"""Claimed batches become requests: people are read, rendered and packed.

`batches` takes a worker's claims apart by run and has each run's written: `script` is a
run, compiled, and `material` what its claims' requests are made from. `requests` fills
and packs them; where an engagement compares, `compared` does, of what is not known to be
so. `room` is what they take under frequency caps.
"""

from engagements.delivery.writing.batches import write as write
