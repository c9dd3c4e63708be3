import base64
import gzip
import json

import pytest

from segments.models import Source
from segments.tracking import write_keys


@pytest.fixture
def source(db):
    return Source(name="Shop")


@pytest.fixture
def write_key(source):
    return write_keys.issue(source)


@pytest.fixture
def post(client, write_key):
    """Post raw bytes, a text or a JSON value with the write key; (status, answer)."""

    def post(path, body, *, zipped=False, key=write_key, **headers):
        data = (
            body
            if isinstance(body, bytes)
            else body.encode()
            if isinstance(body, str)
            else json.dumps(body).encode()
        )
        if key is not None:
            headers.setdefault("Authorization", basic(key))
        if zipped:
            data = gzip.compress(data)
            headers["Content-Encoding"] = "gzip"
        headers.setdefault("Content-Type", "application/json")
        response = client.generic(
            "POST", f"/v1/{path}", data, headers.pop("Content-Type"), headers=headers
        )
        return response.status_code, response.json()

    return post


def basic(key):
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()
