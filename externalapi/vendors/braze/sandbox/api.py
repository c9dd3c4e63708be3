"""Braze's side of a request: who asks, may they, what of it is taken, what to answer.

No socket in here: bytes come in, a reply goes out, and the time is an argument.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.facts.contract import FatalAnswer
from externalapi.vendors.braze.sandbox.endpoints import routes
from externalapi.vendors.braze.sandbox.faults import (
    UNANSWERED,
    Rule,
    changed_answer,
    changes_answer,
)
from externalapi.vendors.braze.sandbox.rules.verdicts import (
    Arrays,
    JsonObject,
    Verdict,
    fatal,
    refused_as_well,
)
from externalapi.vendors.braze.sandbox.runtime.backlog import Accepted, Backlog
from externalapi.vendors.braze.sandbox.runtime.journal import Journal
from externalapi.vendors.braze.sandbox.runtime.options import Options
from externalapi.vendors.braze.sandbox.runtime.rate_limits import (
    EMPTY_HEADERS,
    Admission,
    Limits,
)
from externalapi.vendors.braze.sandbox.runtime.request_log import Received, Traffic
from externalapi.vendors.braze.sandbox.runtime.route import Asked, Route
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users.store import Store

# So many levels can always be written.
_SURELY_FLAT_ENOUGH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`params` stand in the path for the names in braces, `query` after it."""

    route: Route
    headers: Mapping[str, str]
    body: bytes
    at: float
    params: Mapping[str, str] = field(default_factory=dict)
    query: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str]


class Api:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._journal = Journal(options.journal) if options.journal else None
        self._forget()
        if self._journal is not None:
            for request in self._journal.requests():
                self.backlog.add(request)

    def reset(self) -> None:
        """Nobody and nothing is left, also in the journal."""
        self._forget()
        if self._journal is not None:
            self._journal.clear()

    def _forget(self) -> None:
        self.workspace = Workspace(self._options, routes.apply)
        self.traffic = Traffic(self._options.keep_requests)
        self.limits = Limits(self._options.plan, self._options.limits)

    @property
    def store(self) -> Store:
        """The people, with everything applied that was accepted so far."""
        return self.workspace.store

    @property
    def backlog(self) -> Backlog:
        return self.workspace.backlog

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    # --- One request ----------------------------------------------------------------

    def answer(self, request: Request, rule: Rule | None = None) -> Reply:
        """Braze's reply; a rule may refuse objects of it or change the answer."""
        route = request.route
        refusal, headers = self._at_the_door(request)
        if refusal is not None:
            return self._refused(request, refusal, headers, rule)
        try:
            body = _read(request.body) if route.endpoint.has_body else None
        except orjson.JSONDecodeError:
            return self._refused(request, contract.BAD_JSON, headers, rule)
        asked = _asked(request, body)
        verdict = route.judge(asked, self.workspace)
        if rule is not None and rule.kind == "partial_errors":
            verdict = _with_partial_errors(verdict, asked.arrays, rule)
        if route.apply is not None and any(verdict.accepted.values()):
            self._keep(request, verdict)
        status, answer = self._final(request, asked, verdict, rule)
        if verdict.headers:
            headers = {**headers, **verdict.headers}
        reply = Reply(status=status, body=orjson.dumps(answer), headers=headers)
        self._record(request, asked.arrays, reply, verdict, rule)
        return reply

    def _at_the_door(
        self, request: Request
    ) -> tuple[FatalAnswer | None, Mapping[str, str]]:
        """Key, permission, rate, type and size, in an order that is inferred."""
        key = key_of(request.headers)
        permissions = self._options.keys.get(key)
        if permissions is None:
            # Live answers repeat the key that was sent (recorded).
            unknown = contract.INVALID_API_KEY.text + key
            return FatalAnswer(status=401, text=unknown), EMPTY_HEADERS
        if request.route.endpoint.permission not in permissions:
            return contract.ACCESS_DENIED, EMPTY_HEADERS
        admission = self._admission(request)
        if not admission.is_allowed:
            return contract.RATE_LIMITED, admission.headers
        return _unreadable(request), admission.headers

    def _admission(self, request: Request) -> Admission:
        route = request.route
        if route.audience_of is not None:
            audience = route.audience_of(_parsed(request.body))
            if audience is not None:
                return self.limits.admit_broadcast(audience, request.at)
        return self.limits.admit(route.endpoint.limit, request.at)

    def _keep(self, request: Request, verdict: Verdict) -> None:
        accepted = Accepted(
            request.at,
            request.body,
            verdict.refused,
            request.route.endpoint.key,
            request.params,
        )
        if self._journal is not None:
            self._journal.append(accepted)
        self.backlog.add(accepted)

    def _final(
        self, request: Request, asked: Asked, verdict: Verdict, rule: Rule | None
    ) -> tuple[int, JsonObject]:
        status, answer = verdict.status, verdict.answer
        if request.route.answer_after is not None and any(verdict.accepted.values()):
            answer = request.route.answer_after(asked, verdict, self.store)
        if rule is not None and changes_answer(rule) and status < 300:
            return changed_answer(rule, status, answer)
        return status, answer

    def _refused(
        self,
        request: Request,
        refusal: FatalAnswer,
        headers: Mapping[str, str],
        rule: Rule | None,
    ) -> Reply:
        verdict = fatal(refusal)
        body = orjson.dumps(verdict.answer)
        reply = Reply(status=verdict.status, body=body, headers=headers)
        self._record(request, _arrays_in(request), reply, verdict, rule)
        return reply

    def record_unprocessed(
        self, request: Request, status: int | None, rule: Rule
    ) -> None:
        """A request that a fault ended before Braze could look at it."""
        verdict = Verdict(status=0, answer={})
        reply = Reply(status=status or 0, body=b"", headers={})
        self._record(request, _arrays_in(request), reply, verdict, rule)

    def _record(
        self,
        request: Request,
        arrays: Arrays,
        reply: Reply,
        verdict: Verdict,
        rule: Rule | None,
    ) -> None:
        is_unanswered = rule is not None and rule.kind in UNANSWERED
        endpoint = request.route.endpoint
        received = Received(
            at=request.at,
            method=endpoint.method,
            path=endpoint.path.format_map(request.params),
            status=None if is_unanswered else reply.status,
            body=request.body,
            arrays=arrays,
            accepted=sum(map(len, verdict.accepted.values())),
            refused=verdict.refused,
            reasons=_reasons(verdict),
            fault=None if rule is None else rule.kind,
            page=endpoint.url,
            key=key_of(request.headers),
            answer=b"" if is_unanswered else reply.body,
        )
        self.traffic.add(received)


def key_of(headers: Mapping[str, str]) -> str:
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _unreadable(request: Request) -> FatalAnswer | None:
    route = request.route
    if not route.endpoint.has_body:
        return None
    content_type = request.headers.get("Content-Type", "").lower()
    if content_type.partition(";")[0].strip() != "application/json":
        return contract.WRONG_CONTENT_TYPE
    # No page says that compressed requests are understood.
    if request.headers.get("Content-Encoding", "identity") != "identity":
        return contract.WRONG_CONTENT_TYPE
    return route.too_large if len(request.body) > route.max_bytes else None


def _read(raw: bytes) -> object:
    """The parsed body; one too deep to be written again is no JSON to the sandbox.

    No page says how deep Braze reads. Here it is about 250 levels.
    """
    body: object = orjson.loads(raw)
    if raw.count(b"{") + raw.count(b"[") > _SURELY_FLAT_ENOUGH:
        try:
            orjson.dumps([[[[body]]]])  # exports put a value a little deeper
        except orjson.JSONEncodeError as error:
            raise orjson.JSONDecodeError(str(error), "", 0) from error
    return body


def _asked(request: Request, body: object) -> Asked:
    return Asked(
        at=request.at,
        raw=request.body,
        body=body,
        params=request.params,
        query=request.query,
        arrays=request.route.read(body, request.params),
    )


def _arrays_in(request: Request) -> Arrays:
    return request.route.read(_parsed(request.body), request.params)


def _with_partial_errors(verdict: Verdict, arrays: Arrays, rule: Rule) -> Verdict:
    if verdict.status >= 400:
        return verdict
    array = rule.input_array or next(iter(arrays), "")
    return refused_as_well(verdict, arrays, array, rule.indexes, rule.type)


def _reasons(verdict: Verdict) -> list[str]:
    """Each sentence once; the message of a 401 stays out, for it repeats the key."""
    if verdict.status == contract.INVALID_API_KEY.status:
        return ["Invalid API key"]
    if verdict.status < 400 and not verdict.errors:
        return []
    listed = verdict.answer.get("errors")
    reasons = [
        str(one.get("type") or one.get("message"))
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    ]
    return [*dict.fromkeys(reasons or map(str, verdict.answer.values()))]


def _parsed(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
