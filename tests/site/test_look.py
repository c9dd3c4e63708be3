"""One look: one stylesheet, whose classes are there and in use, and no inline code."""

import re
from pathlib import Path

from django.conf import settings

ROOT = Path(__file__).parents[2]
APPS = ("engagements", "externalapi", "lemnisk_braze", "segments")
STYLES = ROOT / "lemnisk_braze/static/lemnisk_braze/style"
TEMPLATES = [path for app in APPS for path in (ROOT / app).rglob("*.html")]
SCRIPTS = [
    path
    for app in APPS
    for path in (ROOT / app).rglob("*.js")
    if "node_modules" not in path.parts and path.name != "editor.js"
]
MODULES = [path for app in APPS for path in (ROOT / app).rglob("*.py")]
# The theme's, Django's and the editor's.
FOREIGN = re.compile(r"dark$|rule-json$|cm-|tok-|field-")
TAG = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
CLASS = re.compile(r'class="([^"]*)"')


def styles(*names: str) -> str:
    text = "".join((STYLES / f"{name}.css").read_text() for name in names)
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def defined(*names: str) -> set[str]:
    selectors = re.sub(r"{[^{}]*}", " ", styles(*names))
    found = set(re.findall(r"\.([a-z][\w-]*)", selectors))
    return {name for name in found if not FOREIGN.match(name)}


def everything_else() -> str:
    return "\n".join(p.read_text() for p in (*TEMPLATES, *SCRIPTS, *MODULES))


def test_all_styles_are_in_the_one_stylesheet():
    found = {
        str(path.relative_to(ROOT / "lemnisk_braze/static"))
        for app in APPS
        for path in (ROOT / app).rglob("*.css")
        if "sandbox" not in path.parts
    }
    assert found == set(settings.STYLESHEETS)


def test_every_class_of_the_stylesheet_is_in_use():
    text = everything_else()
    words = set(re.findall(r"[\w-]+", text))
    # Up to where a template or a script puts something in.
    begun = set(re.findall(r"[\w-]+(?=\$?{)", text))
    unused = [
        name
        for name in defined("components", "pages")
        if name not in words and not any(word.endswith(stem(name)) for word in begun)
    ]
    assert unused == []


def stem(name: str) -> str:
    """Up to what a template may put in: badge-- of badge--danger."""
    head, dashes, _ = name.rpartition("--")
    return head + dashes if dashes else name.rpartition("-")[0] + "-"


def test_every_class_of_ours_is_in_the_stylesheet():
    known = defined("components", "pages")
    missing = {
        (path.name, name)
        for path in TEMPLATES
        for names in CLASS.findall(TAG.sub("…", path.read_text()))
        for name in names.split()
        if name.startswith("lb-") and "…" not in name and name not in known
    }
    assert missing == set()


def test_every_variable_is_defined_once_and_in_use():
    root, dark = styles("variables").split(".dark")
    names = re.findall(r"(--lb-[\w-]+):", root)
    assert len(names) == len(set(names))
    assert set(re.findall(r"(--lb-[\w-]+):", dark)) <= set(names)
    uses = set(
        re.findall(r"var\((--lb-[\w-]+)", styles("components", "pages", "theme"))
    )
    assert uses == set(names)


def test_no_template_has_code_or_styles_of_its_own():
    inline = re.compile(
        r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|rel=\"stylesheet"
    )
    assert [p.name for p in TEMPLATES if inline.search(p.read_text())] == []


def test_no_line_of_a_template_is_longer_than_120():
    long = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in TEMPLATES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 120
    ]
    assert long == []


def test_every_script_says_which_page_it_serves():
    first = {path.name: path.read_text().splitlines()[0] for path in SCRIPTS}
    assert [name for name, line in first.items() if not line.startswith("// ")] == []
