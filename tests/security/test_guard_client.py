"""The guard on the wire: what is dialled is what was checked."""

import datetime
import ipaddress
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from externalapi.http.client import (
    BlockedAddressError,
    GuardedClient,
    NotSentError,
    Request,
)
from lemnisk_braze.lib.network import lookup
from tests.doubles.kept_connections import KeptConnections
from tests.doubles.raw_server import RawServer, always, response

URL = "https://api.partner.com/users/track"


def request(url=URL, **headers):
    return Request(method="POST", url=url, headers=headers, body=b"{}")


@pytest.fixture(
    params=[GuardedClient, KeptConnections],
    ids=lambda way: way.__name__,
)
def way(request):
    """Both ways out: a request opens its connection, or finds one that is open."""
    return request.param


@pytest.fixture
def dialled(monkeypatch):
    """The addresses that were dialled; none of them is reached."""
    found = []

    def create_connection(address, timeout):
        found.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", create_connection)
    return found


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "10.0.0.1"],
        ["169.254.169.254"],
        ["8.8.8.8", "::1"],
        ["2606:4700:4700::1111", "64:ff9b::7f00:1"],
    ],
    ids=" ".join,
)
def test_one_address_inside_refuses_the_host(way, addresses, dialled):
    client = way(resolver=lambda host, port: addresses)
    with pytest.raises(BlockedAddressError) as error:
        client.send(request(), "k")
    assert dialled == []
    # Neither words nor phases tell more of the inside than of a name that is unknown.
    with pytest.raises(NotSentError) as unknown:
        way(resolver=lambda host, port: []).send(request(), "k")
    assert str(error.value) == str(unknown.value)
    assert "cannot be reached from here" in str(error.value)
    phases = (error.value.timing.dns, error.value.timing.connect)
    assert phases == (unknown.value.timing.dns, unknown.value.timing.connect)


def test_what_was_checked_is_dialled_and_looked_up_once(way, dialled):
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    client = way(resolver=lambda host, port: next(answers))
    with pytest.raises(NotSentError) as error:
        client.send(request(), "k")
    assert dialled == [("8.8.8.8", 443)]
    assert not isinstance(error.value, BlockedAddressError)
    with pytest.raises(BlockedAddressError):
        client.send(request(), "k")
    assert len(dialled) == 1


def test_all_addresses_are_tried(way, dialled):
    client = way(resolver=lambda host, port: ["8.8.8.8", "1.1.1.1"])
    with pytest.raises(NotSentError):
        client.send(request(), "k")
    assert dialled == [("8.8.8.8", 443), ("1.1.1.1", 443)]


def test_a_host_without_addresses_is_not_dialled(way, dialled):
    client = way(resolver=lambda host, port: [])
    with pytest.raises(NotSentError):
        client.send(request(), "k")
    assert dialled == []


def test_an_address_in_the_url_needs_no_resolver_to_be_refused(way, dialled):
    client = way(resolver=lambda host, port: ["8.8.8.8"])
    with pytest.raises(BlockedAddressError):
        client.send(request("https://169.254.169.254/latest/meta-data"), "k")
    assert dialled == []


@pytest.mark.parametrize(
    "headers", [{"Host": "evil"}, {"X": "a\r\nb"}, {"Transfer-Encoding": "chunked"}]
)
def test_bad_headers_are_refused_before_anything_is_dialled(way, headers, dialled):
    client = way(resolver=lambda host, port: ["8.8.8.8"])
    with pytest.raises(BlockedAddressError):
        client.send(request(**headers), "k")
    assert dialled == []


def test_a_key_cannot_break_out_of_its_header(way, dialled):
    client = way(resolver=lambda host, port: ["8.8.8.8"])
    with pytest.raises(BlockedAddressError):
        client.send(request(), "key\r\nX-Evil: 1")
    assert dialled == []


def test_the_bypass_is_off_by_default(way, settings):
    assert settings.ALLOWED_LOCAL_ADDRESSES == []
    with RawServer(always(response())) as server:
        with pytest.raises(BlockedAddressError):
            way().send(request(f"http://{server.address}/"), "k")
        assert server.connections == 0


def test_the_real_resolver_finds_loopback_and_reports_what_is_not_there():
    assert lookup.resolve("127.0.0.1", 80) == ["127.0.0.1"]
    with pytest.raises(OSError):
        lookup.resolve("no-such-host.invalid", 80)


def test_a_name_server_that_hangs_is_not_waited_for(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: release.wait(10) and [])
    monkeypatch.setattr(lookup, "RESOLVE_SECONDS", 0.1)
    try:
        with pytest.raises(TimeoutError, match="did not resolve"):
            lookup.resolve("slow.partner.com", 443)
    finally:
        release.set()


# TLS on the original name, at the address that was checked

NAME = "api.partner.com"


def certificate(tmp_path, name=NAME, days=1, san=None):
    """A self-signed certificate: its file, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=5))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([san or x509.DNSName(name)]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    pem = cert.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(secret + pem)
    authority = tmp_path / "ca.pem"
    authority.write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return str(authority), context


@pytest.fixture
def over_tls(way, settings):
    """Send to NAME, which resolves to the server: its host:port is allowed."""
    servers = []

    def send(context, ca_file):
        server = RawServer(always(response()), tls=context).__enter__()
        servers.append(server)
        settings.ALLOWED_LOCAL_ADDRESSES = [f"{NAME}:{server.port}"]
        client = way(resolver=lambda h, p: ["127.0.0.1"], ca_file=ca_file)
        return client.send(request(f"https://{NAME}:{server.port}/x"), "k"), server

    yield send
    for server in servers:
        server.__exit__()


def test_name_and_certificate_are_the_original_hosts(way, over_tls, tmp_path):
    ca_file, context = certificate(tmp_path)
    names = []
    context.sni_callback = lambda sock, name, ctx: names.append(name)
    answer, server = over_tls(context, ca_file)
    assert answer.status == 201
    assert set(names) == {NAME}
    assert f"Host: {NAME}:{server.port}".encode() in server.requests[0]
    if way is KeptConnections:
        return  # It was opened before, unless a session ticket had it opened anew.
    timing = answer.timing
    assert timing.dns is not None
    assert timing.connect is not None
    assert timing.tls is not None
    assert timing.tls > 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "other.com"}, "Hostname mismatch"),
        ({"days": -1}, "certificate has expired"),
        ({"san": x509.IPAddress(ipaddress.ip_address("127.0.0.1"))}, "mismatch"),
    ],
    ids=["wrong host", "expired", "the address instead of the name"],
)
def test_a_certificate_that_does_not_fit_is_refused_in_clear_words(
    over_tls, tmp_path, fields, words
):
    ca_file, context = certificate(tmp_path, **fields)
    with pytest.raises(NotSentError, match=words):
        over_tls(context, ca_file)


def test_an_authority_in_the_settings_is_trusted_and_still_asked_for_the_name(
    over_tls, tmp_path, settings
):
    settings.CA_FILE, context = certificate(tmp_path)
    answer, _ = over_tls(context, None)
    assert answer.status == 201
    settings.CA_FILE, context = certificate(tmp_path, name="other.com")
    with pytest.raises(NotSentError, match="Hostname mismatch"):
        over_tls(context, None)


@pytest.mark.parametrize("file", ["absent.pem", "empty.pem"])
def test_a_list_without_authorities_trusts_nobody(over_tls, tmp_path, settings, file):
    _, context = certificate(tmp_path)
    (tmp_path / "empty.pem").touch()
    settings.CA_FILE = str(tmp_path / file)
    with pytest.raises(NotSentError):
        over_tls(context, None)


def test_a_certificate_of_nobody_known_is_refused(over_tls, tmp_path):
    _, context = certificate(tmp_path)
    with pytest.raises(NotSentError, match="self-signed certificate"):
        over_tls(context, None)


def test_there_is_no_way_back_to_plain_http(way, settings):
    def plain(connection, server):
        server.requests.append(connection.recv(65_536))
        connection.sendall(response())

    with RawServer(plain) as server:
        settings.ALLOWED_LOCAL_ADDRESSES = [f"{NAME}:{server.port}"]
        client = way(resolver=lambda h, p: ["127.0.0.1"])
        with pytest.raises(NotSentError, match="secure connection"):
            client.send(request(f"https://{NAME}:{server.port}/x"), "the-key")
        assert all(b"the-key" not in sent for sent in server.requests)
