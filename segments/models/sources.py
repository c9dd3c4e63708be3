"""Where data comes from, and what could not be kept of it."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Source(models.Model):
    """Where data comes from: a website, an app, a server, each with its write keys.

    `allowed_origins`: one a line, where browsers may send from; see tracking.cors.
    """

    name = models.CharField(max_length=255, unique=True)
    allowed_origins = models.TextField(blank=True, default="", db_default="")
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.name


class WriteKey(models.Model):
    """A key of a source, of which only a hash is stored.

    One with a passkey is for Lemnisk's REST calls alone, which send both.
    """

    source = models.ForeignKey(
        Source, on_delete=models.CASCADE, related_name="write_keys"
    )
    name = models.CharField(max_length=255)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    passkey_hash = models.CharField(
        max_length=64, blank=True, db_default="", editable=False
    )
    last_four = models.CharField(max_length=4, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # Written once a minute at most.
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four})"


class SourceWarning(models.Model):
    """Something about messages that were taken in, which whoever sends them should know.

    How many there were, and when; the text is that of the newest.
    """

    source = models.ForeignKey(
        Source, on_delete=models.CASCADE, related_name="warnings", db_index=False
    )
    code = models.CharField(max_length=32)
    message = models.TextField()
    count = models.PositiveBigIntegerField(db_default=0)
    last_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "code"], name="source_warning_is_counted_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.count}"


class RefusedMessage(models.Model):
    """A message that could not be kept, with its body, until it is sent in again.

    `body` is JSON as it came: at the door the message of the sender, with the `sentAt`
    of its batch; while applying the inbox's payload. `kind` is the one that its URL or
    the inbox says, "" where the message itself has to. Kept for RETENTION_REFUSED.
    """

    class Stage(models.TextChoices):
        DOOR = "door", "at the door"
        APPLYING = "applying", "while applying"

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now(), editable=False)
    stage = models.CharField(max_length=8, choices=Stage, default=Stage.DOOR)
    # A reason by which they are counted, the wrong field in it; `message` is for people.
    code = models.CharField("reason", max_length=32)
    message = models.TextField("why")
    message_id = models.CharField(max_length=255, blank=True, db_default="")
    kind = models.CharField(max_length=16, blank=True, db_default="")
    body = models.BinaryField()
    # Whose file it came in.
    import_id = models.BigIntegerField(null=True, editable=False)
    replayed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        indexes = [
            # A source's page: how many by reason, and the newest of one.
            models.Index(
                fields=["source", "code", "-at"],
                name="refused_by_reason",
                condition=Q(replayed_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.message_id}".strip()


class Replay(models.Model):
    """What a source was refused for one reason is sent in again, by a worker.

    That is all up to `until_id`, of which it has come to `last_id`.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="+")
    code = models.CharField("reason", max_length=32)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    until_id = models.BigIntegerField()
    last_id = models.BigIntegerField(default=0, db_default=0)
    total = models.PositiveIntegerField()
    taken = models.PositiveIntegerField(default=0, db_default=0)
    refused = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "code"],
                name="replay_is_at_work_once",
                condition=Q(finished_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.done} of {self.total}"

    @property
    def done(self) -> int:
        return self.taken + self.refused

    @property
    def called(self) -> str:
        """The reason, in words."""
        words = self.code.replace("_", " ")
        return words[:1].upper() + words[1:]
