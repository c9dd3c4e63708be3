"""What real processes write: each line can be read, tells a life, and names nobody."""

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from engagements.lifecycle import transitions
from engagements.models import Attempt, Delivery, Engagement
from externalapi.connections import encryption
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from lemnisk_braze.local import servers
from lemnisk_braze.local.processes import free_port
from segments.models import InboxRequest, RefusedMessage, Segment
from segments.tracking import write_keys
from tests import factories
from tests.doubles.celery_processes import CeleryProcess, beat, worker
from tests.doubles.sessions import refusing
from tests.faults.working import is_over
from tests.segments.tracking.conftest import basic
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

# In every value of everybody, and in the key.
CANARY = "kanarienvogel"
PHONE = "+4915550147258"
KEY = f"{CANARY}-key-0123456789"
ASKED_FOR = {"attribute": "kind", "is": "equals", "value": CANARY}
PEOPLE = ("ada", "bob", "cleo", "refused", "skipped", "unrecorded", "unasked")


class WebServer(CeleryProcess):
    program = ()


def read(log: Path) -> list[dict[str, Any]]:
    """The lines; each is one object."""
    lines = [line for line in log.read_text().splitlines() if line]
    return [json.loads(line) for line in lines]


def life(log: Path, attempt_id: object) -> list[str]:
    """As `grep attempt_id` tells it: events, in order."""
    lines = [line for line in log.read_text().splitlines() if str(attempt_id) in line]
    return [json.loads(line)["event"] for line in lines]


# --- An attempt's life ----------------------------------------------------------------


def test_grep_tells_the_life_of_an_attempt(draft, sandbox, tmp_path):
    engagement = draft(3, ambiguous_policy=Engagement.AmbiguousPolicy.RESEND)
    sandbox.faults([{"kind": "reset_after", "times": 1}])
    log = tmp_path / "worker.log"
    # However slow the machine is, only the first answer is lost.
    with worker(HTTP_TOTAL_SECONDS="30").to(log) as process, beat():
        transitions.activate(engagement)
        wait_until(lambda: is_over(engagement), "the end of the run")
        assert process.terminate() == 0

    doubtful, taken = Attempt.objects.order_by("started_at")
    assert (doubtful.outcome, taken.outcome) == ("ambiguous", "sent")
    usual = ["attempt.intended", "attempt.answered", "attempt.recorded"]
    assert life(log, taken.pk) == usual
    assert life(log, doubtful.pk) == [*usual[:2], "attempt.ambiguous", usual[2]]
    lines = read(log)
    (doubt,) = [line for line in lines if line["event"] == "attempt.ambiguous"]
    assert doubt["batch_id"] == doubtful.batch_id
    assert doubt["run_id"] == engagement.runs.get().pk
    assert doubt["is_resent"] is True
    # The same batch went once more.
    intents = [line for line in lines if line["event"] == "attempt.intended"]
    assert [line["batch_ids"] for line in intents] == 2 * [[taken.batch_id]]
    assert [line["run_ids"] for line in lines if line["event"] == "run.ended"]


def test_grep_goes_on_after_the_worker_was_killed(draft, sandbox, tmp_path):
    """The intent is in the log of the dead, the doubt in that of who found it."""
    engagement = draft(3, ambiguous_policy=Engagement.AmbiguousPolicy.RESEND)
    sandbox.faults([{"kind": "hang", "seconds": 30, "times": 1}])
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    with worker(HTTP_TOTAL_SECONDS="5").to(first) as process:
        transitions.activate(engagement)
        wait_until(lambda: sandbox.traffic()["requests"] == 1, "a request")
        process.kill()
    with worker().to(second), beat().to(tmp_path / "beat.log"):
        wait_until(lambda: is_over(engagement), "the end of the run")

    doubtful, taken = Attempt.objects.order_by("started_at")
    assert life(first, doubtful.pk) == ["attempt.intended"]
    assert life(second, doubtful.pk) == ["attempt.ambiguous"]
    assert life(second, taken.pk)[-1] == "attempt.recorded"
    assert read(tmp_path / "beat.log")


# --- Nobody is named ------------------------------------------------------------------


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Web server, worker and beat, each with a log in the folder; the web's address."""
    port = free_port(0)
    with ExitStack() as stack:
        web = WebServer(*servers.web(port, workers=1)).to(folder / "web.log")
        for process in (web, worker().to(folder / "worker.log")):
            stack.enter_context(process)
        stack.enter_context(beat().to(folder / "beat.log"))
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: servers.answers(f"{url}/admin/login/"), "the web server")
        yield url


def track(url: str, key: str, name: str, **traits: object) -> int:
    """Tell the site of somebody of whom everything is a canary; the answer's status."""
    value = f"{CANARY}-{name}"
    traits = {
        "email": f"{value}@example.com",
        "phone": PHONE,
        "first_name": value,
        "kind": CANARY,
        "score": 1,
        **traits,
    }
    with requests.Session() as session:
        session.trust_env = False
        body = {
            "userId": value,
            "messageId": f"{value}-{uuid.uuid4()}",
            "traits": traits,
        }
        headers = {"Authorization": basic(key)}
        path = f"{url}/v1/identify"
        return session.post(path, json=body, headers=headers, timeout=30).status_code


def is_of(name: str) -> str:
    """A condition: the row's profile is this person."""
    return f"""EXISTS (SELECT FROM segments_profile p
        WHERE p.id = NEW.profile_id AND p.external_id = '{CANARY}-{name}')"""


OF_PROFILE = "(SELECT p::text FROM segments_profile p WHERE p.id = NEW.profile_id)"


def test_no_log_names_anybody_or_shows_a_key(transactional_db, settings, tmp_path):
    with SandboxProcess(key=KEY) as braze:
        settings.ALLOWED_LOCAL_ADDRESSES = [f"127.0.0.1:{braze.port}"]
        with site(tmp_path) as url:
            take_in(url)
            segment = count()
            send(braze, segment)
            fail_altogether(tmp_path / "worker.log")

    said = {path.name: path.read_text() for path in tmp_path.glob("*.log")}
    assert set(said) == {"web.log", "worker.log", "beat.log"}
    for name, text in said.items():
        assert read(tmp_path / name), name
        assert CANARY not in text.lower(), lines_with(CANARY, text)
        assert PHONE.strip("+") not in text, lines_with(PHONE.strip("+"), text)
    # What quoted them was told, by what it is.
    for event in ("inbox.refused", "segment.person_refused", "delivery.unrecorded"):
        (line,) = [x for x in read(tmp_path / "worker.log") if x["event"] == event]
        assert line["sqlstate"] == "22P02", line
        assert line["at"], line


def lines_with(words: str, text: str) -> list[str]:
    return [line for line in text.splitlines() if words in line.lower()]


def take_in(url: str) -> None:
    """Some are taken, one is refused by the inbox; one makes the web server fail."""
    key = write_keys.issue(factories.make_source())
    refused = f"NEW.external_id = '{CANARY}-nobody'"
    with refusing("segments_profile", refused, "22P02", "NEW::text"):
        for name in (*PEOPLE, "nobody"):
            assert track(url, key, name) == 200
        assert track(url, key, "skipped", score=f"{CANARY}-score") == 200
        wait_until(lambda: not InboxRequest.objects.exists(), "the inbox")
    assert CANARY in RefusedMessage.objects.get().message
    words = "encode(NEW.body, 'escape')"
    with refusing("segments_inboxrequest", "true", "XX000", words):
        assert track(url, key, "later") == 500
    with refusing("segments_inboxrequest", "true", "22P02", words):
        assert track(url, key, "later") == 400


def count() -> Segment:
    """Everybody of them, but for one whose row is refused."""
    segment: Segment = factories.make_segment(rule=ASKED_FOR, refreshed_at=None)
    with refusing("segments_membership", is_of("unasked"), "22P02", OF_PROFILE):
        wait_until(lambda: segment.memberships.count() == len(PEOPLE) - 1, "a count")
    return segment


def send(braze: SandboxProcess, segment: Segment) -> None:
    """One is refused in words that repeat the value, one skipped, one has no end."""
    connection = factories.make_connection(base_url=braze.url)
    encryption.set_key(connection, KEY)
    version = factories.make_version(connection=connection, batching="one")
    engagement = factories.make_engagement(
        segment,
        version,
        {
            "Name of the User": "{{ profile.score | plus: 1 }}",
            "Plan": "{{ profile.first_name }}",
        },
        trigger=Engagement.Trigger.SCHEDULE,
    )
    said = json.dumps({"message": f"no {CANARY}-value and {PHONE} with {KEY}"})
    fault = {"kind": "status", "status": 400, "body": said, "times": 1}
    braze.faults([fault])
    condition = f"NEW.state = 'sent' AND {is_of('unrecorded')}"
    with refusing("engagements_delivery", condition, "22P02", OF_PROFILE):
        transitions.activate(engagement)
        wait_until(lambda: is_over(engagement), "the end of the run")
    reasons = dict(Delivery.objects.exclude(reason="").values_list("state", "reason"))
    assert CANARY in reasons["skipped"], reasons
    assert Delivery.objects.filter(reason__contains=f"no {CANARY}-value").exists()


def fail_altogether(log: Path) -> None:
    """An error that nobody catches, in a task."""
    words = f"(SELECT string_agg(p::text, ',') || '{KEY}' FROM segments_profile p)"
    with refusing("engagements_chore", "true", "XX000", words):
        wait_until(lambda: "Task engagements.tasks.tick" in log.read_text(), "a tick")
        wait_until(lambda: '"sqlstate":"XX000"' in log.read_text(), "its error")
