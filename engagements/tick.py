"""The periodic tick: it finds by itself whatever a lost wake-up was about."""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings

from engagements import chores, retention, wakeup
from engagements.audience import sent
from engagements.delivery import lease_reaper, samples, suspension
from engagements.lifecycle import (
    approval_mail,
    auto_pause,
    completion,
    ended_runs,
    owner_mail,
)
from engagements.outbox import workers
from engagements.schedules import making
from externalapi.connections import key_rotation
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.database_errors import About, about
from lemnisk_braze.lib.logs import get_logger
from segments.dictionary import building, folding, shares
from segments.imports import runner
from segments.imports.feeding import folders, queries
from segments.ingest import inbox, old_inbox
from segments.life import sizes, snapshots
from segments.lists import asking
from segments.lists import runner as lists_runner
from segments.membership import deleting, refresh
from segments.privacy import erasure
from segments.tracking import replaying

logger = get_logger(__name__)

# In ticks: so long after the last one a tick is late.
LATE = 3


def tick() -> bool:
    """Do the periodic work; False when others are at all of it.

    Each piece is a chore of its own: one that fails, takes long, or is in the hands of
    a process that froze keeps no other waiting.
    """
    is_any_done = False
    for name, work in CHORES.items():
        is_any_done |= chores.do(name, work)
        take_in()
    wakeup.publish()
    return is_any_done


def take_in() -> None:
    """Apply a chunk of what waits in the inbox, between two pieces of work.

    The other workers may have something long in hand, such as a count: then this is the
    only one whom a website's visitors wait for.
    """
    try:
        inbox.apply_some(inbox.CHUNK, inbox.TAKE_OVER)
    except Exception as e:
        if about(e) is About.CONNECTION:
            raise
        workers.report(e)


def tick_if_late(part: float = 1.0) -> bool:
    """Do the periodic work where nobody has come to it for so long, in ticks.

    Beat's own ticks stand in line while every worker is busy, and none of them is
    dropped for its age: the first does the work, those behind it find it done.
    """
    age = samples.tick_age()
    if age is not None and age < timedelta(seconds=part * settings.TICK_SECONDS):
        return False
    if age is not None and age > LATE * timedelta(seconds=settings.TICK_SECONDS):
        logger.warning("tick.late", age_seconds=round(age.total_seconds(), 1))
    return tick()


# By the names that operators see.
CHORES: dict[str, Callable[[], object]] = {
    "take back what lost workers hold": lease_reaper.reap,
    "wipe old keys": key_rotation.wipe_old_keys,
    "resume what has a new key": suspension.resume_with_new_keys,
    "move what the old inbox holds": old_inbox.move,
    "follow what was sent": sent.follow,
    "refresh segments": lambda: refresh.refresh_due(database_clock.now(), take_in),
    "clear deleted segments away": lambda: deleting.clear(between=take_in),
    "keep the sizes of segments": lambda: sizes.keep(between=take_in),
    "clear old snapshots away": snapshots.clear,
    "look into watched folders": folders.look_at_all,
    "run SQL sources": queries.wake_due,
    "go on with imports": runner.wake_waiting,
    "ask what keeps lists": asking.wake_due,
    "go on with lists": lists_runner.wake_waiting,
    "send refused messages in again": replaying.wake_waiting,
    "go on with erasures": erasure.go_on_with_all,
    "add new names": folding.add,
    "read old names": building.go_on,
    "ask who has what": shares.refresh_due,
    "start due runs": lambda: making.make_due_runs(database_clock.now()),
    "end runs": completion.finish,
    "pause what fails": lambda: auto_pause.pause_failing(database_clock.now()),
    "judge ended runs": ended_runs.judge,
    "forget ended workers": workers.forget,
    "delete what is old": retention.clean,
    "tell owners": owner_mail.tell_owners,
    "tell Approvers": approval_mail.tell,
    # Last: a tick that is cut short on its way is one that did not come.
    "take a sample": samples.take,
}
