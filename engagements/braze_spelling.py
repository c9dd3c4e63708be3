"""Braze's own spelling of variables, `${first_name}`, as ours.

What a marketer takes over from a message in Braze means the same here, as far as there
is such a thing; what only Braze knows is named.
"""

import re

from engagements.expressions import PersonalizationError

# Ours for Braze's standard attributes; all others keep their name.
STANDARD = {
    "email_address": "profile.email",
    "phone_number": "profile.phone",
    "user_id": "profile.external_id",
}
GROUPS = {
    "custom_attribute": "profile",
    "event_properties": "event.properties",
}
# `{{${name}}}` ends in three braces, of which the first is the name's own.
_OUTPUT = re.compile(r"\{\{((?:[^{}]|\$\{[^{}]*\})*)\}\}")
_VARIABLE = re.compile(
    r"(?P<quoted>\"[^\"]*\"|'[^']*')|(?:(?P<group>\w+)\.)?\$\{(?P<name>[^{}]*)\}"
)
_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def translate(source: str) -> str:
    """Return a value's text with Braze's variables as ours; raises PersonalizationError.

    A `${…}` that stands in no braces is text.
    """
    if "${" not in source:
        return source
    return _OUTPUT.sub(lambda found: _VARIABLE.sub(_ours, found[0]), source)


def _ours(found: re.Match[str]) -> str:
    if found["quoted"] is not None:
        return found[0]
    name, group = found["name"].strip(), found["group"]
    if not name or '"' in name:
        raise PersonalizationError(f"“{found[0]}” names no variable.")
    if group is None:
        return STANDARD.get(name) or _inside("profile", name)
    if group not in GROUPS:
        raise PersonalizationError(
            f"“{found[0]}” is known to Braze only. Use profile, event, segment, "
            "engagement or now."
        )
    return _inside(GROUPS[group], name)


def _inside(group: str, name: str) -> str:
    is_word = _WORD.fullmatch(name)
    return f"{group}.{name}" if is_word else f'{group}["{name}"]'
