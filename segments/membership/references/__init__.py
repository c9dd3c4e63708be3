"""Segments that ask for other segments, and for lists: which they are, and what follows.

`graph` knows who asks for whom and refuses circles; `forecast` works out who would move
in those that ask, before what they ask for changes.
"""
