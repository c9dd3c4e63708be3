"""Requests: what arrived, and what Braze would have said to it."""

from datetime import UTC, datetime

from externalapi.sandbox.markup import Html, el
from externalapi.sandbox.pages.layout import moment, page, table
from externalapi.sandbox.traffic import Traffic
from externalapi.sandbox.verdicts import JsonObject

RECENT_REQUESTS = 100


def requests_page(traffic: Traffic) -> str:
    rows = [_request_row(record) for record in traffic.latest(RECENT_REQUESTS)]
    return page(
        "Requests",
        el("h1", "Requests"),
        _tiles(traffic),
        table("Latest requests, newest first", _REQUEST_HEADINGS, rows)
        if rows
        else _no_request_yet(),
        section="Requests",
    )


_REQUEST_HEADINGS = (
    "No.",
    "Arrived (UTC)",
    "Path",
    "Status",
    "Sent",
    "Accepted",
    "Fault",
    "Why refused",
)


def _tiles(traffic: Traffic) -> Html:
    facts = {
        "Requests": traffic.received,
        "Objects sent": traffic.objects,
        "Objects accepted": traffic.accepted,
        "Repeated bodies": traffic.repeated,
    }
    return el(
        "dl",
        *(el("div", el("dt", name), el("dd", f"{n:,}")) for name, n in facts.items()),
        class_="tiles",
    )


def _request_row(record: JsonObject) -> tuple[object, ...]:
    reasons = record["reasons"]
    return (
        record["n"],
        moment(datetime.fromtimestamp(float(str(record["at"])), UTC)),
        el("code", record["path"]),
        _status(record["status"]),
        record["objects"],
        record["accepted"],
        record["fault"] or "",
        "; ".join(reasons) if isinstance(reasons, list) else "",
    )


def _status(status: object) -> Html:
    if not isinstance(status, int):
        return el("span", "No answer", class_="status bad")
    return el("span", status, class_="status good" if status < 300 else "status bad")


def _no_request_yet() -> Html:
    return el(
        "section",
        el("h2", "No request yet"),
        el("p", "Every request to Braze's API is listed here with its answer."),
        class_="empty",
    )
