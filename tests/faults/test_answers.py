"""What each answer of Braze, or the lack of one, does to the people in the request."""

import json
import time
import tracemalloc
from datetime import timedelta

import pytest
from django.utils import timezone

from engagements.models import Attempt, Batch, Delivery, Destination, Engagement
from tests import factories
from tests.doubles.raw_server import RawServer, always, response
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db(transaction=True)

DEADLINE = 2  # HTTP_TOTAL_SECONDS in conftest


def status(code: int, **fields) -> dict[str, object]:
    return {"kind": "status", "status": code, **fields}


def name(value: object) -> str | None:
    """A fault's name in the names of tests."""
    if not isinstance(value, dict):
        return None
    return str(value.get("status") or value["kind"])


@pytest.mark.parametrize(
    ("fault", "state", "was_taken"),
    [
        ({"kind": "reset_before"}, "uncertain", False),
        ({"kind": "close_before"}, "uncertain", False),
        ({"kind": "reset_after"}, "uncertain", True),
        ({"kind": "close_after"}, "uncertain", True),
        (status(502), "uncertain", False),
        (status(504), "uncertain", False),
        ({"kind": "queued"}, "sent", True),
        ({"kind": "malformed_json"}, "accepted_unverified", True),
        ({"kind": "empty_body"}, "accepted_unverified", True),
        ({"kind": "html_200"}, "accepted_unverified", True),
        ({"kind": "missing_message"}, "accepted_unverified", True),
        ({"kind": "cut_body"}, "accepted_unverified", True),
        ({"kind": "error_without_index"}, "accepted_unverified", True),
        ({"kind": "unknown_input_array"}, "accepted_unverified", True),
    ],
    ids=name,
)
def test_one_request_and_never_a_second(active, sandbox, fault, state, was_taken):
    engagement = active(3)
    sandbox.faults([fault])

    working.to_the_end(engagement)
    working.once()

    invariants.check(engagement, sandbox, sandbox.key)
    assert working.states(engagement) == {state: 3}
    assert len(sandbox.requests()) == 1
    assert set(invariants.received(sandbox).values()) == ({1} if was_taken else set())


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ({"kind": "hang", "seconds": 10}, "uncertain"),
        ({"kind": "delay_after", "seconds": 10}, "uncertain"),
        ({"kind": "slow_headers", "seconds": 0.4}, "uncertain"),
        ({"kind": "slow_body", "seconds": 0.4}, "accepted_unverified"),
    ],
    ids=name,
)
def test_whoever_is_slow_is_cut_off_at_the_deadline(active, sandbox, fault, state):
    engagement = active(3)
    sandbox.faults([fault])
    began = time.monotonic()

    working.to_the_end(engagement)

    assert time.monotonic() - began < DEADLINE + 2
    assert Attempt.objects.get().duration_ms == pytest.approx(DEADLINE * 1000, abs=500)
    assert working.states(engagement) == {state: 3}
    invariants.check(engagement, sandbox, sandbox.key)


@pytest.mark.parametrize("kind", ["reset_on_headers", "reset_mid_body"])
def test_what_was_cut_off_while_it_was_written_is_sent_again(active, sandbox, kind):
    # 3.5 MB: more than fits into the buffers between us and them.
    engagement = active(
        [factories.make_profile(first_name="x" * 95_000) for _ in range(37)]
    )
    sandbox.faults([{"kind": kind}])

    working.to_the_end(engagement)

    assert working.outcomes(engagement) == {"not_sent": 1, "sent": 1}
    assert working.states(engagement) == {"sent": 37}
    invariants.check(engagement, sandbox, sandbox.key)


@pytest.mark.parametrize("is_zipped", [False, True])
def test_a_giant_answer_is_read_up_to_64_kilobytes(active, sandbox, is_zipped):
    engagement = active(3)
    sandbox.faults([{"kind": "giant", "gzip": is_zipped, "size": 64 * 1024 * 1024}])
    tracemalloc.start()
    try:
        working.to_the_end(engagement)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 20_000_000
    assert working.states(engagement) == {"accepted_unverified": 3}
    assert len(Attempt.objects.get().response_head) <= 2_048
    invariants.check(engagement, sandbox, sandbox.key)


@pytest.mark.parametrize("indexes", [[0], [74], [0, 37, 74], None])
def test_rejections_go_to_the_right_people(active, sandbox, indexes):
    engagement = active(75)
    sandbox.faults([{"kind": "partial_errors", "indexes": indexes, "type": "No good."}])

    working.to_the_end(engagement)

    rejected = Delivery.objects.filter(state="rejected")
    places = sorted(delivery.batch.place_of(delivery) for delivery in rejected)
    assert places == (list(range(75)) if indexes is None else indexes)
    assert all("No good." in d.reason for d in rejected)
    invariants.check(engagement, sandbox, sandbox.key)


@pytest.mark.parametrize("code", [500, 503])
def test_a_storm_of_server_errors_passes(active, sandbox, code):
    engagement = active(300)
    sandbox.faults([status(code, times=10)])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 300}
    assert working.outcomes(engagement) == {"not_sent": 10, "sent": 4}
    invariants.check(engagement, sandbox, sandbox.key)


def test_a_storm_of_rate_limits_uses_no_attempt_up(active, sandbox):
    engagement = active(75)
    # More than the 13 attempts that a batch has.
    sandbox.faults([status(429, times=15, headers={"Retry-After": "1"})])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 75}
    assert working.outcomes(engagement) == {"rate_limited": 15, "sent": 1}
    assert Batch.objects.get().attempt_count == 1
    invariants.check(engagement, sandbox, sandbox.key)


def in_ten_minutes() -> str:
    return str(int(time.time()) + 600)


@pytest.mark.parametrize(
    ("header", "value", "seconds"),
    [
        ("X-RateLimit-Reset", in_ten_minutes, 600),
        ("X-RateLimit-Reset", "600", 600),
        ("X-RateLimit-Reset", "99999", 900),  # believed for 15 minutes
        ("X-RateLimit-Reset", "soon", 5),
        ("X-RateLimit-Reset", "-30", 5),
        ("X-RateLimit-Reset", "0", 5),
        ("X-RateLimit-Reset", "", 5),
        ("X-RateLimit-Reset", "NaN", 5),
        ("X-RateLimit-Reset", "1e99", 5),
        ("Retry-After", "600", 600),
        ("Retry-After", "Mon, 01 Jan 2001 00:00:00 GMT", 5),
    ],
)
def test_a_rate_limit_closes_the_connection(active, sandbox, header, value, seconds):
    text = value() if callable(value) else value
    active(3)
    sandbox.faults([status(429, headers={header: text})])

    working.once()

    left = Destination.objects.get().blocked_until - timezone.now()
    assert left.total_seconds() == pytest.approx(seconds, abs=3)
    batch = Batch.objects.get()
    assert (batch.state, batch.attempt_count) == (Batch.State.PENDING, 0)


def test_one_poison_person_among_75_is_found_in_15_requests(active, sandbox):
    engagement = active(75)
    victim = engagement.segment.memberships.order_by("profile_id")[41].profile
    sandbox.faults([status(400, external_id=victim.external_id, times=None, body="{}")])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 74, "dead": 1}
    assert Delivery.objects.get(state="dead").profile == victim
    assert len(sandbox.requests()) <= 15
    invariants.check(engagement, sandbox, sandbox.key)


def test_a_redirect_is_not_followed(active, sandbox, settings):
    with RawServer(always(response())) as elsewhere:
        # Even where the guard would let it through.
        settings.ALLOWED_LOCAL_ADDRESSES += [elsewhere.address]
        location = f"http://{elsewhere.address}/users/track"
        engagement = active(3)
        sandbox.faults([{"kind": "redirect", "location": location}])
        working.once()
        assert elsewhere.connections == 0

    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.BLOCKED
    assert working.states(engagement) == {"pending": 3}


@pytest.mark.parametrize("kind", ["status", "redirect"])
def test_a_redirect_to_the_metadata_service_is_not_followed(active, sandbox, kind):
    engagement = active(3)
    location = "http://169.254.169.254/latest/meta-data/"
    fault = {
        "status": status(302, headers={"Location": location}),
        "redirect": {"kind": "redirect", "location": location},
    }[kind]
    sandbox.faults([fault])
    began = time.monotonic()

    working.once()

    assert time.monotonic() - began < 2
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.BLOCKED
    assert len(sandbox.requests()) == 1


@pytest.mark.parametrize(
    "body",
    [
        r'{"message": "bad \u0000 byte"}',
        "\0\0\0",
        '{"message": ' + "[" * 400 + "]" * 400 + "}",
        '{"message": "success", "errors": [' + "[" * 400 + "]" * 400 + "]}",
    ],
    ids=["NUL in a text", "NULs", "deep message", "deep error"],
)
@pytest.mark.parametrize("code", [201, 401])
def test_an_odd_answer_is_nobody_elses_problem(active, sandbox, code, body):
    """What the database or the parser cannot take must not cost other answers."""
    engagement = active(150)
    sandbox.faults([status(code, body=body)])

    working.once()

    assert "ambiguous" not in working.outcomes(engagement)
    assert not Attempt.objects.filter(outcome="unfinished").exists()
    assert working.states(engagement)["sent" if code != 401 else "pending"] >= 75


def test_a_key_in_an_answer_is_masked_also_at_the_cut(active, sandbox):
    engagement = active(3)
    for offset in (1, 2, 3):
        filler = "x" * (2_048 - len(sandbox.key) + offset)
        sandbox.faults([status(500, body=filler + sandbox.key)])
        working.once()
        working.make_due(engagement)
    working.to_the_end(engagement)

    for attempt in Attempt.objects.filter(outcome="not_sent"):
        assert sandbox.key[:8] not in attempt.response_head


@pytest.mark.parametrize("code", [201, 400, 401, 500])
def test_a_key_is_kept_nowhere_of_an_answer(active, sandbox, code):
    """Nor half of one, where its sentence is cut at 2,000 characters."""
    engagement = active(3)
    key = sandbox.key
    bodies = [
        {"message": f"{'x' * (2_000 - 8)}{key}", "errors": []},
        {
            "message": "success",
            "errors": [
                {"input_array": "attributes", "index": 0, "type": f"no key {key}"},
                {"input_array": "attributes", "index": 1, "type": f"{'y' * 994}{key}"},
            ],
        },
        {"message": f"no {key.encode().hex()}, {key}"},
    ]
    sandbox.faults([status(code, body=json.dumps(body)) for body in bodies])
    for _ in bodies:
        working.once()
        working.make_due(engagement)

    kept = [
        *Attempt.objects.values_list("message", "response_head"),
        *Delivery.objects.values_list("reason"),
        *Engagement.objects.values_list("blocked_reason"),
        *Destination.objects.values_list("last_problem"),
    ]
    assert "••••" in repr(kept)
    assert key[:7] not in repr(kept)
    assert key.encode().hex()[:14] not in repr(kept)


def test_a_batch_whose_answers_are_always_lost_is_not_resent_for_ever(active, sandbox):
    engagement = active(3, ambiguous_policy=Engagement.AmbiguousPolicy.RESEND)
    sandbox.faults([{"kind": "reset_after", "times": None}])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"uncertain": 3}
    assert len(sandbox.requests()) <= 13
    sandbox.clear_faults()
    invariants.check(engagement, sandbox, sandbox.key)


def test_a_batch_is_given_up_by_its_age(active, sandbox):
    engagement = active(3)
    sandbox.faults([status(500, times=2)])
    working.once()
    Batch.objects.update(written_at=timezone.now() - timedelta(hours=25))

    working.to_the_end(engagement)

    assert working.states(engagement) == {"dead": 3}
    invariants.check(engagement, sandbox, sandbox.key)
