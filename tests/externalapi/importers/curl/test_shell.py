import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from externalapi.importers.curl.shell import UnclosedQuoteError, split

# What is a shell's own where it stands alone ends the command.
WORDS = st.lists(
    st.text(st.characters(exclude_characters="^`", exclude_categories=["Cs"])).filter(
        lambda word: word.strip() == word
    ),
    max_size=6,
)


@settings(deadline=None)
@given(WORDS)
def test_quoted_words_are_read_as_bash_reads_them(words):
    assert split(shlex.join(["curl", *words])) == (["curl", *words], "")


@settings(deadline=None)
@given(st.text(alphabet="a'\"\\$`^|;&<> \n{}"))
def test_nothing_but_an_unclosed_quote_comes_of_nonsense(text):
    try:
        words, _ = split(text)
    except UnclosedQuoteError:
        return
    assert all(isinstance(word, str) for word in words)


@pytest.mark.parametrize(
    ("text", "words", "rest"),
    [
        ("a \\\n b", ["a", "b"], ""),
        ("a \\\r\n b", ["a", "b"], ""),
        ('"a\\\nb"', ["ab"], ""),
        ("'a\\\nb'", ["a\\\nb"], ""),
        ("a''", ["a"], ""),
        ("'' a", ["", "a"], ""),
        (r"$'\x41\101\t\q'", ["AA\tq"], ""),
        ('$"a $HOME"', ["a $HOME"], ""),
        ("a && b", ["a"], "&& b"),
        ("a >out 2>&1", ["a"], ">out 2>&1"),
        ("a x?b=1&c=2", ["a", "x?b=1&c=2"], ""),
        ("a <user_id> b", ["a", "<user_id>", "b"], ""),
        ("a 'x;' ;", ["a", "x;"], ";"),
    ],
)
def test_a_shell_s_own_rules(text, words, rest):
    assert split(text) == (words, rest)
