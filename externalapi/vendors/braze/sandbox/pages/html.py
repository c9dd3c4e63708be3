"""HTML from Python, safe by construction: whatever is not `Html` is escaped."""

from html import escape

_VOID = frozenset({"br", "input", "link", "meta"})


class Html(str):
    """A text that is markup already."""

    __slots__ = ()


def el(tag: str, *children: object, **attributes: object) -> Html:
    """One element; `class_` and `for_` are the attributes Python has taken."""
    opening = f"<{tag}{_attributes(attributes)}>"
    if tag in _VOID:
        return Html(opening)
    return Html(f"{opening}{together(*children)}</{tag}>")


def together(*children: object) -> Html:
    return Html(
        "".join(
            one if isinstance(one, Html) else escape(str(one))
            for one in children
            if one is not None
        )
    )


def _attributes(attributes: dict[str, object]) -> str:
    return "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
