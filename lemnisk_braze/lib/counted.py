"""A number with its word."""


def counted(number: int, one: str, several: str = "") -> str:
    """1 person, 2,000 people; `several` is `one` with an s where it is not given.

    A verb goes along: counted(n, "person is", "people are").
    """
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
