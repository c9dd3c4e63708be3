"""curl's options, all of them: which take a value, and what their letters stand for.

Source: `curl --help all` of 7.88, and what curl's manual page has added until 8.16.
"""

from collections.abc import Iterator

from externalapi.importers.common.types import PasteError, short

WITH_VALUE = frozenset(
    """
    abstract-unix-socket alt-svc aws-sigv4 cacert capath cert cert-type ciphers config
    connect-timeout connect-to continue-at cookie cookie-jar create-file-mode crlfile
    curves data data-ascii data-binary data-raw data-urlencode delegation dns-interface
    dns-ipv4-addr dns-ipv6-addr dns-servers doh-url dump-header ech egd-file engine
    etag-compare etag-save expand-data expand-header expand-url expect100-timeout form
    form-string ftp-account ftp-alternative-to-user ftp-method ftp-port
    ftp-ssl-ccc-mode happy-eyeballs-timeout-ms haproxy-clientip header hostpubmd5
    hostpubsha256 hsts interface ip-tos ipfs-gateway json keepalive-cnt keepalive-time
    key key-type knownhosts krb libcurl limit-rate local-port login-options mail-auth
    mail-from mail-rcpt max-filesize max-redirs max-time netrc-file noproxy
    oauth2-bearer output output-dir parallel-max parallel-max-host pass pinnedpubkey
    preproxy proto proto-default proto-redir proxy proxy-cacert proxy-capath proxy-cert
    proxy-cert-type proxy-ciphers proxy-crlfile proxy-header proxy-key proxy-key-type
    proxy-pass proxy-pinnedpubkey proxy-service-name proxy-tls13-ciphers
    proxy-tlsauthtype proxy-tlspassword proxy-tlsuser proxy-user proxy1.0 pubkey quote
    random-file range rate referer request request-target resolve retry retry-delay
    retry-max-time sasl-authzid service-name sigalgs socks4 socks4a socks5
    socks5-gssapi-service socks5-hostname speed-limit speed-time stderr telnet-option
    tftp-blksize time-cond tls-max tls13-ciphers tlsauthtype tlspassword tlsuser trace
    trace-ascii trace-config unix-socket upload-file upload-flags url url-query user
    user-agent variable vlan-priority write-out
    """.split()
)
FLAGS = frozenset(
    """
    alpn anyauth append basic buffer ca-native cert-status clobber compressed
    compressed-ssh create-dirs crlf digest disable disable-eprt disable-epsv
    disallow-username-in-url doh-cert-status doh-insecure dump-ca-embed fail fail-early
    fail-with-body false-start follow form-escape ftp-create-dirs ftp-pasv ftp-pret
    ftp-skip-pasv-ip ftp-ssl ftp-ssl-ccc ftp-ssl-control ftp-ssl-reqd get globoff
    haproxy-protocol head help http0.9 http1.0 http1.1 http2 http2-prior-knowledge
    http3 http3-only ignore-content-length include insecure ipv4 ipv6
    junk-session-cookies keepalive list-only location location-trusted mail-rcpt-allowfails
    manual metalink mptcp negotiate netrc netrc-optional next npn ntlm ntlm-wb out-null
    parallel parallel-immediate path-as-is post301 post302 post303 progress-bar
    progress-meter proxy-anyauth proxy-basic proxy-ca-native proxy-digest proxy-http2
    proxy-insecure proxy-negotiate proxy-ntlm proxy-ssl-allow-beast
    proxy-ssl-auto-client-cert proxy-tlsv1 proxytunnel raw remote-header-name
    remote-name remote-name-all remote-time remove-on-error retry-all-errors
    retry-connrefused sasl-ir sessionid show-error show-headers silent skip-existing
    socks5-basic socks5-gssapi socks5-gssapi-nec ssl ssl-allow-beast
    ssl-auto-client-cert ssl-no-revoke ssl-reqd ssl-revoke-best-effort ssl-sessions
    sslv2 sslv3 styled-output suppress-connect-headers tcp-fastopen tcp-nodelay
    test-event tftp-no-options tls-earlydata tlsv1 tlsv1.0 tlsv1.1 tlsv1.2 tlsv1.3
    tr-encoding trace-ids trace-time use-ascii verbose version xattr
    """.split()
)
LETTERS: dict[str, str] = dict(
    pair.split("=")
    for pair in """
    a=append E=cert K=config C=continue-at b=cookie c=cookie-jar d=data q=disable
    D=dump-header f=fail F=form P=ftp-port G=get g=globoff I=head H=header h=help
    0=http1.0 i=include k=insecure 4=ipv4 6=ipv6 j=junk-session-cookies l=list-only
    L=location M=manual m=max-time n=netrc :=next N=no-buffer o=output Z=parallel
    #=progress-bar x=proxy U=proxy-user p=proxytunnel Q=quote r=range e=referer
    J=remote-header-name O=remote-name R=remote-time X=request S=show-error s=silent
    Y=speed-limit y=speed-time 2=sslv2 3=sslv3 t=telnet-option z=time-cond 1=tlsv1
    T=upload-file B=use-ascii u=user A=user-agent v=verbose V=version w=write-out
    """.split()
)
_ALL = WITH_VALUE | FLAGS


def options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each option's long name with its value; an address is a “url”.

    A flag that is taken back is yielded as “no-…”. Raises PasteError.
    """
    rest = iter(words)
    for word in rest:
        if word == "--":
            yield from (("url", one) for one in rest)
        elif word.startswith("--"):
            yield _long(word[2:], rest)
        elif word.startswith("-") and len(word) > 1:
            yield from _short(word[1:], rest)
        elif word.strip():
            yield "url", word


def _long(word: str, rest: Iterator[str]) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    # Other tools write --request=PUT; curl does not know it, but it says one thing.
    if equals and name in WITH_VALUE:
        return name, value
    name = _known(word)
    return name, _value_of(f"--{name}", rest) if name in WITH_VALUE else ""


def _known(word: str) -> str:
    """Return an option's whole name; the beginning of just one name is enough."""
    if word in _ALL or word.startswith("expand-"):
        return word
    if word.startswith("no-") and word[3:] in FLAGS:
        return word
    found = [name for name in _ALL if name.startswith(word)] if word else []
    if len(found) == 1:
        return found[0]
    raise PasteError(f"curl has no option --{short(word)}. Check the command.")


def _short(letters: str, rest: Iterator[str]) -> Iterator[tuple[str, str]]:
    """-sSL is three flags; in -XPOST what follows the letter is its value."""
    for at, letter in enumerate(letters):
        name = LETTERS.get(letter)
        if name is None:
            raise PasteError(f"curl has no option -{letter}. Check the command.")
        if name in WITH_VALUE:
            value = letters[at + 1 :]
            # Nobody means -X=POST's equals sign, and curl would take it along.
            value = value.removeprefix("=") if name == "request" else value
            yield name, value or _value_of(f"-{letter}", rest)
            return
        yield name, ""


def _value_of(option: str, rest: Iterator[str]) -> str:
    value = next(rest, None)
    if value is None:
        raise PasteError(f"{option} has no value. Copy the whole command.")
    return value
