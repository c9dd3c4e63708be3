"""What the form starts with, of what was pasted."""

import re
from urllib.parse import quote

from externalapi.http.answer_rules import BRAZE, AnswerRules
from externalapi.importers.common.suggestions import title
from externalapi.importers.common.types import Imported
from externalapi.template.batching import BatchPlan
from externalapi.template.parameters import Level
from externalapi.template.placeholders import split_text
from externalapi.vendors.braze.facts.instances import is_braze
from externalapi.vendors.braze.presets.all import PRESETS
from externalapi.vendors.preset import Preset

_SAYS_NOTHING = re.compile(r"v?[0-9.]*|.*[{<].*|api")
# Of an API that nobody knows, HTTP's own statuses are all there is to go by.
_STATUSES_ALONE = AnswerRules(success_path=(), success_values=(), errors_path=())


def as_preset(found: Imported) -> Preset:
    """Return it as a preset: Braze's own rules where it is one of Braze's endpoints."""
    like = _like(found)
    return Preset(
        code="",
        group="",
        name=found.name or _name(found.path),
        description=found.description,
        channel=like.channel if like else "other",
        channel_identifier=_channel_identifier(found),
        method=found.method,
        path=_ascii(found.path) + _query(found),
        headers=found.headers,
        body_kind=found.body_kind,
        body=found.body,
        plan=like.plan if like else BatchPlan(),
        rules=_rules(found, like),
        parameters=found.parameters,
    )


def _like(found: Imported) -> Preset | None:
    if found.base_url and not is_braze(found.base_url):
        return None
    same = (
        one
        for one in PRESETS.values()
        if (one.method, one.path) == (found.method, found.path)
    )
    return next(same, None)


def _rules(found: Imported, like: Preset | None) -> AnswerRules:
    if like:
        return like.rules
    return BRAZE if is_braze(found.base_url) else _STATUSES_ALONE


def _channel_identifier(found: Imported) -> str:
    names = {p.name.lower() for p in found.parameters if p.level is Level.IDENTIFIER}
    return next((one for one in ("email", "phone") if one in names), "external_id")


def _name(path: str) -> str:
    """/v1/campaigns/{{ID}}/send is Campaigns Send."""
    words = [word for word in path.split("/") if not _SAYS_NOTHING.fullmatch(word)]
    return title(" ".join(words))[:255]


def _ascii(path: str) -> str:
    """Write other letters than ASCII's as an address has them."""
    return re.sub(r"[^\x00-\x7f]+", lambda found: quote(found[0]), path)


def _query(found: Imported) -> str:
    pairs = [f"{_quoted(name)}={_quoted(value)}" for name, value in found.query]
    return f"?{'&'.join(pairs)}" if pairs else ""


def _quoted(text: str) -> str:
    """Placeholders stay as they are read; the rest is written as an address is."""
    return "".join(
        "{{" + piece + "}}" if is_name else quote(piece, safe="[]:,@")
        for piece, is_name in split_text(text)
    )
