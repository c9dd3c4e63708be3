"""A Braze for the tests: a real sandbox process, one for all, empty for each."""

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client, TransactionTestCase
from django.test import utils as django_test_utils
from django.test.utils import setup_databases, teardown_databases
from hypothesis import HealthCheck, settings

from externalapi.connections import encryption
from externalapi.models import Connection
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from tests import (
    compiling,
    emptying,
    factories,
    migrated,
    order,
    rendering,
    servers,
    signing_in,
)
from tests.doubles import sessions

# How long inputs take to make says how busy the machine is.
settings.register_profile(
    "busy", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")

# Whole sites, and what breaks them.
SLOW_FOLDERS = {"browser", "faults", "site"}
# What walks over every page, every answer or every day, makes very many people or
# rules, or starts processes.
SLOW_FILES = {
    "benchmarks/test_suites.py",
    "engagements/admin/test_odd_data_on_pages.py",
    "engagements/audience/test_expansion.py",
    "engagements/audience/test_send_again.py",
    "engagements/authoring/test_forecast.py",
    "engagements/authoring/test_sent_as_previewed.py",
    "engagements/delivery/test_delivery.py",
    "engagements/delivery/test_journal.py",
    "engagements/guards/test_approved.py",
    "engagements/guards/test_caps.py",
    "engagements/guards/test_left_segment.py",
    "engagements/lifecycle/test_approval.py",
    "engagements/outbox/test_doubt.py",
    "engagements/reporting/test_finding.py",
    "engagements/reporting/test_headcount.py",
    "engagements/schedules/test_making.py",
    "engagements/schedules/test_own_zone.py",
    "engagements/schedules/test_slots.py",
    "engagements/schedules/test_years.py",
    "engagements/test_every_pair.py",
    "engagements/test_segment_use.py",
    "engagements/variants/test_pages.py",
    "engagements/variants/test_sent.py",
    "externalapi/admin/test_connection_key.py",
    "externalapi/http/test_client.py",
    "externalapi/importers/curl/test_any_command.py",
    "externalapi/vendors/braze/lint/test_lint_requests.py",
    "externalapi/vendors/braze/sandbox/test_process.py",
    "security/test_bad_input.py",
    "security/test_hostile_test_api.py",
    "security/test_limited_connections.py",
    "security/test_list_queries.py",
    "security/test_pages.py",
    "security/test_people_are_named_to_few.py",
    "security/test_permissions.py",
    "segments/identity/test_every_order.py",
    "segments/imports/test_beside_calls.py",
    "segments/imports/test_both_ways.py",
    "segments/imports/test_importing.py",
    "segments/imports/test_odd_files.py",
    "segments/life/test_members.py",
    "segments/membership/test_explaining.py",
    "segments/membership/test_lives.py",
    "segments/membership/test_log_of_every_chunk.py",
    "segments/membership/test_moves.py",
    "segments/privacy/test_erasure.py",
    "segments/rules/test_comparisons.py",
    "segments/rules/test_events_against_an_oracle.py",
    "segments/rules/test_long_lists.py",
    "segments/rules/test_rules_against_an_oracle.py",
    "segments/rules/test_verdicts.py",
    "segments/rules/test_whom_against_an_oracle.py",
    "segments/tracking/test_database_down.py",
    "segments/tracking/test_fuzz.py",
    "segments/tracking/test_openapi.py",
}
# Servers of their own.
SLOW_FIXTURES = {"postgres", "released"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without-browser",
        action="store_true",
        help="leave out the tests that drive a browser",
    )
    parser.addoption(
        "--orders",
        type=int,
        default=1,
        help="in how many orders each set of calls about people is sent in",
    )
    parser.addoption(
        "--fuzz",
        type=int,
        default=400,
        help="how many odd requests the tracking API is sent (make fuzz: 20,000)",
    )
    parser.addoption(
        "--fuzz-seed", default="1", help="what those requests are made from"
    )
    parser.addoption(
        "--identity-seed", default="1", help="what those sets are made from"
    )
    parser.addoption(
        "--verdicts",
        default="70x300",
        metavar="RULESxPEOPLE",
        help="of how many all forms of a rule are compared",
    )
    parser.addoption(
        "--rule-worlds",
        type=int,
        default=2,
        help="how many worlds of rules and people are held against the oracle",
    )
    parser.addoption("--rule-seed", default="1", help="what those worlds are made from")


def pytest_configure() -> None:
    # A password is hashed in every test that signs in: slow on purpose, elsewhere.
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Else each client looks up what static files there are, ten milliseconds long.
    django_settings.WHITENOISE_AUTOREFRESH = True
    # Put into place with the rest of Django's test environment.
    django_test_utils.instrumented_test_render = rendering.render  # type: ignore[attr-defined]
    # Pages are opened by who is signed in, not by who signs in.
    Client.force_login = signing_in.force_login  # type: ignore[assignment,method-assign]
    # What else empties the tables after a test that commits (tests/emptying.py).
    TransactionTestCase._fixture_teardown = lambda self: emptying.empty()  # type: ignore[attr-defined]
    TransactionTestCase._should_reload_connections = lambda self: False  # type: ignore[attr-defined]


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    compiling.import_from_another_place(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process for each core; half as many again where tests wait (tests/order.py)."""
    cores = len(os.sched_getaffinity(0))
    return cores if config.option.markexpr == "quick" else cores + cores // 2


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Who asks for the quick ones does not wait until the others are imported."""
    is_asked_for = config.option.markexpr != "quick"
    return None if is_asked_for or not _is_slow(collection_path) else True


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    items: list[pytest.Item],
) -> Generator[None, object, object]:
    """Mark the tests for every day, `make test ARGS="-m quick"`; put all in order."""
    for item in items:
        if _is_quick(item):
            item.add_marker(pytest.mark.quick)
    result = yield
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = order.arrange(items, processes)
    return result


def _is_slow(path: Path) -> bool:
    inside = path.relative_to(Path(__file__).parent)
    is_in_a_folder = bool(SLOW_FOLDERS.intersection(inside.parts[:1]))
    return is_in_a_folder or inside.as_posix() in SLOW_FILES


def _is_quick(item: pytest.Item) -> bool:
    tries_many = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    return not (
        _is_slow(item.path)
        or order.fixtures(item) & SLOW_FIXTURES
        or order.commits(item)
        or tries_many
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let a test that failed with its session ended be the only one that fails."""
    # Django begins another where there is none, and goes on with one that is broken.
    if connection.connection is not None and connection.connection.closed:
        connection.close()


def pytest_collection_finish() -> None:
    """Not look through eleven thousand tests again each time garbage is collected."""
    gc.collect()
    gc.freeze()
    # Django makes thousands of objects a page: by default looking is 8 % of all work.
    gc.set_threshold(20_000)
    gc.enable()


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment, django_db_blocker) -> Iterator[None]:
    """The process's database, in place of pytest-django's.

    That asks seven more fixtures, which pytest looks up again before each test.
    """
    test = connection.settings_dict["TEST"]
    if process := os.environ.get("PYTEST_XDIST_WORKER"):
        test["NAME"] = f"test_{connection.settings_dict['NAME']}_{process}"
    with django_db_blocker.unblock():
        if servers.IS_OURS:
            test["TEMPLATE"] = migrated.template()
        made = setup_databases(verbosity=0, interactive=False)
        emptying.keep_first_rows()
    yield
    with django_db_blocker.unblock():
        # Of a worker that was killed a moment ago: with them it cannot be dropped.
        sessions.end_all_sessions()
        connection.close()
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess, settings) -> SandboxProcess:
    """An empty Braze sandbox that the guarded client may dial."""
    sandbox_process.reset()
    settings.ALLOWED_LOCAL_ADDRESSES = [f"127.0.0.1:{sandbox_process.port}"]
    return sandbox_process


@pytest.fixture
def braze(db, sandbox: SandboxProcess) -> Connection:
    """A connection to the sandbox, with its key."""
    connection = factories.make_connection(base_url=sandbox.url)
    encryption.set_key(connection, sandbox.key)
    return connection
