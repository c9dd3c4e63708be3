"""The documents' pictures: each is there, small, and shown somewhere."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
MAX_BYTES = 200_000


def shown() -> set[Path]:
    return {
        (document.parent / name).resolve()
        for document in DOCUMENTS
        for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", document.read_text())
    }


def test_every_picture_is_shown_and_every_shown_one_exists():
    assert shown() == set((ROOT / "docs/pictures").glob("*.png"))


def test_a_picture_is_quick_to_load():
    sizes = {path.name: path.stat().st_size for path in shown()}
    assert {name for name, size in sizes.items() if size > MAX_BYTES} == set()
