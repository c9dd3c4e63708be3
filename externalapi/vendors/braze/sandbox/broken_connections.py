"""What a fault does to the connection itself: resets, half answers, slow ones.

Where aiohttp only sends whole answers, these write to the transport below it; the
connection is over afterwards, and aiohttp takes that as a client that has gone.
"""

import asyncio
import gzip
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.sandbox.api import Reply
from externalapi.vendors.braze.sandbox.faults import Rule

_CHUNK = 64 * 1024
_LINGER_ZERO = struct.pack("ii", 1, 0)  # close with RST instead of FIN


def reset(request: web.Request) -> web.Response:
    """Cut the connection at once, as a crashed server or a broken network does."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
    return web.Response()


def close(request: web.Request) -> web.Response:
    """Close the connection in good order, without a word."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def reset_mid_body(request: web.Request) -> web.Response:
    await request.content.readany()
    return reset(request)


# --- In place of the API -----------------------------------------------------------


async def instead(request: web.Request, rule: Rule) -> web.StreamResponse:
    """Do what a rule of the stage `before` says."""
    if rule.kind == "reset_before":
        return reset(request)
    if rule.kind == "close_before":
        return close(request)
    if rule.kind == "hang":
        await asyncio.sleep(rule.seconds)
        return close(request)
    if rule.kind == "redirect":
        return web.Response(status=307, headers={"Location": rule.location})
    return _status(rule)


def status_of(rule: Rule) -> int:
    return 307 if rule.kind == "redirect" else rule.status


_DEFAULT_BODIES: Mapping[int, str] = {
    one.status: f'{{"message":"{one.text}"}}'
    for one in (
        contract.MAX_INPUT_LENGTH,
        contract.ACCESS_DENIED,
        contract.INVALID_URL,
        contract.BODY_TOO_LARGE,
        contract.WRONG_CONTENT_TYPE,
        contract.RATE_LIMITED,
    )
}
_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


def _status(rule: Rule) -> web.Response:
    """Braze's own body for the status; for 5xx a page, labelled as JSON as seen live."""
    body = rule.body
    if body is None:
        body = _DEFAULT_BODIES.get(rule.status, _HTML.format(rule.status))
    headers = {"Content-Type": "application/json"} | rule.headers
    return web.Response(status=rule.status, body=body.encode(), headers=headers)


# --- In place of the API's answer -----------------------------------------------------


async def afterwards(
    request: web.Request, rule: Rule, reply: Reply
) -> web.StreamResponse | None:
    """Do what a rule of the stage `after` says; None: send the reply as it is."""
    act = _AFTERWARDS.get(rule.kind)
    return None if act is None else await act(request, rule, reply)


async def _delay(request: web.Request, rule: Rule, reply: Reply) -> None:
    await asyncio.sleep(rule.seconds)


async def _answer(request: web.Request, rule: Rule, reply: Reply) -> web.Response:
    return _status(rule)


async def _reset_after(request: web.Request, rule: Rule, reply: Reply) -> web.Response:
    return reset(request)


async def _close_after(request: web.Request, rule: Rule, reply: Reply) -> web.Response:
    return close(request)


async def _malformed(request: web.Request, rule: Rule, reply: Reply) -> web.Response:
    return _with_body(reply, reply.body[:-7])


async def _empty(request: web.Request, rule: Rule, reply: Reply) -> web.Response:
    return _with_body(reply, b"")


async def _html(request: web.Request, rule: Rule, reply: Reply) -> web.Response:
    return web.Response(text=_HTML.format("OK"), content_type="text/html")


def _with_body(reply: Reply, body: bytes) -> web.Response:
    headers = {"Content-Type": "application/json", **reply.headers}
    return web.Response(status=reply.status, body=body, headers=headers)


async def _cut_body(request: web.Request, rule: Rule, reply: Reply) -> web.Response:
    if request.transport is not None:
        request.transport.write(_raw(reply)[:-7])
    return close(request)


async def _slow_headers(
    request: web.Request, rule: Rule, reply: Reply
) -> web.StreamResponse:
    raw = _raw(reply)
    await _drip(request, rule, raw)
    return close(request)


async def _slow_body(
    request: web.Request, rule: Rule, reply: Reply
) -> web.StreamResponse:
    raw = _raw(reply)
    head = len(raw) - len(reply.body)
    if request.transport is not None:
        request.transport.write(raw[:head])
    await _drip(request, rule, raw[head:])
    return close(request)


async def _drip(request: web.Request, rule: Rule, raw: bytes) -> None:
    """One byte at a time: each of them restarts a client's read timeout."""
    for position in range(len(raw)):
        if request.transport is None or request.transport.is_closing():
            return
        request.transport.write(raw[position : position + 1])
        await asyncio.sleep(rule.seconds)


def _raw(reply: Reply) -> bytes:
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(reply.body)),
        **reply.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    phrase = HTTPStatus(reply.status).phrase
    return f"HTTP/1.1 {reply.status} {phrase}\r\n{lines}\r\n".encode() + reply.body


async def _giant(request: web.Request, rule: Rule, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status)
    response.content_type = "application/json"
    if rule.gzip:
        response.headers["Content-Encoding"] = "gzip"
    # Several gzip members in a row unpack to one stream.
    chunk = gzip.compress(bytes(_CHUNK)) if rule.gzip else b"x" * _CHUNK
    try:
        await response.prepare(request)
        for _ in range(rule.size // _CHUNK):
            await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        pass  # the client has read enough, as it should
    return response


_AFTERWARDS: Mapping[
    str,
    Callable[[web.Request, Rule, Reply], Awaitable[web.StreamResponse | None]],
] = {
    "answer": _answer,
    "delay_after": _delay,
    "reset_after": _reset_after,
    "close_after": _close_after,
    "cut_body": _cut_body,
    "malformed_json": _malformed,
    "empty_body": _empty,
    "html_200": _html,
    "slow_headers": _slow_headers,
    "slow_body": _slow_body,
    "giant": _giant,
}
