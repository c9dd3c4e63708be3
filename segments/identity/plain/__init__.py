"""People of whom a chunk says nothing but what they are like: found and written in sets.

Most rows of a file are such calls: an identify by an external ID, whose e-mail and phone
are no anonymous person's; or by an anonymous ID, e-mail or phone alone, of which nothing
was said of anybody else (`anonymous`). `choosing` tells them by the calls, `sets` by what
is known, and writes them. The others go the way that all can go (segments.identity.people), which
gives the same for these, at four times the cost (tests/segments/imports/test_both_ways.py).
"""
