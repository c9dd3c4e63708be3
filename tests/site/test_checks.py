"""What `check --deploy` complains about, and that a proper deployment is clean."""

import os
import re
import subprocess
import sys
from pathlib import Path
from secrets import token_hex
from uuid import uuid4

import certifi
import pytest
from cryptography.fernet import Fernet
from django.core import checks

from lemnisk_braze import checks as ours

ROOT = Path(__file__).parents[2]
LONG = "k" * 30 + "0123456789-abcdefghijklmnopqrstuvwxyz"
PRODUCTION = {
    "HTTPS": "1",
    "SECRET_KEY": LONG,
    "SECRETS_KEYS": LONG[::-1],
    "ALLOWED_HOSTS": "lemnisk.example.com",
}


def ids(check):
    return [message.id for message in check(None)]


@pytest.mark.parametrize(
    ("https", "debug", "addresses", "expected"),
    [
        (True, False, ["127.0.0.1:4000"], ["lemnisk_braze.W001"]),
        (True, False, [], []),
        (False, False, ["127.0.0.1:4000"], []),
        (True, True, ["127.0.0.1:4000"], []),
    ],
)
def test_local_addresses_are_for_development(
    settings, https, debug, addresses, expected
):
    settings.HTTPS = https
    settings.DEBUG = debug
    settings.ALLOWED_LOCAL_ADDRESSES = addresses
    assert ids(ours.local_addresses_are_for_development) == expected


@pytest.mark.parametrize(
    ("kept", "secret_key", "secrets_keys", "expected"),
    [
        (True, "made", ["made too"], ["lemnisk_braze.W002", "lemnisk_braze.W003"]),
        (True, "set", ["made too"], ["lemnisk_braze.W003"]),
        # Rotated away from the made one, which still opens the old rows.
        (True, "set", ["set", "made too"], ["lemnisk_braze.W003"]),
        (True, "set", ["set"], []),
        (False, "set", ["set"], []),
    ],
)
def test_secrets_are_set(settings, tmp_path, kept, secret_key, secrets_keys, expected):
    if kept:
        (tmp_path / "secret-key").write_text("made\n")
        (tmp_path / "secrets-key").write_text("made too\n")
    settings.VAR_DIR = tmp_path
    settings.SECRET_KEY = secret_key
    settings.SECRETS_KEYS = secrets_keys
    assert ids(ours.secrets_are_set) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["a"], ["lemnisk_braze.E001"]),
        (["password-password"], ["lemnisk_braze.E001"]),
        (["x" * 64], ["lemnisk_braze.E001"]),
        (["ab" * 32], ["lemnisk_braze.E001"]),
        ([" " * 40], ["lemnisk_braze.E001"]),
        (["", LONG], ["lemnisk_braze.E001"]),
        ([LONG, "old"], ["lemnisk_braze.E001"]),
        ([LONG], []),
        ([LONG, LONG[::-1]], []),
        ([Fernet.generate_key().decode()], []),
        ([str(uuid4())], []),
        ([token_hex(16)], []),
    ],
)
def test_secrets_are_strong(settings, keys, expected):
    settings.SECRETS_KEYS = keys
    assert ids(ours.secrets_are_strong) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["lemnisk_braze.E002"]),
        ("no certificate\n", ["lemnisk_braze.E002"]),
        (Path(certifi.where()).read_text(), []),
    ],
    ids=["empty", "no certificate", "certificates"],
)
def test_authorities_are_there(settings, tmp_path, text, expected):
    settings.CA_FILE = ""
    assert ids(ours.authorities_are_there) == []
    file = tmp_path / "ca.pem"
    settings.CA_FILE = str(file)
    assert ids(ours.authorities_are_there) == ["lemnisk_braze.E002"]
    file.write_text(text)
    assert ids(ours.authorities_are_there) == expected


def test_they_belong_to_deploy_alone():
    registered = checks.registry.registry
    assert ours.secrets_are_set in registered.deployment_checks
    assert ours.secrets_are_set not in registered.registered_checks


def check_deploy(tmp_path, **environment):
    # The browser tests set this one for the whole session.
    own = {k: v for k, v in os.environ.items() if k != "DJANGO_ALLOW_ASYNC_UNSAFE"}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={**own, "VAR_DIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_proper_deployment_is_clean(tmp_path):
    done = check_deploy(tmp_path, **PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
    assert not list(tmp_path.glob("*-key")), "no secret is made where all are set"


# What does not hide each other in one start, of which each takes seconds.
@pytest.mark.parametrize(
    ("left_out", "own", "of_django"),
    [
        (
            {
                "SECRET_KEY": "",
                "SECRETS_KEYS": "",
                "ALLOWED_LOCAL_ADDRESSES": "127.0.0.1:4000",
            },
            {"W001", "W002", "W003"},
            set(),
        ),
        ({"SECRETS_KEYS": "a", "HTTPS": ""}, {"E001"}, {"W012"}),
        ({"SECRETS_KEYS": "", "SECRETS_KEY": "a", "DEBUG": "1"}, {"E001"}, {"W018"}),
    ],
)
def test_a_careless_deployment_is_told(tmp_path, left_out, own, of_django):
    environment = {**PRODUCTION, **left_out}
    done = check_deploy(tmp_path, **{k: v for k, v in environment.items() if v})
    assert done.returncode == 1
    assert set(re.findall(r"lemnisk_braze\.(\w+)", done.stderr)) == own
    assert of_django <= set(re.findall(r"security\.(\w+)", done.stderr))
