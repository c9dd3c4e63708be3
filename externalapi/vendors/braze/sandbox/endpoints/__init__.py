"""One module for each story of Braze's API: how it judges, and what it changes.

`routes` is the table of all of them. A judge decides from the request alone wherever
Braze answers before it is done; it looks at the people only where Braze's answer
depends on them.
"""
