"""Counting whom a rule takes in.

`at_work` counts everybody and writes who moves, `live_size` says how many it would be
while a rule is written, `sampling` takes some people for all.
"""
