"""The Braze sandbox: a local HTTP server that answers as Braze's pages say Braze does.

It is for demos, tests and developers' own machines. Nothing in it needs Django:
`python -m externalapi.vendors.braze.sandbox` starts it alone, `manage.py braze_sandbox` too.

A request goes one way: `server` reads it, `api` admits it by its key and `limits`, the
`endpoints` judge it object by object, `journal` and `backlog` keep what was accepted,
and the endpoint applies it to the `store`. `faults` may break any of these steps on
request. `endpoints.routes` is the table of all endpoints.
"""
