"""A batch's way from a claim to what Braze said (docs/delivery.md).

`loop` is the worker: it takes `claims` of due batches, has them written (`writing`),
records `attempts` before the first byte leaves, sends through `transport`, and lets
`outcomes` write down what the answers say of each person, `endings` what they say of
the attempts. The `journal` keeps answers until the database has them. What is too much
for one request goes through `splitting`, what was not sent through `give_back`.
`lease_reaper` takes back what a worker left behind that died, and `suspension` stops
engagements whose connection is refused; `samples` are the heartbeat.
"""

__all__ = ["journal", "lease_reaper", "loop", "samples", "suspension"]
