"""What ticks and workers write down for the operator."""

from django.db import models
from django.db.models.functions import Now


class Sample(models.Model):
    """What a tick saw: the heartbeat, and the picture of the last hour. Kept a day."""

    at = models.DateTimeField(db_default=Now())
    # Requests that began in [since, until): each of them had its answer by then.
    since = models.DateTimeField()
    until = models.DateTimeField()
    people = models.PositiveIntegerField("people sent")
    requests = models.PositiveIntegerField()
    waiting_people = models.PositiveIntegerField()
    waiting_batches = models.PositiveIntegerField()

    class Meta:
        indexes = [
            # "When was the last tick?", the last hour, and what is a day old.
            models.Index(fields=["at"], name="sample_by_time")
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S %Z}"


class Chore(models.Model):
    """A piece of the tick's work: whose turn it is (engagements.chores), and how it goes."""

    name = models.CharField(max_length=64, primary_key=True)
    token = models.BigIntegerField()
    held_until = models.DateTimeField(null=True)
    # The first try since it last came to its end; None: it did so the last time.
    trying_since = models.DateTimeField(null=True)
    # What the last try ended with.
    problem = models.CharField(max_length=255, blank=True)

    def __str__(self) -> str:
        return self.name


class Worker(models.Model):
    """A worker's process, by the name that its attempts have, when it looks for work."""

    name = models.CharField(max_length=255, primary_key=True)
    # What is started and stopped as one: the Celery worker of this process and others.
    node = models.CharField(max_length=255)
    # What the tokens of its leases begin with: another process of this name has another.
    mark = models.CharField(max_length=8, db_default="")
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    drain_asked_at = models.DateTimeField(null=True)
    # The last mistake that no wait mends, and that it left lying.
    problem = models.TextField(blank=True, db_default="")
    problem_at = models.DateTimeField(null=True)
    # How far its machine's clock is ahead of the database's, in seconds.
    clock_ahead = models.FloatField(default=0.0, db_default=0.0)

    def __str__(self) -> str:
        return self.name
