import base64
from urllib.parse import quote

import pytest
from django.core.management import call_command

from externalapi.models import Connection
from externalapi.secrets import (
    SecretError,
    mask,
    read_key,
    redact,
    redact_bytes,
    set_key,
)

KEY = "3f?a/9c>1-secret-key-b7e4"


@pytest.fixture
def connection(db):
    return Connection.objects.create(
        name="Braze", base_url="https://rest.iad-01.braze.com"
    )


def test_a_key_is_stored_encrypted_and_read_back(connection):
    set_key(connection, f"  {KEY}\n")
    stored = Connection.objects.get()
    assert read_key(stored) == KEY
    assert KEY not in stored.key_encrypted
    assert stored.key_last_four == "b7e4"
    assert stored.key_version == 1
    assert stored.key_set_at is not None


def test_each_key_is_a_new_version(connection):
    set_key(connection, KEY)
    set_key(connection, "another-key-0002")
    assert connection.key_version == 2
    assert read_key(connection) == "another-key-0002"


def test_of_a_short_key_nothing_is_shown(connection):
    set_key(connection, "short-key")
    assert connection.key_last_four == ""
    assert mask("short-key") == "••••"


def test_no_key_is_an_empty_key(connection):
    assert read_key(connection) == ""


def test_a_key_copied_to_another_row_is_worth_nothing(connection):
    set_key(connection, KEY)
    other = Connection.objects.create(
        name="Evil",
        base_url="https://evil.test",
        key_encrypted=connection.key_encrypted,
    )
    with pytest.raises(SecretError):
        read_key(other)


def test_old_keys_stay_readable_while_the_passphrase_is_listed(connection, settings):
    settings.SECRETS_KEYS = ["old passphrase"]
    set_key(connection, KEY)
    settings.SECRETS_KEYS = ["new passphrase", "old passphrase"]
    assert read_key(connection) == KEY
    settings.SECRETS_KEYS = ["new passphrase"]
    with pytest.raises(SecretError, match="another SECRETS_KEY"):
        read_key(connection)


def test_rotating_makes_the_old_passphrase_superfluous(connection, settings, capsys):
    settings.SECRETS_KEYS = ["old passphrase"]
    set_key(connection, KEY)
    settings.SECRETS_KEYS = ["new passphrase", "old passphrase"]
    call_command("rotate_secrets")
    assert capsys.readouterr().out == "Keys encrypted again: 1.\n"
    settings.SECRETS_KEYS = ["new passphrase"]
    connection.refresh_from_db()
    assert read_key(connection) == KEY
    assert connection.key_version == 1


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        quote(KEY, safe=""),
        quote(KEY),
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(f"{KEY}:".encode()).decode(),
        base64.b64encode(f":{KEY}".encode()).decode(),
        base64.b64encode(f"Bearer {KEY}".encode()).decode(),
        f'{{"message":"Invalid API key: {KEY}"}}',
    ],
)
def test_every_form_of_a_key_is_masked(form):
    text = redact(f"before {form} after", KEY)
    assert form not in text
    assert KEY not in text
    assert "secret" not in text
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert "••••b7e4" in text


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "someone@example.com"])
@pytest.mark.parametrize("after", ["", ":x", ":xy"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_key_is_masked_inside_the_base64_of_a_pair(user, after, encode):
    pair = encode(f"{user}:{KEY}{after}".encode()).decode()
    text = redact(f"Authorization: Basic {pair}", KEY)
    assert "••••b7e4" in text
    left = text.replace("Authorization: Basic ", "").replace("••••b7e4", "")
    assert len(left) <= len(pair) - len(KEY)


def test_a_key_is_masked_in_bytes_that_are_no_text():
    data = b"\xff" + KEY.encode() + b"\xfe"
    assert redact_bytes(data, KEY) == b"\xff" + "••••b7e4".encode() + b"\xfe"


def test_without_a_key_a_text_stays():
    assert redact("text", "") == "text"
