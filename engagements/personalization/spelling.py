"""Spellings of variables that python-liquid does not read, as those that it does.

`${first_name}` is Braze's own: what a marketer takes over from a message in Braze means
the same here, as far as there is such a thing; what only Braze knows is named. And an
attribute may be called as a word of Liquid is: `profile.limit`.
"""

import re

from engagements.personalization.expressions import PersonalizationError

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
_OUTPUT = re.compile(r"\{\{(?:[^{}]|\$\{[^{}]*\})*\}\}|\{%(?:[^{}]|\$\{[^{}]*\})*%\}")
_WORDS = (
    "and as blank cols contains continue else empty false for if in limit nil not null "
    "offset or required reversed true with"
).split()
_VARIABLE = re.compile(
    r"(?P<quoted>\"[^\"]*\"|'[^']*')|(?:(?<!\w)(?P<group>\w+)\.)?\$\{(?P<name>[^{}]*)\}"
    rf"|\.\s*(?P<word>{'|'.join(_WORDS)})(?![\w-])"
)
_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def translate(source: str) -> str:
    """Return a value's text as python-liquid reads it; raises PersonalizationError.

    A `${…}` that stands in no braces is text.
    """
    return _OUTPUT.sub(lambda found: _VARIABLE.sub(_ours, found[0]), source)


def _ours(found: re.Match[str]) -> str:
    if found["quoted"] is not None:
        return found[0]
    if found["word"]:
        return f'["{found["word"]}"]'
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
    is_word = _WORD.fullmatch(name) and name not in _WORDS
    return f"{group}.{name}" if is_word else f'{group}["{name}"]'
