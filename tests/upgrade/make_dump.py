"""Keeps a released version: `make dump` writes its tables, with a story told in them.

Beside the dump of this version stand then the hashes of the migrations that made it.
"""

import hashlib
import os
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
MIGRATIONS = FOLDER / "migrations.sha256"
APPS = ("segments", "externalapi", "engagements")
DATABASE = "dump_of_a_release"


def main() -> int:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    path = FOLDER / f"{version}.sql"
    if path.exists():
        sys.stderr.write(f"{path} is kept already, as it was when it was released.\n")
        return 1
    text = _told()
    path.write_text(text, encoding="utf-8")
    kept = released_migrations()
    MIGRATIONS.write_text(
        "".join(
            f"{kept.get(name, now)}  {name}\n" for name, now in migrations().items()
        )
    )
    sys.stdout.write(f"{path}: {len(text) // 1024} KB\n")
    return 0


def migrations() -> dict[str, str]:
    """The hash of each of our migrations, by its path from the root."""
    return {
        path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for app in APPS
        for path in sorted((ROOT / app / "migrations").glob("[0-9]*.py"))
    }


def released_migrations() -> dict[str, str]:
    """The same as they were when they were released."""
    if not MIGRATIONS.exists():
        return {}
    lines = MIGRATIONS.read_text().splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


def _told() -> str:
    """A database of this version with the story in it, as SQL."""
    # No worker listens there.
    os.environ["REDIS_PREFIX"] = "dump:"
    os.environ["DJANGO_SETTINGS_MODULE"] = "lemnisk_braze.settings"
    import django

    import tests.servers  # noqa: F401 (starts them)

    django.setup()

    from django.conf import settings
    from django.core.management import call_command
    from django.test.utils import override_settings

    from externalapi.vendors.braze.sandbox.process import SandboxProcess
    from tests.upgrade import databases, story

    with (
        SandboxProcess(key=story.API_KEY) as sandbox,
        override_settings(
            SECRETS_KEYS=story.SECRETS_KEYS,
            ALLOWED_LOCAL_ADDRESSES=[f"127.0.0.1:{sandbox.port}"],
            JOURNAL_DIR=Path(settings.VAR_DIR) / DATABASE,
        ),
        databases.database(DATABASE),
        databases.in_use(DATABASE),
    ):
        call_command("migrate", verbosity=0)
        story.Story(sandbox).tell()
        text = databases.dump(DATABASE).replace(sandbox.url, story.BRAZE)
        text = text.replace(sandbox.url.removeprefix("http://"), story.BRAZE_HOST)
    rows = databases.rows_by_table(text)
    empty = [table for table, count in rows.items() if not count]
    assert not empty, f"tests/upgrade/story.py tells nothing of {empty}"
    return text


if __name__ == "__main__":
    sys.exit(main())
