"""E-mail addresses and phone numbers have one form, whatever way they were typed."""

import unicodedata

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from segments.identity.contact import as_email, as_phone

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
