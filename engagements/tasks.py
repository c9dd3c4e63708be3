"""Celery's way in. A task is an address: it calls one function."""

import gc
from typing import Any

from celery import shared_task
from celery.signals import worker_init, worker_process_init
from django.db import Error, connection

from engagements import tick as ticking
from engagements import wakeup
from engagements.delivery import journal, loop
from engagements.outbox import workers
from externalapi.connections import encryption
from lemnisk_braze.lib.logs import get_logger

logger = get_logger(__name__)


@worker_init.connect
def _begin(sender: Any, **kwargs: object) -> None:
    _refuse_strangers()
    workers.begin(sender.hostname)
    try:
        journal.replay()
    finally:
        # The pool's processes must not inherit the session.
        connection.close()
    # A look for circles writes to each object that it looks at, and so would make a copy
    # of all that was imported for each of the pool's processes: half of their memory.
    gc.collect()
    gc.freeze()


def _refuse_strangers() -> None:
    """End before anything is taken in hand that others could do and this cannot."""
    try:
        if encryption.is_stranger():
            raise SystemExit(str(encryption.StrangerError()))
    except Error as e:
        logger.warning("database.away", because=e)
    finally:
        # The pool's processes must not inherit the session.
        connection.close()


@worker_process_init.connect
def _begin_process(**kwargs: object) -> None:
    # A claim of people is thousands of small objects, none of them in a circle:
    # looking for circles among them is a tenth of a worker's time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


# Without a time limit: whoever has an answer that is not written down keeps it, however
# long the database is away. All that it does has an end of its own.
@shared_task(ignore_result=True)
def work() -> None:
    """Take in and send what there is; if time ran out before work did, wake again."""
    remains = loop.work(
        call_for_help=wakeup.publish_another, own_wakeup=wakeup.worker()
    )
    # While every worker is at work, beat's own ticks wait in line.
    if remains and not ticking.tick_if_late():
        wakeup.publish()


@shared_task(ignore_result=True, name="engagements.tasks.drain")
def work_by_its_old_name() -> None:
    """What 0.1.0 published, and nobody had taken when it was upgraded."""
    work()


@shared_task(ignore_result=True, soft_time_limit=90, time_limit=120)
def tick() -> None:
    """What no wake-up may be needed for: every 15 seconds, by beat."""
    ticking.tick_if_late(0.5)
