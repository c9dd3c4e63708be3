"""What the tasks written by hand share: a table of what they sent, and an app each."""

import os
from typing import ClassVar

import django
from celery import Celery
from django.db import connection, models
from django.db.models.functions import Now

from benchmarks.sink import KEY

# A Celery worker begins here, and the modules below it import models.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lemnisk_braze.settings")
django.setup()

PATH = "/users/track"
HEADERS = {"Authorization": f"Bearer {KEY}"}


class Sent(models.Model):
    """That a person was sent; the table is made for the benchmark alone."""

    profile_id = models.BigIntegerField()
    status = models.IntegerField()
    at = models.DateTimeField(db_default=Now())

    objects: ClassVar[models.Manager["Sent"]] = models.Manager()

    class Meta:
        app_label = "benchmarks"
        managed = False

    def __str__(self) -> str:
        return str(self.profile_id)


def make_table() -> None:
    with connection.schema_editor() as editor:
        editor.create_model(Sent)


def sink_url() -> str:
    """Where a worker process sends to; the benchmark puts it into its environment."""
    return os.environ["BENCHMARK_SINK"] + PATH


def make_app(name: str) -> Celery:
    """An app on the benchmark's broker, with a queue of its own."""
    # Not the current app: that one is where the product publishes its wake-ups.
    app = Celery(name, set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.conf.task_default_queue = name
    app.conf.beat_schedule = {}
    return app
