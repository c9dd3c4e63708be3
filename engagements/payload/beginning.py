"""What the editor of a payload begins with: the External API's body, as far as it goes."""

import json
from collections.abc import Iterator, Mapping

from externalapi.models import ExternalAPIVersion
from externalapi.template.parameters import Level, Parameter, as_text
from externalapi.template.parser import BodyError
from externalapi.template.placeholders import split_text, whole_name
from externalapi.template.spans import spans


def beginning(version: ExternalAPIVersion, values: Mapping[str, str]) -> str:
    """Return a version's body with what is known in the place of its parameters.

    The channel identifier is the person's, what is fixed its value, the rest what an
    engagement has given for it, else the default. What nothing is known of keeps its
    `{{Name}}`, which the check of a payload asks for.
    """
    text = version.body
    try:
        leaves = [one for one in spans(text).values() if one.is_leaf]
    except BodyError:
        return text
    known = dict(_known(version, values))
    out, at = [], 0
    for span in leaves:
        out += [text[at : span.start], _filled(text[span.start : span.end], known)]
        at = span.end
    return "".join([*out, text[at:]])


def _known(
    version: ExternalAPIVersion, values: Mapping[str, str]
) -> Iterator[tuple[str, tuple[Parameter, str]]]:
    """Parameter name → the parameter, and what stands for it as a value is typed."""
    identifier = version.external_api.channel_identifier
    for parameter in version.read_parameters():
        match parameter.level:
            case Level.IDENTIFIER:
                text = f"{{{{ profile.{identifier} }}}}"
            case Level.FIXED:
                text = parameter.value
            case _:
                text = values.get(parameter.name, "") or parameter.default
        if text:
            yield parameter.name, (parameter, text)


def _filled(written: str, known: Mapping[str, tuple[Parameter, str]]) -> str:
    """A value of the body as it is written in a payload."""
    if "{{" not in written:
        return written
    text = json.loads(written) if written.startswith('"') else written
    name = whole_name(text)
    if name is not None:
        return _whole(*known[name]) if name in known else json.dumps(text)
    pieces = (
        known[piece][1] if is_name and piece in known else _kept(piece, is_name)
        for piece, is_name in split_text(text)
    )
    return json.dumps("".join(pieces), ensure_ascii=False)


def _kept(piece: str, is_name: bool) -> str:
    return f"{{{{{piece}}}}}" if is_name else piece


def _whole(parameter: Parameter, text: str) -> str:
    is_one = text.startswith("{{") and text.find("}}") == len(text) - 2
    if is_one and "\n" not in text:
        return text
    if "{{" in text or "{%" in text:
        return json.dumps(text, ensure_ascii=False)
    try:
        return json.dumps(parameter.coerce(text), ensure_ascii=False)
    except ValueError:
        return json.dumps(as_text(text), ensure_ascii=False)
