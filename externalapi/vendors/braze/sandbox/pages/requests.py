"""Requests: what arrived, for whom, and what Braze would have answered."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import orjson

from externalapi.vendors.braze.sandbox.pages.html import Html, el, together
from externalapi.vendors.braze.sandbox.pages.layout import (
    card,
    count,
    facts,
    moment,
    page,
    pretty_json,
    table,
)
from externalapi.vendors.braze.sandbox.rules.verdicts import JsonObject
from externalapi.vendors.braze.sandbox.runtime.request_log import (
    KEEP_WHOLE,
    Traffic,
    WholeRequest,
)

_NAMED = 3  # people named in the list; the others are counted
_HEADINGS = (
    "No.",
    "Arrived (UTC)",
    "Request",
    "Status",
    "Accepted",
    "Notes",
)


def requests_page(traffic: Traffic) -> str:
    rows = [_row(record) for record in traffic.latest(KEEP_WHOLE)]
    return page(
        "Requests",
        el("h1", "Requests"),
        _tiles(traffic),
        table("Latest requests, newest first", _HEADINGS, rows)
        if rows
        else _no_request_yet(),
        section="Requests",
    )


def _tiles(traffic: Traffic) -> Html:
    tiles = {
        "Requests": traffic.received,
        "Objects sent": traffic.objects,
        "Objects accepted": traffic.accepted,
        "Repeated bodies": traffic.repeated,
    }
    return el(
        "dl",
        *(el("div", el("dt", name), el("dd", f"{n:,}")) for name, n in tiles.items()),
        class_="tiles",
    )


def _row(record: JsonObject) -> tuple[object, ...]:
    number = record["n"]
    return (
        el("a", number, href=f"/requests/{number}", aria_label=f"Request {number}"),
        _arrival(record),
        together(_line(record), _people(record["external_ids"])),
        _status(record["status"]),
        f"{record['accepted']:,} of {record['objects']:,}",
        _notes(record),
    )


def _notes(record: JsonObject) -> str:
    fault = f"Fault: {record['fault']}" if record["fault"] else ""
    return "; ".join(filter(None, (fault, _reasons(record))))


def _arrival(record: JsonObject) -> Html:
    return moment(datetime.fromtimestamp(float(str(record["at"])), UTC))


def _line(record: JsonObject) -> Html:
    return el("code", f"{record['method']} {record['path']}")


def _status(status: object) -> Html:
    if not isinstance(status, int):
        return el("span", "No answer", class_="status bad")
    return el("span", status, class_="status good" if status < 300 else "status bad")


def _people(external_ids: object) -> Html | None:
    """The first few external IDs, and how many more there are."""
    found = external_ids.values() if isinstance(external_ids, dict) else ()
    named = [*dict.fromkeys(str(one) for ids in found for one in _flat(ids))]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    if not named:
        return None
    return el("p", ", ".join(named[:_NAMED]) + more, class_="outcome quiet")


def _flat(ids: Iterable[object]) -> Iterator[object]:
    for one in ids:
        if isinstance(one, list):
            yield from one
        elif one:
            yield one


def _reasons(record: JsonObject) -> str:
    reasons = record["reasons"]
    return "; ".join(reasons) if isinstance(reasons, list) else ""


def _no_request_yet() -> Html:
    return el(
        "section",
        el("h2", "No request yet"),
        el("p", "Every request to Braze's API is listed here with its answer."),
        class_="empty",
    )


# --- One request ----------------------------------------------------------------------


def request_page(record: JsonObject, whole: WholeRequest) -> str:
    title = f"Request {record['n']}"
    return page(
        title,
        el("p", el("a", "Requests", href="/requests"), class_="back"),
        el("h1", title),
        card("Overview", facts(_overview(record, whole))),
        card("Body", _text(whole.body, "It had no body.")),
        card("Answer", _text(whole.answer, _no_answer(record))),
        section="Requests",
    )


def _overview(record: JsonObject, whole: WholeRequest) -> JsonObject:
    rows: JsonObject = {
        "Arrived (UTC)": _arrival(record),
        "Request": _line(record),
        "Status": _status(record["status"]),
        "Key": whole.key,
        "Size": f"{int(str(record['bytes'])):,} bytes",
        "Objects": _objects(record),
        "Why refused": _reasons(record),
        "Fault": record["fault"],
        "Documentation": el("a", "Braze's page of this endpoint", href=whole.page),
        "Note": "Long texts are cut off below." if whole.is_cut else "",
    }
    return {name: value for name, value in rows.items() if value}


def _no_answer(record: JsonObject) -> str:
    is_answered = isinstance(record["status"], int)
    return "The fault answered instead." if is_answered else "It got no answer."


def _objects(record: JsonObject) -> str:
    sent, accepted = int(str(record["objects"])), int(str(record["accepted"]))
    return f"{count(sent, 'object')} sent, {accepted:,} accepted"


def _text(raw: bytes, none: str) -> Html:
    if not raw.strip():
        return el("p", none, class_="quiet")
    return el("pre", *_lines(raw), tabindex="0", aria_label="Text", class_="whole")


def _lines(raw: bytes) -> Iterable[str]:
    """Indented, with the key that older clients put into the body masked."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return [raw.decode(errors="replace")]
    if isinstance(value, dict) and "api_key" in value:
        value["api_key"] = "…"
    return [pretty_json(value)]


def no_such_request_page() -> str:
    return page(
        "No such request",
        el("h1", "No such request"),
        el(
            "p",
            together(
                f"Only the latest {KEEP_WHOLE} are kept. ",
                el("a", "All requests", href="/requests"),
            ),
        ),
        section="Requests",
    )
