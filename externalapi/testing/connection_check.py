"""Check connection: one harmless request, and what its answer means in words."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Q
from django.utils.dateparse import parse_datetime

from externalapi.connections import oauth2
from externalapi.connections.encryption import open_key
from externalapi.http.auth import Auth, SignIn
from externalapi.http.client import Answer, Request, TransportError, send
from externalapi.models import Connection
from externalapi.testing.explanations import search_users_url
from lemnisk_braze.lib import database_clock

PAUSE = timedelta(seconds=5)


class CheckedJustNowError(Exception):
    """Somebody has checked this connection just now. Wait a few seconds."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a check came to. `tone`: success, danger, or warning where it proves nothing.

    `status` is that of the answer, 0 where none came.
    """

    tone: str
    words: str
    status: int = 0
    at: str = ""
    by: str = ""


def check(connection: Connection, by: str, *, next_key: bool = False) -> Check:
    """Send a harmless request with the key in use, or the one that waits beside it.

    `by` is who asked for it. The result is kept on the connection, and that there is
    a check before the first byte leaves. Raises CheckedJustNowError and SecretError.
    """
    key = open_key(
        connection,
        connection.next_key_encrypted if next_key else connection.key_encrypted,
    )
    field = "next_key_check" if next_key else "last_check"
    begun = Check(
        tone="warning",
        words="This check was not finished.",
        at=database_clock.now().isoformat(),
        by=by,
    )
    _begin(connection, field, begun)
    found = replace(_answered(connection, key), at=begun.at, by=by)
    # A key that was set meanwhile was not the one that was checked.
    same = Connection.objects.filter(pk=connection.pk, **{field: asdict(begun)})
    same.update(**{field: asdict(found)})
    connection.refresh_from_db()
    return found


def learn(connection: Connection, status: int, by: str) -> None:
    """Keep what another answer has said of the key in use: it is as good as a check.

    `connection` is what was sent with: a key that was set meanwhile is another one.
    """
    if 200 <= status < 300:
        found = Check(tone="success", words=f"{by}: the key was taken.", status=status)
    elif status in (401, 403):
        words = f"{by}: the key was refused." if connection.key_encrypted else ""
        words = words or f"{by}: a key is asked for, and none is set."
        found = Check(tone="danger", words=words, status=status)
    else:
        return
    same = Connection.objects.filter(
        pk=connection.pk, key_version=connection.key_version
    )
    same.update(last_check=asdict(replace(found, at=database_clock.now().isoformat())))


def learn_it_works(connection: Connection, by: str, asked_at: datetime) -> None:
    """Keep that a request which left at `asked_at` was taken, where that is news.

    Nobody has asked for it: a key that is known to work stays as it was checked. Nor
    does an answer that was long on its way say anything of a later refusal.
    """
    rows = Connection.objects.filter(
        pk=connection.pk, key_version=connection.key_version
    )
    known = rows.values_list("last_check", flat=True).first()
    if known is None or known.get("tone") == "success":
        return
    said_at = parse_datetime(known.get("at", ""))
    if said_at is not None and said_at >= asked_at:
        return
    found = Check(
        tone="success",
        words=f"{by}: the key was taken.",
        status=200,
        at=database_clock.now().isoformat(),
    )
    rows.filter(last_check=known).update(last_check=asdict(found))


class KeyState(StrEnum):
    """What is known of a connection's key, said with the time in its list."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    WORKS = "works"
    REFUSED = "refused"


def key_state(connection: Connection) -> KeyState:
    """By the last check; one that proves nothing of the key leaves it unknown."""
    if not connection.key_encrypted and connection.auth != Auth.NONE:
        return KeyState.MISSING
    tone = connection.last_check.get("tone")
    if tone == "success":
        return KeyState.WORKS
    is_refused = connection.last_check.get("status") in (401, 403)
    return KeyState.REFUSED if is_refused else KeyState.UNKNOWN


def is_braze(connection: Connection) -> bool:
    """Whether it is an instance of Braze, or the sandbox."""
    return bool(search_users_url(connection))


def _begin(connection: Connection, field: str, begun: Check) -> None:
    """One check of a connection at a time: it sends with its key."""
    now = database_clock.now()
    rested = Q(checked_at__isnull=True) | Q(checked_at__lte=now - PAUSE)
    rows = Connection.objects.filter(rested, pk=connection.pk)
    if not rows.update(checked_at=now, **{field: asdict(begun)}):
        raise CheckedJustNowError


def _answered(connection: Connection, key: str) -> Check:
    try:
        answer = send(_request(connection), key)
    except TransportError as e:
        return Check(tone="danger", words=str(e))
    if is_braze(connection):
        return _of_braze(answer, has_key=bool(key))
    return _of_another(answer, has_key=bool(key))


def _request(connection: Connection) -> Request:
    base_url = connection.base_url.rstrip("/")
    if is_braze(connection):
        # Braze has no ping. An empty object changes nothing: a good key gets a 400
        # for it, a bad one a 401 (api/errors; api/endpoints/user_data/post_user_track).
        return Request(
            method="POST",
            url=f"{base_url}/users/track",
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
            },
            body=b"{}",
            sign_in=_sign_in(connection),
        )
    return Request(
        method="GET",
        url=f"{base_url}/",
        headers={"Accept": "application/json, */*"},
        sign_in=_sign_in(connection),
    )


def _sign_in(connection: Connection) -> SignIn:
    """As the connection signs in, but with no token from before: the key is checked."""
    sign_in = connection.sign_in
    if sign_in.token is None:
        return sign_in
    oauth2.forget()
    plan = replace(sign_in.token, key_version=sign_in.token.key_version + 1)
    return replace(sign_in, token=plan)


def _of_braze(answer: Answer, *, has_key: bool) -> Check:
    status = answer.status
    if status == 400 or 200 <= status < 300:
        return Check(
            tone="success",
            words="Braze is there and takes the key. (It was sent an empty request, "
            "which changes nothing.)",
            status=status,
        )
    if status in (401, 403):
        return Check(tone="danger", words=_refused(has_key), status=status)
    if status == 404 or 300 <= status < 400:
        return Check(
            tone="danger",
            words="This is not a Braze REST endpoint. Compare it with the address of "
            "your Braze dashboard.",
            status=status,
        )
    return _of_trouble(status, "Braze")


def _refused(has_key: bool) -> str:
    if not has_key:
        return "Braze is there and asks for a key. Set one."
    return (
        "Braze is there and refuses the key. It may belong to another instance or "
        "workspace, lack the permission users.track, be limited to other IP addresses, "
        "or have been deleted."
    )


def _of_another(answer: Answer, *, has_key: bool) -> Check:
    status = answer.status
    if status in (401, 403):
        words = "refuses the key" if has_key else "asks for a key"
        return Check(
            tone="danger", words=f"The address answers and {words}.", status=status
        )
    if 200 <= status < 300:
        return Check(tone="success", words="The address answers.", status=status)
    if status >= 500 or status == 429:
        return _of_trouble(status, "The other side")
    return Check(
        tone="warning",
        words="The address answers, but says nothing of the key here. Test an External "
        "API that uses this connection.",
        status=status,
    )


def _of_trouble(status: int, who: str) -> Check:
    if status == 429:
        words = (
            f"{who} is there and asks to wait: too many requests. Check again later."
        )
    else:
        words = f"{who} is there and has trouble of its own. Check again later."
    return Check(tone="warning", words=words, status=status)
