"""The Braze sandbox: a local HTTP server that answers as Braze's pages say Braze does.

It is for demos, tests and developers' own machines. Nothing in it needs Django:
`python -m externalapi.sandbox` starts it alone, `manage.py braze_sandbox` too.

A request goes one way: `server` reads it, `limits` and the key admit it, `judge`
decides object by object, `journal` and `store` keep what was accepted. `faults`
may break any of these steps on request.
"""
