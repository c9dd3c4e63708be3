"""Documents as vendors write them, shortened."""

from pathlib import Path

_FOLDER = Path(__file__).parent

PETSTORE, STRIPE, BRAZE = (
    (_FOLDER / f"{name}.json").read_text() for name in ("petstore", "stripe", "braze")
)
