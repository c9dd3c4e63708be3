"""The Braze sandbox: a local HTTP server that answers as Braze's pages say Braze does.

It is for demos, tests and developers' own machines. Nothing in it needs Django:
`python -m externalapi.vendors.braze.sandbox` starts it alone, `manage.py braze_sandbox` too.

A request goes one way: `server` reads it, `api` admits it by its key and the rate limits,
the `endpoints` judge it object by object by the `rules`, the `runtime` keeps what was
accepted, and the endpoint applies it to the `users`. `faults` may break any of these steps on
request. `endpoints.routes` is the table of all endpoints.
"""

__all__ = ["runtime", "server"]
