"""What pages are made of, whatever their texts and addresses are.

A page without any part that another one lacks need not be looked at: each of its elements
was, at the same place, with the same classes and states, around elements of the same kinds
and a text as long.
"""

from collections.abc import Mapping
from html.parser import HTMLParser

# Attributes that say one of a few words; of others counts that they are there.
STATES = {
    "autocomplete",
    "class",
    "hidden",
    "lang",
    "role",
    "scope",
    "tabindex",
    "type",
}
REFERENCES = {
    "aria-controls",
    "aria-describedby",
    "aria-labelledby",
    "aria-owns",
    "for",
}
NAMES = {"aria-label", "aria-roledescription"}
# What those who hear a page find their way by; its order is a part.
OUTLINE = {
    *("h1", "h2", "h3", "h4", "h5", "h6"),
    *("main", "nav", "header", "footer", "aside", "section", "form"),
}
# Without an end.
VOID = {
    *("area", "base", "br", "col", "embed", "hr", "img", "input"),
    *("link", "meta", "source", "track", "wbr"),
}
# On all pages the same, and looked at on each that is.
NAVIGATION = "nav-sidebar"
# Words; a longer text needs more than a line, or is cut off.
SHORT = 7

Attributes = list[tuple[str, str | None]]


class Markup(HTMLParser):
    """A page's parts, and what it is called; `html` is what the server says."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.parts: set[str] = set()
        self.title = self.heading = ""
        self.mains = 0
        # Tag, description and what is in it, from the outermost to where it is read.
        self._path: list[tuple[str, str, set[str]]] = []
        self._outline: list[str] = []
        self._ids: set[str] = set()
        self._meant: set[str] = set()
        self.feed(html)
        while self._path:
            self._end()
        self.parts.add(" ".join(self._outline))
        self.parts |= {f"nowhere: {name}" for name in self._meant - self._ids}

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        described = [tag]
        for name, value in sorted((name, value or "") for name, value in attrs):
            described.append(self._described(name, value))
        self.mains += tag == "main"
        self._outline += [tag] if tag in OUTLINE else []
        if dict(attrs).get("id") == NAVIGATION:
            described = [NAVIGATION]
        self._hold(tag)
        self._path.append((tag, " ".join(described), set()))
        if tag in VOID:
            self._end()

    def _described(self, name: str, value: str) -> str:
        if name in REFERENCES:
            self._meant.update(value.split())
        elif name == "id":
            is_again = value in self._ids
            self._ids.add(value)
            return f"id {value} again" if is_again else "id"
        elif name == "class":
            # No style of ours asks for a page's model.
            words = (word for word in value.split() if not word.startswith("model-"))
            return " ".join(sorted(words))
        elif name in STATES or (name.startswith("aria-") and name not in NAMES):
            return f"{name}={value}"
        return name if value else f"{name}="

    def handle_endtag(self, tag: str) -> None:
        if tag in (each for each, _, _ in self._path):
            while self._end() != tag:
                pass

    def handle_data(self, data: str) -> None:
        words = data.split()
        if not words or not self._path:
            return
        self._hold("text" if len(words) <= SHORT else "long text")
        tags = [tag for tag, _, _ in self._path]
        if tags[-1] == "title" and "svg" not in tags:
            self.title += " ".join(words)
        if "h1" in tags:
            self.heading = " ".join((*self.heading.split(), *words))

    def _hold(self, kind: str) -> None:
        if self._path:
            self._path[-1][2].add(kind)

    def _end(self) -> str:
        """Leave the innermost element, of which all is known; return its tag."""
        described = [each for _, each, _ in self._path]
        tag, _, kinds = self._path.pop()
        if NAVIGATION not in described[:-1]:
            self.parts.add(" > ".join((*described, " ".join(sorted(kinds)))))
        return tag


def with_new_parts(pages: Mapping[str, Markup]) -> list[str]:
    """The names of those that have a part that none before has; the largest come first."""
    seen: set[str] = set()
    found = []
    for name in sorted(pages, key=lambda name: -len(pages[name].parts)):
        if not pages[name].parts <= seen:
            found.append(name)
            seen |= pages[name].parts
    return found
