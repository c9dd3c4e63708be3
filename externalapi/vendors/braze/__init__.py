"""All that is known of Braze: facts, lint, presets, and a local Braze (sandbox).

A rule of Braze comes from a page of its documentation, which stands beside it.
"""
