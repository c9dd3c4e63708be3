"""The page before something is done: what happens, to how many people, and Cancel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import HttpRequest
from django.template.response import TemplateResponse

from lemnisk_braze.lib.pages.context import context_of

# A reason that somebody types; it stays in the history.
MAX_WHY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the page asks; the button posts to the address that asked.

    `words` are paragraphs: what happens, and to how many people. `refusal`, in place of
    them: why it cannot be done, so that only Cancel is left, which leads to `back`.
    `hidden` is what the form carries along.
    """

    title: str
    button: str
    back: str
    words: Sequence[str] = ()
    warnings: Sequence[str] = ()
    refusal: str = ""
    tone: str = "primary"
    # Whether the page asks for a reason, and what was typed already.
    asks_why: bool = False
    why: str = ""
    hidden: Mapping[str, object] = field(default_factory=dict)
    # As wide as the window: for what is compared side by side.
    is_wide: bool = False


def confirm(
    site: AdminSite,
    request: HttpRequest,
    question: Question,
    original: Model | None = None,
    template: str = "lemnisk_braze/confirm.html",
    **context: object,
) -> TemplateResponse:
    """Ask. `original` is what it is about; `template` extends the page with `context`."""
    page = context_of(site, request, question.title, question=question)
    page |= context
    if original is not None:
        page |= {"opts": original._meta, "original": original}
    return TemplateResponse(request, template, page)


def typed_why(request: HttpRequest) -> str:
    """The reason that was typed, in one line."""
    return " ".join(request.POST.get("why", "").split())[:MAX_WHY]


def with_why(request: HttpRequest, message: str) -> str:
    """What the history says: what was done, and why."""
    why = typed_why(request)
    return f"{message} Why: {why}" if why else message
