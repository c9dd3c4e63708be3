"""What a linter says about a body: where, how bad, what to do, and whose rule it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from externalapi.template.spans import Path

_DOCS = "https://www.braze.com/docs"
TRACK_PAGE = f"{_DOCS}/api/endpoints/user_data/post_user_track/"
ATTRIBUTES_PAGE = f"{_DOCS}/api/objects_filters/user_attributes_object/"
EVENT_PAGE = f"{_DOCS}/api/objects_filters/event_object/"
PURCHASE_PAGE = f"{_DOCS}/api/objects_filters/purchase_object/"
ALIAS_PAGE = f"{_DOCS}/api/objects_filters/user_alias_object/"
LIMITS_PAGE = f"{_DOCS}/api/api_limits/"
ERRORS_PAGE = f"{_DOCS}/api/errors/"
NESTED_PAGE = (
    f"{_DOCS}/user_guide/data/custom_data/custom_attributes/"
    "nested_custom_attribute_support/"
)


class Severity(StrEnum):
    """Braze refuses it; Braze takes it and something is lost; it can be better."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"

    @property
    def label(self) -> str:
        return self.capitalize()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`field` is the form's field it belongs to, `path` the place in its body."""

    severity: Severity
    message: str
    advice: str
    page: str
    path: Path = ()
    field: str = "body"


Findings: TypeAlias = Iterator[Finding]


def error(path: Path, message: str, advice: str, page: str) -> Finding:
    return Finding(
        severity=Severity.ERROR, path=path, message=message, advice=advice, page=page
    )


def warning(path: Path, message: str, advice: str, page: str) -> Finding:
    return Finding(
        severity=Severity.WARNING, path=path, message=message, advice=advice, page=page
    )


def hint(path: Path, message: str, advice: str, page: str) -> Finding:
    return Finding(
        severity=Severity.HINT, path=path, message=message, advice=advice, page=page
    )
