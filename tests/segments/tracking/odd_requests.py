"""Requests of hostile people and broken clients, each made from a seed and a number."""

import base64
import copy
import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from segments.tracking.openapi import document as openapi
from tests.faults import nasty

DOCUMENT = openapi.document("https://site.example")
KINDS = ("identify", "track", "page", "screen", "group", "alias")
SINGLES = {f"/v1/{name}": kind for kind in KINDS for name in (kind, kind[0])}
BATCHES = openapi.BATCHES
# As JSON, so that what Python has no value for is among them.
VALUES = (
    "null", "true", "false", "0", "-0", "5.0", "1e21", "1e400", "-1e308", "9" * 30,
    "9" * 5_000, "NaN", "-Infinity", "01", '""', '" "', '"x"', '"null"', '"undefined"',
    r'"a\u0000b"', r'"\ud800"', r'"\udfff\ud800"', '"\u202e"', r'"\u001b[2J"', r'"a\nb"',
    '"' + "İ" * 320 + '"', '"' + "字" * 400 + '"', '"' + "u" * 300 + '"', '"' + "x" * 40_000 + '"',
    "[]", "{}", "[1,[2,[3]]]", '{"a":1,"a":2}', '{"":1}', '{"a\\u0000":1}', '{"$inc":1}',
    "[" * 25 + "]" * 25, "[" * 300 + "]" * 300, "[" * 2_000, '{"a":' * 30 + "1" + "}" * 30,
    "{" + ",".join(f'"n{n}":{n}' for n in range(220)) + "}",
    '"2026-01-31T12:00:00Z"', '"2026-01-31"', '"1999-01-01T00:00:00Z"', '"9999-12-31T23:59:59-23:59"',
    '"+447700900123"', '{"email":"ann@example.com"}', '{"email":[],"phone":{}}', "'x'", "undefined",
)  # fmt: skip
CONTENT_TYPES = (
    "application/json", "application/json; charset=utf-8", "text/plain;charset=UTF-8", "text/html",
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/octet-stream",
    "application/gzip", "", ";", "a/b/c", "application/json;" * 50, "application/jsön",
)  # fmt: skip
ENCODINGS = ("gzip", "GZIP", "identity", "", "br", "deflate", "gzip, gzip", "x" * 200)
ODD_HEADERS = (
    ("Origin", "null"), ("Origin", "https://evil.example"), ("Origin", "x" * 500),
    ("Cookie", "sessionid=x; csrftoken=y"), ("X-Forwarded-For", "a, b, c"), ("Expect", "100-continue"),
    ("Range", "bytes=0-1"), ("X-HTTP-Method-Override", "DELETE"), ("Accept", "text/html"),
)  # fmt: skip
QUERIES = (
    "?",
    "?writeKey=%ff%00",
    "?writeKey=&writeKey=",
    "?%",
    "?" + "a=1&" * 1_100,
    "?x=" + "y" * 3_000,
)


@dataclass(slots=True)
class Request:
    """What is put on the wire; `chunks`: sent without a length, in these."""

    method: str
    path: str
    plain: bytes
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: list[bytes] | None = None
    is_cut: bool = False


class Maker:
    """Makes the requests of a seed, for a write key and a pair of keys."""

    def __init__(self, seed: str, write_key: str, pair: tuple[str, str]) -> None:
        self.seed, self.write_key, self.pair = seed, write_key, pair

    def make(self, number: int) -> Request:
        random = Random(f"{self.seed}/{number}")
        path, method, text = self._call(random, number)
        plain = _broken(random, text) if random.random() < 0.2 else text.encode()
        request = Request(method=method, path=path, plain=plain)
        self._say_who(random, request)
        request.headers["Content-Type"] = "application/json"
        if random.random() < 0.1:
            request.headers["Content-Type"] = random.choice(CONTENT_TYPES)
        if random.random() < 0.1:
            name, value = random.choice(ODD_HEADERS)
            request.headers[name] = value
        if random.random() < 0.03:
            request.path += random.choice(QUERIES)
        if random.random() < 0.02:
            request.method = random.choice(("GET", "PUT", "PATCH", "OPTIONS", "HEAD"))
        _encode(random, request)
        return request

    def _call(self, random: Random, number: int) -> tuple[str, str, str]:
        chance = random.random()
        if chance < 0.55:
            path = random.choice(list(SINGLES))
            return path, "POST", self._message(random, number, SINGLES[path], "")
        if chance < 0.85:
            items = [
                self._message(random, number, random.choice(KINDS), f"-{n}", batch=True)
                for n in range(random.choice((0, 1, 2, 3, 20)))
            ]
            return random.choice(BATCHES), "POST", f'{{"batch":[{",".join(items)}]}}'
        if chance < 0.99:
            example = random.choice(("track", "identify"))
            return "/v3/data", "POST", self._data("post", random, number, example)
        example = random.choice(("attributes", "a person"))
        return "/v3/data", "DELETE", self._data("delete", random, number, example)

    def _message(
        self, random: Random, number: int, kind: str, place: str, batch: bool = False
    ) -> str:
        if kind == "identify" and random.random() < 0.3:
            # One person who is told too much: taken, and refused while it is applied.
            traits = {f"n-{number}{place}-{n}": n for n in range(180)}
            body = {
                "messageId": f"m-{number}{place}",
                "userId": "heavy",
                "traits": traits,
            }
            return json.dumps(body | {"type": kind})
        _, example = openapi.CALLS[kind]
        body = copy.deepcopy(example) | {"messageId": f"m-{number}{place}"}
        who = random.choice(("userId", "anonymousId"))
        body[who] = f"person-{random.randrange(200)}"
        if batch:
            body["type"] = kind
        return _changed(random, body, f"{number}{place}")

    def _data(self, method: str, random: Random, number: int, example: str) -> str:
        call = DOCUMENT["paths"]["/v3/data"][method]
        examples = call["requestBody"]["content"]["application/json"]["examples"]
        body = copy.deepcopy(examples[example]["value"])
        # Nobody else is erased, and nothing that waits: all that is taken is counted.
        body["userid"] = (
            f"erased-{number}" if method == "delete" else f"d-{number % 99}"
        )
        if method == "delete":
            return json.dumps(
                body | random.choice(({}, {"type": 5}, {"properties": []}))
            )
        body["messageId"] = f"d-{number}"
        return _changed(random, body, str(number))

    def _say_who(self, random: Random, request: Request) -> None:
        if request.path.startswith("/v3"):
            names = ("x-api-key", "x-api-passkey")
            request.headers |= dict(zip(names, self.pair, strict=True))
            if random.random() < 0.05:
                del request.headers[random.choice(names)]
        elif (chance := random.random()) < 0.9:
            key = base64.b64encode(f"{self.write_key}:".encode()).decode()
            request.headers["Authorization"] = f"Basic {key}"
        elif chance < 0.94:
            request.path += f"?writeKey={self.write_key}"
        elif chance < 0.97:
            odd = (
                "Basic",
                "Basic %%%",
                "Bearer x",
                "Basic Og==",
                "Basic /w==",
                "x" * 2_000,
            )
            request.headers["Authorization"] = random.choice(odd)


def _changed(random: Random, body: Mapping[str, object], number: str) -> str:
    """JSON of the body, mostly with something odd at one field or two."""
    pairs = {name: json.dumps(value) for name, value in body.items()}
    for _ in range(random.choice((0, 1, 1, 1, 2))):
        names = [
            *body,
            "timestamp",
            "sentAt",
            "context",
            "traits",
            "properties",
            "x",
            "otherIds",
        ]
        name = random.choice(names)
        if name == "messageId":
            # Still the only one with it.
            pairs[name] = random.choice(('""', "[]", "null", '{"a":1}'))
        elif name == "context" and random.random() < 0.7:
            inner = random.choice(("traits", "externalId", "externalIds", "y"))
            value = random.choice(VALUES)
            ids = f'[{{"type":"crm","id":{value}}},{{"type":{value},"id":"x"}}]'
            pairs[name] = f'{{"{inner}":{random.choice((value, ids))}}}'
        elif random.random() < 0.15:
            pairs.pop(name, None)
        elif random.random() < 0.3:
            pairs[name] = nasty.dump(nasty.value(random))
        else:
            pairs[name] = random.choice(VALUES)
    found = [f'"{name}":{value}' for name, value in pairs.items()]
    if random.random() < 0.05:
        found.append(random.choice(found))
    return "{" + ",".join(found) + "}"


def _broken(random: Random, text: str) -> bytes:
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    match random.randrange(8):
        case 0:
            return bytes(data[: random.randrange(len(data) + 1)])
        case 1:
            for _ in range(random.choice((1, 3, 20))):
                data[random.randrange(len(data))] = random.randrange(256)
        case 2:
            place = random.randrange(len(data))
            data[place:place] = random.choice(
                (b"\0", b"\xff", b"//", b"NaN", b'"', b"}", b"\\u0022:")
            )
        case 3:
            return text.encode("utf-16")
        case 4:
            return b"\xef\xbb\xbf" + bytes(data)
        case 5:
            return bytes(data) * 2
        case 6:
            return random.choice(
                (b"", b"null", b"[]", b'"x"', b"5", b"[" * 100_000, b" " * 600_000)
            )
        case 7:
            return bytes(data).replace(b":", b" : ")
    return bytes(data)


def _encode(random: Random, request: Request) -> None:
    body, chance = request.plain, random.random()
    if chance < 0.15:
        request.headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body)
        match random.randrange(6):
            case 0:
                body = body[: random.randrange(len(body))]
            case 1:
                body += random.choice((body, b"{}", b"\0"))
            case 2:
                body = gzip.compress(b" " * 20_000_000, 9)
            case 3:
                body = random.choice((request.plain, zlib.compress(body), b"\x1f\x8b"))
    elif chance < 0.2:
        request.headers["Content-Encoding"] = random.choice(ENCODINGS)
    request.body = body
    if random.random() < 0.1:
        request.chunks = [body[n : n + 700] for n in range(0, len(body), 700)]
    elif random.random() < 0.02 and body:
        request.is_cut = True
