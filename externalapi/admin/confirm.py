"""The page that asks before something is done to an External API or a connection."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from externalapi.definitions.comparison import Change
from externalapi.models.usage import Use

MAX_WHY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the page says. `refusal`: why it cannot be done, and so has no button."""

    title: str
    button: str
    lines: Iterable[str]
    tone: str = "primary"
    refusal: str = ""
    uses: Iterable[Use] = ()
    changes: Iterable[Change] = ()
    # Headings of what is compared, and what the form carries along.
    before: str = ""
    after: str = ""
    hidden: Mapping[str, object] | None = None


def ask(
    site: admin.AdminSite, request: HttpRequest, obj: Model, question: Question
) -> HttpResponse:
    """Ask, with a field for the reason, which stays in the history."""
    context: dict[str, Any] = {
        **site.each_context(request),
        "opts": obj._meta,
        "original": obj,
        "title": question.title,
        "question": question,
        "max_why": MAX_WHY,
    }
    return TemplateResponse(request, "externalapi/ask.html", context)


def with_why(request: HttpRequest, message: str) -> str:
    """What the history says: what was done, and the reason that was typed."""
    why = " ".join(request.POST.get("why", "").split())[:MAX_WHY]
    return f"{message} Why: {why}" if why else message
