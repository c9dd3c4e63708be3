"""An import that nobody starts: what was said of its columns beforehand decides."""

from typing import Any

from segments.imports import storing
from segments.imports.mapping import naming
from segments.imports.mapping.columns import Column
from segments.imports.mapping.messages import Plan
from segments.imports.reading.rows import FileError
from segments.models import Import, SourceQuery, WatchedFolder

Said = dict[str, Any]


def said_of(feed: SourceQuery | WatchedFolder) -> Said:
    """What an import of it is to know; raises naming.NamingError."""
    return {
        "columns": naming.parse(feed.columns),
        "settings": {
            "makes": feed.makes,
            "event": feed.event,
            "empty": feed.empty,
            "zone": feed.zone,
            "country": feed.country,
        },
    }


def plan_of(imported: Import) -> Plan:
    """Its plan, now that its columns are read; raises FileError where none can be."""
    try:
        return naming.plan(
            [Column(**column) for column in imported.columns],
            storing.format_of(imported).is_typed,
            imported.said["columns"],
            imported.said["settings"],
        )
    except naming.NamingError as e:
        raise FileError(f"The columns are not those that were expected. {e}") from e


def begin(taken: Import, feed: SourceQuery | WatchedFolder, said: Said) -> None:
    """Let a file that was taken go all the way by itself."""
    taken.is_automatic, taken.said, taken.source = True, said, feed.source
    if isinstance(feed, SourceQuery):
        taken.query = feed
    else:
        taken.folder = feed
    storing.begin(taken)
