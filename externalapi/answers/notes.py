"""What is odd about a success: counts that do not fit, and what it lets be known.

Braze counts what it took of each array (attributes_processed; post_user_track), and
says in a `notice` that a Canvas is paused (post_send_triggered_canvases). People are
sent to all the same, as far as anybody can tell, so this is for people to read.
"""

from collections.abc import Iterator, Sequence

from externalapi.answers.object_errors import ItemError, words
from externalapi.http.messages import Answer
from lemnisk_braze.lib.json_types import JSON

# Where a success says more than that it is one.
TOLD = ("notice", "error")


def note(body: JSON, answer: Answer, errors: Sequence[ItemError]) -> str:
    """Return what is odd in the other side's words and numbers; "" where nothing is."""
    if not isinstance(body, dict) or not answer.rules.success_path:
        return ""
    told = [words(said) for name in TOLD if (said := body.get(name))]
    return " ".join(filter(None, [*told, *_miscounts(body, answer, errors)]))


def _miscounts(
    body: dict[str, JSON], answer: Answer, errors: Sequence[ItemError]
) -> Iterator[str]:
    """What each counter says where it is not what was sent without a refusal."""
    counters = dict(answer.rules.counters)
    items = answer.items or {}
    names = {array: counters.get(array) or f"{array}_processed" for array in items}
    expected: dict[str, int] = dict.fromkeys(names.values(), 0)
    for array, count in items.items():
        expected[names[array]] += count
    for array, _ in {(error.array, error.index) for error in errors}:
        if array in names:
            expected[names[array]] -= 1
    for counter, count in expected.items():
        said = body.get(counter)
        if type(said) is int and said != count:
            yield f"{counter} is {said:,} where {count:,} were sent."
