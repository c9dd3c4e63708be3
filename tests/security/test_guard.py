import pytest

from externalapi.http.ssrf import (
    GuardError,
    check_headers,
    check_url,
)
from lemnisk_braze.lib.network.addresses import DENIED, is_denied


@pytest.mark.parametrize(
    ("url", "dialled"),
    [
        ("https://rest.fra-01.braze.eu", "https://rest.fra-01.braze.eu:443/"),
        (
            "HTTPS://Rest.Fra-01.Braze.EU/users/track",
            "https://rest.fra-01.braze.eu:443/users/track",
        ),
        ("https://a.com:8443/x?y=z@b", "https://a.com:8443/x?y=z@b"),
        ("https://a.com?x=1", "https://a.com:443/?x=1"),
        ("https://8.8.8.8/x", "https://8.8.8.8:443/x"),
        ("https://1.1.1.1", "https://1.1.1.1:443/"),
        ("https://[2606:4700:4700::1111]/x", "https://[2606:4700:4700::1111]:443/x"),
        ("https://[2001:4860:4860::8888]", "https://[2001:4860:4860::8888]:443/"),
        ("https://xn--bcher-kva.de/", "https://xn--bcher-kva.de:443/"),
    ],
)
def test_public_addresses_are_allowed_and_written_in_one_form(url, dialled):
    assert check_url(url).url == dialled


@pytest.mark.parametrize(
    "url",
    [
        "http://a.com/",
        "ftp://a.com/",
        "file:///etc/passwd",
        "gopher://a.com/",
        "javascript://a.com/",
        "//a.com/",
        "a.com",
        "https:a.com",
        "https:/a.com",
        "https:///x",
        "https://",
        "",
        # What stands before the host
        "https://user@a.com/",
        "https://user:pass@a.com/",
        "https://a.com@127.0.0.1/",
        "https://127.0.0.1#@a.com/",
        "https://a.com#fragment",
        # Characters that parsers disagree about
        "https://a.com\\@127.0.0.1/",
        "https://a.com\\.evil.com/",
        "https://a.com/ x",
        " https://a.com/",
        "https://a.com/\r\nX: y",
        "https://a.com/\tx",
        "https://a.com\x00.evil.com/",
        "https://a.com/ü",
        "https://ａ.com/",
        "https://127。0。0。1/",
        "https://１２７.0.0.1/",
        "https://%31%32%37.0.0.1/",
        "https://127.0.0.1%2e/",
        "https://127.0.0.1%00.a.com/",
        # Numbers dressed up as hosts
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://017700000001/",
        "https://0X7F000001/",
        "https://0x7f.0x0.0x0.0x1/",
        "https://0177.0.0.01/",
        "https://127.0.1/",
        "https://4294967297/",
        "https://00000127.0.0.1/",
        "https://127.0.0.1../",
        "https://1e3/",
        "https://1.2.3.4.5/",
        "https://1.2.3.04/",
        "https://evil.com.0x7f/",
        # IPv6 in brackets
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::127.0.0.1]/",
        "https://[::ffff:0:127.0.0.1]/",
        "https://[0:0:0:0:ffff:0:7f00:1]/",
        "https://[2606:4700::5efe:127.0.0.1]/",
        "https://[::ffff:0x7f.0.0.1]/",
        "https://[::ffff:2130706433]/",
        "https://[fe80::1%eth0]/",
        "https://[fe80::1%25]/",
        "https://[::1].com/",
        "https://[::ffff:127.0.0.1.]/",
        "https://[fe80::1%25eth0]/",
        "https://[::1",
        "https://[g::1]/",
        "https://::1/",
        # Names that lead inside
        "https://localhost/",
        "https://intranet/",
        "https://a.local/",
        "https://metadata.google.internal/",
        "https://a.localhost/",
        "https://a.corp/",
        "https://a.lan/",
        "https://db.default.svc/",
        "https://router.home.arpa/",
        "https://a.intranet/",
        "https://a.com./",
        "https://.a.com/",
        "https://a..com/",
        "https://-a.com/",
        "https://a_b.com/",
        "https://a%2ecom/",
        "https://" + "a" * 64 + ".com/",
        "https://" + "a." * 130 + "com/",
        # Ports
        "https://a.com:22/",
        "https://a.com:6379/",
        "https://a.com:0/",
        "https://a.com:99999/",
        "https://a.com:/",
        "https://a.com:80:80/",
        "https://a.com:٤٤٣/",
        # Paths
        "https://a.com/../x",
        "https://a.com/x/..",
        "https://a.com/%2e%2E/x",
        "https://a.com/./x",
        "https://a.com/" + "x" * 2048,
    ],
    ids=lambda url: ascii(url)[:70],
)
def test_everything_else_is_refused(url):
    with pytest.raises(GuardError) as error:
        check_url(url)
    assert str(error.value)


@pytest.mark.parametrize("network", DENIED, ids=str)
def test_each_denied_range_is_denied_from_its_first_to_its_last_address(network):
    for address in (network[0], network[-1], network[network.num_addresses // 2]):
        assert is_denied(str(address))
        host = f"[{address}]" if address.version == 6 else str(address)
        with pytest.raises(GuardError):
            check_url(f"https://{host}/")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "100.100.100.200",  # a cloud's metadata
        "169.254.169.254",
        "168.63.129.16",
        "172.31.255.255",
        "192.168.1.1",
        "0.0.0.0",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",  # NAT64 of the same
        "64:ff9b:1::a9fe:a9fe",  # NAT64, with a prefix of the own network
        "64:ff9b:1:a9fe:a9:fe00::",
        "2002:a9fe:a9fe::1",  # 6to4 of the same
        "2001:0:4136:e378:8000:63bf:5601:5601",  # Teredo of the same, inverted
        "::ffff:0:127.0.0.1",  # IPv4-translated
        "::ffff:0:a9fe:a9fe",
        "::ffff:0:8.8.8.8",
        "::169.254.169.254",  # IPv4-compatible
        "::1:0:127.0.0.1",
        "2606:4700::5efe:127.0.0.1",  # ISATAP, in a public prefix
        "2606:4700::200:5efe:10.0.0.1",
        "2606:4700::0300:5efe:169.254.169.254",
        "2606:4700:0:1:100:5efe:c0a8:101",
        "fe80::5efe:8.8.8.8",
        "1fff::1",
        "4000::1",
        "8000::1",
        "fbff::1",
        "2606:4700:4700::1111%eth0",
        "127.0.0.1%lo",
        "１２７.0.0.1",
        "127.0.0.1.",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "2130706433",
        "127.1",
        " 8.8.8.8",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "not an address",
        "",
    ],
)
def test_addresses_inside_are_denied(address):
    assert is_denied(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "172.32.0.1",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "2606:4700::5efe:8.8.8.8",
        "2a00:1450:4001:82a::200e",
    ],
)
def test_public_addresses_are_not_denied(address):
    assert not is_denied(address)


def test_a_local_address_is_allowed_only_by_its_exact_name():
    allowed = ["127.0.0.1:8100", "sandbox:80"]
    assert check_url("http://127.0.0.1:8100/x", allowed).is_allowed_local
    assert check_url("http://sandbox/x", allowed).is_allowed_local
    assert not check_url("https://a.com/", allowed).is_allowed_local
    for url in (
        "http://127.0.0.1:8101/",
        "http://127.0.0.1/",
        "http://localhost:8100/",
        "http://127.0.0.2:8100/",
        "http://user@127.0.0.1:8100/",
        "ftp://127.0.0.1:8100/",
        "http://127.1:8100/",
    ):
        with pytest.raises(GuardError):
            check_url(url, allowed)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil"},
        {"content-length": "1"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "close"},
        {"Upgrade": "h2c"},
        {"TE": "trailers"},
        {"Trailer": "x"},
        {"Expect": "100-continue"},
        {"Proxy-Authorization": "x"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Accept-Encoding": "gzip"},
        {"X A": "b"},
        {"X:A": "b"},
        {"": "b"},
        {"X\r\nY": "b"},
        {"Ü": "b"},
        {"X": "a\r\nEvil: 1"},
        {"X": "a\0b"},
        {"X": "ü"},
        {"X": "\x7f"},
        {"X": "a" * 9000},
        {"X": "a", "x": "b"},
        {f"X-{n}": "a" for n in range(51)},
    ],
    ids=lambda headers: ascii(headers)[:60],
)
def test_headers_that_could_change_the_request_are_refused(headers):
    with pytest.raises(GuardError):
        check_headers(headers)


def test_plain_headers_are_allowed():
    check_headers(
        {"Content-Type": "application/json", "X-Braze-Batch": "true", "A": ""}
    )
