"""Counting whom a rule takes in.

`at_work` counts everybody and writes who moves (`filling`: where many enter), `live_size`
says how many it would be while a rule is written (`too_slow`: what it does not try
again), `sampling` takes some people for all.
"""
