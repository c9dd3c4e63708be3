"""With a journal a restarted sandbox knows everybody again."""

import orjson

from externalapi.vendors.braze.sandbox.endpoints.routes import arrived
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from externalapi.vendors.braze.sandbox.runtime.backlog import Accepted
from externalapi.vendors.braze.sandbox.runtime.journal import Journal
from tests.externalapi.vendors.braze.sandbox.people import attributes, event

BODY = {
    "attributes": [attributes(visits={"inc": 1}), {"refused": True}],
    "events": [event(), event(time="2999-01-01T00:00:00Z")],
}


def test_people_survive_a_restart_and_a_kill(tmp_path):
    with SandboxProcess("--journal", str(tmp_path / "sandbox.journal")) as sandbox:
        sandbox.track(BODY)
        before = sandbox.user("ada")
        sandbox.restart()
        assert sandbox.user("ada") == before
        sandbox.track(BODY)
        sandbox.kill()
        sandbox.start()
        after = sandbox.user("ada")
        assert after is not None
        assert after["custom_attributes"] == {"visits": 2}
        assert after["custom_events"][0]["count"] == 4
        assert sandbox.summary()["users"] == 1


def test_a_reset_empties_the_journal_too(tmp_path):
    path = tmp_path / "sandbox.journal"
    with SandboxProcess("--journal", str(path)) as sandbox:
        sandbox.track(BODY)
        sandbox.reset()
        assert path.read_bytes() == b""
        sandbox.restart()
        assert sandbox.user("ada") is None


def test_a_torn_last_line_is_cut_off_and_the_next_one_is_whole(tmp_path):
    path = tmp_path / "sandbox.journal"
    requests = [Accepted(1.5, b'{"attributes":[%d]}' % n, {}) for n in range(3)]
    journal = Journal(path)
    for request in requests[:2]:
        journal.append(request)
    journal.close()
    path.write_bytes(path.read_bytes()[:-5])
    journal = Journal(path)
    assert list(journal.requests()) == requests[:1]
    journal.append(requests[2])
    assert list(journal.requests()) == [requests[0], requests[2]]
    journal.close()


def test_a_body_of_several_lines_is_one_line_of_the_journal(tmp_path):
    journal = Journal(tmp_path / "sandbox.journal")
    body = orjson.dumps({"events": [event()]}, option=orjson.OPT_INDENT_2)
    journal.append(Accepted(1.0, body, {"events": [0]}))
    (found,) = journal.requests()
    journal.close()
    assert arrived(found).arrays == {"events": []}


def test_a_journal_of_before_is_read(tmp_path):
    path = tmp_path / "sandbox.journal"
    path.write_bytes(b'{"at":1.0,"refused":{},"body":{"events":[]}}\n')
    journal = Journal(path)
    assert list(journal.requests()) == [Accepted(1.0, b'{"events":[]}', {})]
    journal.close()
