"""How an API says what it took: the rules that an External API brings to its answers.

They add to what HTTP's own statuses mean (`externalapi.answers`). Without other words they are
Braze's: 2xx with the message "success" or "queued" (api/endpoints/user_data/
post_user_track), refused objects in `errors` (same page), and the headers of
api/api_limits.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lemnisk_braze.lib.json_types import JSON

MAX_TEXT = 255
MAX_VALUES = 50
_STATUSES = re.compile(r"([1-5][0-9]{2})(?:\s*-\s*([1-5][0-9]{2}))?")
_SEPARATOR = re.compile(r"\s*[,;]\s*|(?<![-\s])\s+(?![-\s])")
_PATH = re.compile(r"[^.\s]+(?:\.[^.\s]+)*")
_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
NO_SUCCESS = "Say which statuses are a success."
WAIT_HEADERS = ("retry-after", "x-ratelimit-retry-after", "x-ratelimit-reset")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRules:
    """Paths lead through the answer's JSON (`data.0.status` as its three parts).

    A success has one of the statuses and, where there is a `success_path`, one of the
    values (lower case) at its end. `errors_path` leads to a list whose entries name
    the array, index and reason of one object each; without a name of the array they
    mean the only one that the body had. `retry` and `refused` win over what a status
    means by itself. `permission` is what the key needs, for people.

    What only the endpoint itself can tell, and nobody types: something at
    `also_success` is a success where nothing stands at `success_path`; an array of a
    name in `nameless_arrays` is no name; `counters` say for an array which number of
    the answer counts its objects.
    """

    success: frozenset[int] = frozenset(range(200, 300))
    success_path: tuple[str, ...] = ("message",)
    success_values: tuple[str, ...] = ("success", "queued")
    errors_path: tuple[str, ...] = ("errors",)
    errors_array: str = "input_array"
    errors_index: str = "index"
    errors_message: str = "type"
    retry: frozenset[int] = frozenset()
    refused: frozenset[int] = frozenset()
    wait_headers: tuple[str, ...] = WAIT_HEADERS
    permission: str = ""
    also_success: tuple[str, ...] = ()
    nameless_arrays: tuple[str, ...] = ()
    counters: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, JSON]:
        """Return the rules as they are stored and typed: statuses as "200-299"."""
        return {
            "success_statuses": statuses_text(self.success),
            "success_path": ".".join(self.success_path),
            "success_values": list(self.success_values),
            "errors_path": ".".join(self.errors_path),
            "errors_array": self.errors_array,
            "errors_index": self.errors_index,
            "errors_message": self.errors_message,
            "retry_statuses": statuses_text(self.retry),
            "refused_statuses": statuses_text(self.refused),
            "wait_headers": list(self.wait_headers),
            "permission": self.permission,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, JSON]) -> "AnswerRules":
        """Return stored rules; what is not in them is as at Braze.

        Raises ValueError with a sentence.
        """
        given = {**BRAZE.to_dict(), **data} if data else BRAZE.to_dict()
        return cls(
            success=statuses(str(given["success_statuses"])),
            success_path=_path(given["success_path"]),
            success_values=tuple(v.lower() for v in _texts(given["success_values"])),
            errors_path=_path(given["errors_path"]),
            errors_array=_name(given["errors_array"]),
            errors_index=_name(given["errors_index"]),
            errors_message=_name(given["errors_message"]),
            retry=statuses(str(given["retry_statuses"])),
            refused=statuses(str(given["refused_statuses"])),
            wait_headers=_headers(given["wait_headers"]),
            permission=_name(given["permission"]),
        )


BRAZE = AnswerRules()
# Plain HTTP: any 2xx is a success, whatever its body says.
GENERIC = AnswerRules(
    success_path=(),
    success_values=(),
    errors_path=(),
    errors_array="",
    errors_index="",
    errors_message="",
)


def statuses(text: str) -> frozenset[int]:
    """Read "200-299, 304"; raises ValueError with a sentence."""
    found: set[int] = set()
    for part in filter(None, _SEPARATOR.split(text.strip())):
        match = _STATUSES.fullmatch(part)
        if match is None:
            raise ValueError(f"“{part[:40]}” is not a status; write 200-299, 304")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"“{part}” begins with its larger number")
        found.update(range(first, last + 1))
    return frozenset(found)


def statuses_text(found: frozenset[int]) -> str:
    """Write statuses as `statuses` reads them: "200-299, 304"."""
    parts: list[list[int]] = []
    for status in sorted(found):
        if parts and status == parts[-1][-1] + 1:
            parts[-1][1:] = [status]
        else:
            parts.append([status])
    return ", ".join("-".join(map(str, part)) for part in parts)


def _path(value: JSON) -> tuple[str, ...]:
    text = _name(value)
    if text and not _PATH.fullmatch(text):
        raise ValueError(f"“{text[:40]}” is not a path; write names with dots between")
    return tuple(text.split(".")) if text else ()


def _name(value: JSON) -> str:
    text = "" if value is None else str(value).strip()
    if len(text) > MAX_TEXT or not text.isprintable():
        raise ValueError(f"“{text[:40]}” cannot be a name")
    return text


def _texts(value: JSON) -> tuple[str, ...]:
    items: Sequence[JSON] = value if isinstance(value, list | tuple) else [value]
    if len(items) > MAX_VALUES:
        raise ValueError(f"there are more than {MAX_VALUES}")
    return tuple(dict.fromkeys(name for item in items if (name := _name(item))))


def _headers(value: JSON) -> tuple[str, ...]:
    names = tuple(name.lower() for name in _texts(value))
    for name in names:
        if not _HEADER.fullmatch(name):
            raise ValueError(f"“{name[:40]}” cannot be the name of a header")
    return names
