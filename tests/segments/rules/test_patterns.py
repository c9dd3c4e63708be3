"""Patterns: what is refused, that PostgreSQL reads what is left as meant, and how soon."""

import random
import re
import time

import pytest
from django.db import connection

from segments.membership import evaluation, refresh
from segments.rules import tree
from segments.rules.comparing import patterns
from segments.rules.comparing.folding import fold
from segments.rules.comparing.patterns import MAX_PATTERN
from tests.factories import make_profile, make_segment

REFUSED = [
    (r"(a)\1", "a back reference, \\1, is not possible here"),
    (r"\k<x>", "\\k is not known here"),
    ("(?=a)b", "looking ahead or behind is not possible"),
    ("(?!a)b", "looking ahead or behind"),
    ("(?<=a)b", "looking ahead or behind"),
    ("(?<!a)b", "looking ahead or behind"),
    ("(?i)a", "for upper and lower case alike there is an option"),
    ("(?P<x>a)", "after “(” a “?” is only possible"),
    ("(?>a)", "after “(” a “?” is only possible"),
    ("(a", "a “(” has no “)”"),
    ("a)", "there is a “)” without a “(”"),
    ("[a", "a “[” has no “]”"),
    ("[a\\", "a “[” has no “]”"),
    ("[]a]", "nothing stands in [ ]"),
    ("[^]", "nothing stands in [ ]"),
    ("[z-a]", "“z-a” is the wrong way round"),
    ("[[:alpha:]]", "write \\d, \\w or \\s"),
    ("[[.hyphen.]]", "write \\d, \\w or \\s"),
    (r"[\W]", "\\W is not possible there in [ ]"),
    ("*a", "“*” has nothing before it to repeat"),
    ("a|+b", "“+” has nothing before it to repeat"),
    ("^*", "only what is a character can be repeated"),
    (r"\b+", "only what is a character can be repeated"),
    ("a**", "what is repeated is repeated again"),
    ("a{2}{3}", "what is repeated is repeated again"),
    ("a{", "write { } as {2}"),
    ("a{x}", "write { } as {2}"),
    ("a{,3}", "write { } as {2}"),
    ("a{300}", "repeat at most 255 times"),
    ("a{3,2}", "write the smaller number first"),
    ("(a{200}){200}", "it repeats too much"),
    ("((((a{2}){9}){9}){9}){9}", "it repeats too much"),
    ("(?:){200}" * 9, "it repeats too much"),
    ("a" * (MAX_PATTERN + 1), "up to 300 characters"),
    ("(" * 21 + ")" * 21, "groups in groups at most 20 deep"),
    ("a\\", "a “\\” stands at the end"),
    (r"\p{L}", "\\p is not known here"),
    (r"\x41", "\\x is not known here"),
    (r"\ü", "\\ü is not known here"),
    ("[ß]", "“ß” cannot stand in [ ]"),
]
# What a walk with steps back does not end with.
HOSTILE = [
    "^(a+)+$",
    "^(a|aa)+$",
    "^(a|a?)+$",
    "(.*)*x$",
    "(a*)*b",
    "((a*)*)*b",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "(x+x+)+y",
    "(.*a){20}x",
    "(a?){100}a{100}",
    "(a|b|ab)*(bc|c)*(a|b)*x",
    "(.{0,25}){9}x",
    "^(.*?,){11}P",
    "(a|b)*a(a|b){100}x",
    "[^x]*[^y]*[^z]*[^w]*q",
    r"(\w+\s?)+$",
    "((a|b)?){120}x",
    "(.*a.*b.*){30}q",
]
PARTS = (
    "a", "b", "é", "5", " ", ".", "[ab]", "[^a]", "[a-c5]", r"\d", r"\D", r"\w", r"\s",
    r"\b", "^", "$", "(a|b)", "(?:ab|5)", "|", r"\.", r"\(", "[.$^-]", r"[\d\-]", "", "-",
)  # fmt: skip
# Python's $ is also before a last new line, and its digits are all the world's.
PYTHONS = {"$": r"\Z", r"\d": "[0-9]", r"\D": "[^0-9]", r"[\d\-]": r"[0-9\-]"}
TIMES = ("", "", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "*?", "+?", "{1,2}?")


@pytest.mark.parametrize(("pattern", "problem"), REFUSED)
def test_what_cannot_be_bounded_or_read_is_refused(pattern, problem):
    assert problem in patterns.problem(pattern)


def search(pattern, texts, *, folded=False):
    sql = patterns.compile(pattern, folded=folded)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t COLLATE segments_letters ~ %s FROM unnest(%s::text[])"
            " WITH ORDINALITY u (t, n) ORDER BY n",
            [sql, texts],
        )
        return [found for (found,) in cursor.fetchall()]


@pytest.mark.django_db
def test_postgresql_reads_a_pattern_as_python_does():
    source = random.Random(13)
    texts = [
        "",
        "a",
        "ab",
        "b5",
        "é a",
        "5-5",
        "aab.",
        "(a)",
        "a\nb",
        "^$",
        "ab 5é",
        "-",
    ]
    tried = 0
    while tried < 400:
        pieces = [
            (source.choice(PARTS), source.choice(TIMES))
            for _ in range(source.randint(1, 5))
        ]
        pattern = "".join(part + times for part, times in pieces)
        if patterns.problem(pattern):
            continue
        python = "".join(PYTHONS.get(part, part) + times for part, times in pieces)
        expected = [bool(re.search(python, text, re.DOTALL)) for text in texts]
        assert search(pattern, texts) == expected, pattern
        tried += 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        ("JOSÉ", ["josé", "Jose", "JOSE\u0301!"], ["jos"]),
        ("^Stra(ß|ss)e$", ["STRASSE", "straße"], ["strase"]),
        ("[A-C]é?", ["b", "É a"], ["É"]),
        ("^e\u0301+$", ["é", "ÉÉ", "eee"], ["a"]),
        (r"\D", ["x"], ["5"]),
    ],
)
def test_a_folded_pattern(pattern, fitting, other):
    texts = [fold(text) for text in (*fitting, *other)]
    expected = [True] * len(fitting) + [False] * len(other)
    assert search(pattern, texts, folded=True) == expected


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", HOSTILE)
def test_a_hostile_pattern_takes_as_long_as_the_text_is(pattern):
    """Of a text that is twice as long: never the square, let alone a power."""
    assert patterns.problem(pattern) == ""
    source = random.Random(7)
    took = {}
    for length in (8_000, 16_000):
        texts = ["".join(source.choices(of, k=length)) for of in ("ab", "abxyz ,19")]
        took[length] = min(seconds(pattern, texts) for _ in range(3))
    assert took[16_000] < 4 * max(took[8_000], 0.02), took


def seconds(pattern, texts):
    started = time.perf_counter()
    search(pattern, texts)
    return time.perf_counter() - started


@pytest.mark.django_db
def test_a_hostile_pattern_keeps_to_the_budget_of_a_statement():
    person = make_profile(text="ab" * 16_000)
    rules = [
        {"attribute": "text", "is": "matches", "value": pattern} for pattern in HOSTILE
    ]
    segments = [make_segment(rule=rule) for rule in rules]
    started = time.perf_counter()
    evaluation.evaluate([person.pk])
    assert time.perf_counter() - started < evaluation.TOGETHER + 2
    for segment in segments:
        segment.refresh_from_db()
        assert segment.problem == "", segment.rule


@pytest.mark.django_db
def test_a_pattern_is_asked_of_everybody_as_of_one():
    people = [
        make_profile(code=code) for code in ("A-1", "a-1", "A-x", 5, None, "100%")
    ]
    for pattern, expected in ((r"^[A-Z]-\d$", 1), (r"\d%$", 1), (".", 4)):
        rule = {"attribute": "code", "is": "matches", "value": pattern}
        assert tree.people(rule).count() == expected
        few = tree.people(rule, [person.pk for person in people])
        assert few.count() == expected
        segment = make_segment(rule=rule)
        refresh.refresh(segment.pk)
        assert segment.memberships.count() == expected
