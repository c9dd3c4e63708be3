"""Braze's side of a request: who asks, may they, what of it is taken, what to answer.

No socket in here: bytes come in, a reply goes out, and the time is an argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from externalapi.braze import contract
from externalapi.braze.contract import FatalAnswer, ObjectLimit
from externalapi.sandbox import exports
from externalapi.sandbox.backlog import Accepted, Backlog
from externalapi.sandbox.faults import UNANSWERED, Rule, changed_answer, changes_answer
from externalapi.sandbox.journal import Journal
from externalapi.sandbox.judge import (
    JsonObject,
    Verdict,
    arrays_of,
    fatal,
    judge,
    refused_as_well,
)
from externalapi.sandbox.limits import EMPTY_HEADERS, Limiter
from externalapi.sandbox.options import Options
from externalapi.sandbox.people import User
from externalapi.sandbox.store import Store
from externalapi.sandbox.traffic import Received, Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    objects: ObjectLimit
    max_bytes: int = contract.MAX_BODY_BYTES
    too_large: FatalAnswer = contract.BODY_TOO_LARGE


class Api:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._journal = Journal(options.journal) if options.journal else None
        self._sizes = {
            contract.TRACK: _Sizes(
                objects=contract.OBJECT_LIMITS[options.object_limit]
            ),
            contract.TRACK_SYNC: _Sizes(objects=contract.SYNC_OBJECT_LIMIT),
            contract.TRACK_BULK: _Sizes(
                objects=contract.BULK_OBJECT_LIMIT,
                max_bytes=contract.MAX_BULK_BODY_BYTES,
                too_large=contract.BULK_BODY_TOO_LARGE,
            ),
        }
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
        self._store = Store()
        self.backlog = Backlog(self._store)
        self.traffic = Traffic(self._options.keep_requests)
        self.limiter = Limiter(self._options.plan)

    @property
    def store(self) -> Store:
        """The people, with everything applied that was accepted so far."""
        self.backlog.apply_all()
        return self._store

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    # --- /users/track ---------------------------------------------------------------

    def track(self, request: Request, rule: Rule | None = None) -> Reply:
        refusal, headers = self._at_the_door(request)
        if refusal is not None:
            return self._refused(request, fatal(refusal), headers, rule)
        try:
            body = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            return self._refused(request, fatal(contract.BAD_JSON), headers, rule)
        verdict = judge(body, self._sizes[request.path].objects)
        if rule is not None and rule.kind == "partial_errors":
            verdict = refused_as_well(
                verdict, body, rule.input_array, rule.indexes, rule.type
            )
        if verdict.accepted:
            self._keep(request, verdict)
        return self._answered(request, body, verdict, headers, rule)

    def _at_the_door(
        self, request: Request
    ) -> tuple[FatalAnswer | None, Mapping[str, str]]:
        """Key, permission, rate, type and size, in an order that is inferred."""
        key = self._key(request.headers)
        permissions = self._options.keys.get(key)
        if permissions is None:
            # Live answers repeat the key that was sent (recorded).
            unknown = contract.INVALID_API_KEY.text + key
            return FatalAnswer(status=401, text=unknown), EMPTY_HEADERS
        if contract.PERMISSION_OF[request.path] not in permissions:
            return contract.ACCESS_DENIED, EMPTY_HEADERS
        admission = self.limiter.admit(request.at)
        if not admission.is_allowed:
            return contract.RATE_LIMITED, admission.headers
        return self._unreadable(request), admission.headers

    @staticmethod
    def _key(headers: Mapping[str, str]) -> str:
        scheme, _, key = headers.get("Authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""

    def _unreadable(self, request: Request) -> FatalAnswer | None:
        content_type = request.headers.get("Content-Type", "").lower()
        if content_type.partition(";")[0].strip() != "application/json":
            return contract.WRONG_CONTENT_TYPE
        # No page says that compressed requests are understood.
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return contract.WRONG_CONTENT_TYPE
        sizes = self._sizes.get(request.path)
        if sizes is not None and len(request.body) > sizes.max_bytes:
            return sizes.too_large
        return None

    def _keep(self, request: Request, verdict: Verdict) -> None:
        accepted = Accepted(request.at, request.body, verdict.refused)
        if self._journal is not None:
            self._journal.append(accepted)
        self.backlog.add(accepted)

    def _answered(
        self,
        request: Request,
        body: object,
        verdict: Verdict,
        headers: Mapping[str, str],
        rule: Rule | None,
    ) -> Reply:
        status, answer = verdict.status, verdict.answer
        if request.path == contract.TRACK_SYNC and verdict.accepted:
            answer = self._sync_answer(verdict)
        if rule is not None and changes_answer(rule) and verdict.accepted:
            status, answer = changed_answer(rule, status, answer)
        self._record(request, body, status, verdict, rule)
        return Reply(status=status, body=orjson.dumps(answer), headers=headers)

    def _refused(
        self,
        request: Request,
        verdict: Verdict,
        headers: Mapping[str, str],
        rule: Rule | None,
    ) -> Reply:
        self._record(request, _parsed(request.body), verdict.status, verdict, rule)
        body = orjson.dumps(verdict.answer)
        return Reply(status=verdict.status, body=body, headers=headers)

    def record_unprocessed(
        self, request: Request, status: int | None, rule: Rule | None
    ) -> None:
        """A request that something ended before Braze could look at it."""
        verdict = Verdict(status=0, answer={})
        self._record(request, _parsed(request.body), status, verdict, rule)

    def _record(
        self,
        request: Request,
        body: object,
        status: int | None,
        verdict: Verdict,
        rule: Rule | None,
    ) -> None:
        received = Received(
            at=request.at,
            path=request.path,
            status=None if rule is not None and rule.kind in UNANSWERED else status,
            body=request.body,
            arrays=arrays_of(body),
            accepted=sum(map(len, verdict.accepted.values())),
            refused=verdict.refused,
            reasons=_reasons(verdict),
            fault=None if rule is None else rule.kind,
        )
        self.traffic.add(received)

    def _sync_answer(self, verdict: Verdict) -> JsonObject:
        array, items = next(
            (name, items) for name, items in verdict.accepted.items() if items
        )
        users = exports.sync_answer(self.store.people.find(items[0]), array, items[0])
        return {"users": users, "message": contract.SUCCESS_MESSAGE}

    # --- /users/export/ids ------------------------------------------------------------

    def export_ids(self, request: Request) -> Reply:
        refusal, headers = self._at_the_door(request)
        if refusal is not None:
            return _reply(fatal(refusal), headers)
        body = _parsed(request.body)
        if not isinstance(body, dict):
            return _reply(fatal(contract.BAD_JSON), headers)
        wanted = identifiers_in(body)
        if len(wanted) > contract.MAX_EXPORT_IDS:
            return _reply(fatal(contract.TOO_MANY_IDS), headers)
        answer = self._exported(wanted, body.get("fields_to_export"))
        return Reply(status=201, body=orjson.dumps(answer), headers=headers)

    def _exported(self, wanted: list[JsonObject], fields: object) -> JsonObject:
        found: dict[str, User] = {}
        unknown: list[object] = []
        for item in wanted:
            user = self.store.people.find(item)
            if user is None:
                unknown += item.values()
            else:
                found[user.braze_id] = user
        users = [_chosen(exports.exported(user), fields) for user in found.values()]
        answer: JsonObject = {"users": users, "message": contract.SUCCESS_MESSAGE}
        if unknown:
            answer["invalid_user_ids"] = unknown
        return answer


def identifiers_in(body: JsonObject) -> list[JsonObject]:
    """The people an export asks for, each as an object with one identifier."""
    wanted: list[JsonObject] = []
    for field, name in (
        ("external_ids", "external_id"),
        ("user_aliases", "user_alias"),
    ):
        values = body.get(field)
        wanted += [{name: one} for one in values] if isinstance(values, list) else []
    for field, name in (
        ("braze_id", "braze_id"),
        ("email_address", "email"),
        ("phone", "phone"),
    ):
        if body.get(field):
            wanted.append({name: body[field]})
    return wanted


def _chosen(user: JsonObject, fields: object) -> JsonObject:
    if not isinstance(fields, list):
        return user
    return {name: value for name, value in user.items() if name in fields}


def _reasons(verdict: Verdict) -> list[str]:
    """Each sentence once; the message of a 401 stays out, for it repeats the key."""
    if verdict.status < 400 and not verdict.errors:
        return []
    reasons = dict.fromkeys(str(error["type"]) for error in verdict.errors)
    if not reasons and verdict.status != contract.INVALID_API_KEY.status:
        reasons = dict.fromkeys(map(str, verdict.answer.values()))
    return [*reasons] or ["Invalid API key"]


def _parsed(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _reply(verdict: Verdict, headers: Mapping[str, str]) -> Reply:
    return Reply(
        status=verdict.status, body=orjson.dumps(verdict.answer), headers=headers
    )
