"""From a body with `{{placeholders}}` to a request's parts. Pure.

`parser` reads the body's JSON dialect, `placeholders` fills values in, `parameters` says
what each may be, `batching` puts many people into one request.
"""

__all__ = [
    "batching",
    "bodies",
    "parameter_checks",
    "parameters",
    "parser",
    "placeholders",
    "spans",
    "stand_ins",
    "transforms",
    "url_and_headers",
    "validation",
]
