"""A catalog with a field of each type, and requests to it."""

FIELDS = {
    "id": "string",
    "Name": "string",
    "Rating": "number",
    "Open": "boolean",
    "Since": "time",
    "Place": "object",
    "Tags": "array",
}


def asked(sandbox, method, path, body=None):
    headers = {"Authorization": f"Bearer {sandbox.key}"}
    return sandbox.call(method, path, body, headers)


def created(sandbox, **changes):
    catalog = {
        "name": "shops",
        "description": "",
        "fields": [{"name": name, "type": kind} for name, kind in FIELDS.items()],
        **changes,
    }
    return asked(sandbox, "POST", "/catalogs", {"catalogs": [catalog]})
