"""The append-only file that lets a restarted sandbox know everybody again.

One JSON line for each accepted request: when it arrived, for which endpoint, which of
its objects were refused, and its body as it came. Applying the lines in order gives the same people.
"""

from collections.abc import Iterator
from pathlib import Path

import orjson

from externalapi.vendors.braze.facts.endpoints import TRACK
from externalapi.vendors.braze.sandbox.runtime.backlog import Accepted


class Journal:
    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what was answered with success survives a kill of the process.
        self._file = path.open("ab", buffering=0)

    def append(self, request: Accepted) -> None:
        body = request.body or b"null"
        if b"\n" in body or b"\r" in body:
            body = orjson.dumps(orjson.loads(body))
        self._file.write(
            b'{"at":%r,"endpoint":%s,"params":%s,"refused":%s,"body":%s}\n'
            % (
                request.at,
                orjson.dumps(request.endpoint),
                orjson.dumps(dict(request.params)),
                orjson.dumps(request.refused),
                body,
            )
        )

    def requests(self) -> Iterator[Accepted]:
        """What was accepted so far; a last line torn by a kill is cut off."""
        whole = 0
        with self._path.open("rb") as lines:
            for line in lines:
                request = _request_in(line)
                if request is None:
                    break
                whole += len(line)
                yield request
        self._file.truncate(whole)

    def clear(self) -> None:
        self._file.truncate(0)

    def close(self) -> None:
        self._file.close()


def _request_in(line: bytes) -> Accepted | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return Accepted(
        at=record["at"],
        body=orjson.dumps(record["body"]),
        refused=record["refused"],
        endpoint=record.get("endpoint", TRACK.key),  # older journals know no other
        params=record.get("params", {}),
    )
