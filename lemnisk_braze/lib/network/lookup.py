"""A host's addresses, within a time."""

import socket
import threading

RESOLVE_SECONDS = 2.0


def resolve(host: str, port: int) -> list[str]:
    """Return all addresses of a host; raises OSError when there is none in 2 s.

    getaddrinfo cannot be told to stop, so a thread that hangs is left behind.
    """
    found: list[str] = []
    problem: list[OSError] = []

    def look_up() -> None:
        try:
            for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append(str(address[0]))
        except OSError as e:
            problem.append(e)

    thread = threading.Thread(target=look_up, daemon=True, name="resolve")
    thread.start()
    thread.join(RESOLVE_SECONDS)
    if thread.is_alive():
        raise TimeoutError(f"{host} did not resolve in {RESOLVE_SECONDS:g} s")
    if problem:
        raise problem[0]
    return list(dict.fromkeys(found))
