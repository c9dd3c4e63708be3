"""E-mail addresses and phone numbers have one form, whatever way they were typed."""

import unicodedata

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from segments.contact import are_kept, as_email, as_phone
from segments.identity.calls import CONTACTS

LETTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ADDRESSES = st.builds("{}@{}.io".format, LETTERS, LETTERS)
NUMBERS = st.from_regex(r"\A(\+|00)?[0-9 ()./-]{5,18}\Z")


@given(ADDRESSES | LETTERS)
def test_an_address_that_is_kept_is_kept_as_it_is(text):
    assert as_email(as_email(text)) == as_email(text)


@given(ADDRESSES)
def test_the_forms_of_a_letter_make_one_address(text):
    forms = {as_email(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert len(forms) == 1


@pytest.mark.parametrize("region", ["", "GB", "US", "IN"])
@given(text=NUMBERS)
def test_a_number_that_is_kept_is_kept_as_it_is(region, text):
    with override_settings(PHONE_REGION=region):
        kept = as_phone(text)
        assert as_phone(kept) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        # Taken for a figure on its way: the 0 is no digit of it.
        ("919876543210.0", "+919876543210"),
        ("+4930123456.0", "+4930123456"),
        ("1.415.555.2671", "+14155552671"),
        # Digits of other scripts, and other ways to say that it is a number.
        ("＋４４ ７７００ ９００１２３", "+447700900123"),
        ("+٤٤٧٧٠٠٩٠٠١٢٣", "+447700900123"),
        ("tel:+44-7700-900123", "+447700900123"),
        ("(+44) 7700 900123", "+447700900123"),
        ("0044 7700 900123", "+447700900123"),
        # Nobody has such a number.
        ("0012345", "0012345"),
    ],
)
def test_a_number_that_a_program_wrote_is_the_one_that_is_dialled(text, kept):
    assert as_phone(text) == kept


@pytest.mark.parametrize(
    "text",
    ["+44 77OO 900123", "+49 301234 home", "+1-800-FLOWERS", "+442012345678 ext 5"],
)
def test_a_number_with_letters_is_nobodys(text):
    """Letters were passed over, or read as digits of somebody else's number."""
    assert as_phone(text) == text


TYPED = st.lists(
    ADDRESSES
    | LETTERS
    | NUMBERS
    | st.sampled_from(["+447700900123", "+10700900123", "a@x.example", "A@x.io", "\n"])
    | st.from_regex(r"\A\+[0-9]{6,16}\Z"),
    min_size=1,
    max_size=3,
)


@pytest.mark.parametrize("region", ["", "GB"])
@pytest.mark.parametrize("kind", ["email", "phone"])
@given(texts=TYPED)
def test_what_is_kept_at_once_is_kept_one_by_one(kind, region, texts):
    with override_settings(PHONE_REGION=region):
        if are_kept(kind, texts):
            assert [CONTACTS[kind](text) for text in texts] == texts


def test_a_column_of_plain_ones_is_kept_at_once():
    assert are_kept("phone", ["+447700900123", "+12025550123", "+919812345678"])
    assert not are_kept("phone", ["+447700900123", "+44 7700 900123"])
    assert are_kept("email", ["a@x.example", "b+1@x.example"])
    assert not are_kept("email", ["a@x.example", "B@x.example"])
