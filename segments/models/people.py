"""People, and the names that they are known by."""

from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Func, Q, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Concat, Left, Lower, Now, NullIf, Trim
from django.urls import reverse

from segments.models import stored

# In characters: an index takes no long ones.
MAX_NAME_KEY = 200


def _name(*attributes: str) -> Trim:
    """The attributes' texts in a row, without what is not there."""
    parts = (
        part for name in attributes for part in (KT(f"attributes__{name}"), Value(" "))
    )
    return Trim(Concat(*parts, output_field=TextField()))


def _key(*names: Trim | Func) -> Left:
    """The first of the names that says something, as a search compares it."""
    said = (NullIf(name, Value("")) for name in names)
    return Left(Lower(Coalesce(*said, Value(""))), MAX_NAME_KEY)


def _after_the_first_word(attribute: str) -> Func:
    return Func(
        _name(attribute),
        Value(r"^\S+\s+(.*)$"),
        function="substring",
        output_field=TextField(),
    )


class Profile(models.Model):
    """One person: known by an external ID, or what an anonymous identifier did alone.

    Who turned out to be part of somebody else keeps their row for what was once sent to
    it, but it shows nothing, and no segment takes it in (`merged_into`, and always the
    last one). What they were told alone stays in `own`, so that they can be split off.
    """

    # Attributes that are parts of a name, in the order in which they are said.
    NAME_ATTRIBUTES = ("first_name", "last_name", "name", "full_name")

    external_id = models.CharField(
        "external ID", max_length=987, unique=True, null=True, blank=True
    )
    email = models.CharField(max_length=320, blank=True, db_default="")
    phone = models.CharField(max_length=32, blank=True, db_default="")
    attributes = models.JSONField(
        default=dict,
        blank=True,
        encoder=DjangoJSONEncoder,
        decoder=stored.Decoder,
        db_default={},
    )
    # When and where each attribute, e-mail and phone was said, and what was taken away
    # (segments.identity.values); {} is: before anybody wrote that down.
    attribute_times = models.JSONField(
        default=dict, editable=False, decoder=stored.Decoder, db_default={}
    )
    # What this row said by itself: where it is merged into another, or another into it.
    own = models.JSONField(null=True, editable=False, decoder=stored.Decoder)
    # Who is erased is erased with all their parts.
    merged_into = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        null=True,
        editable=False,
        related_name="parts",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    # What the search compares with how a name begins. Columns of their own: an index
    # over `attributes` would be written anew whenever any of them changes.
    name_key = models.GeneratedField(
        expression=_key(
            _name("first_name", "last_name"), _name("name"), _name("full_name")
        ),
        output_field=TextField(),
        db_persist=True,
    )
    last_name_key = models.GeneratedField(
        expression=_key(
            _name("last_name"),
            _after_the_first_word("name"),
            _after_the_first_word("full_name"),
        ),
        output_field=TextField(),
        db_persist=True,
    )

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
        permissions = [
            ("view_personal_data", "Can see people's data unmasked"),
            ("export_profile", "Can export all that is known of a person"),
            ("erase_profile", "Can erase a person"),
        ]
        indexes = [
            # The people page's search by how an e-mail address or a phone begins.
            models.Index(
                fields=["email"],
                opclasses=["varchar_pattern_ops"],
                name="profile_email",
                condition=~Q(email=""),
            ),
            models.Index(
                fields=["phone"],
                opclasses=["varchar_pattern_ops"],
                name="profile_phone",
                condition=~Q(phone=""),
            ),
            models.Index(
                fields=["name_key"],
                opclasses=["text_pattern_ops"],
                name="profile_name",
                condition=~Q(name_key=""),
            ),
            models.Index(
                fields=["last_name_key"],
                opclasses=["text_pattern_ops"],
                name="profile_last_name",
                condition=~Q(last_name_key=""),
            ),
        ]

    def __str__(self) -> str:
        return self.external_id or self.email or self.phone or f"anonymous {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("admin:segments_profile_change", args=[self.pk])

    @property
    def called(self) -> str:
        """The name that people know them by; without one what they are found by."""
        first, last, *others = (self.attributes.get(n) for n in self.NAME_ATTRIBUTES)
        names = [name for name in (first, last) if isinstance(name, str)]
        if whole := " ".join(" ".join(names).split()):
            return whole
        said = (" ".join(name.split()) for name in others if isinstance(name, str))
        return next(filter(None, said), str(self))


class Identifier(models.Model):
    """That an identifier was said of a person: a row for each person it was said of.

    The one that is a person's own (`is_own`) is what they are known by while nobody
    knows more: what it did alone is theirs. The others join people (docs/identity.md);
    a void one does not: somebody undid what it joined, or there were too many.
    """

    class Kind(models.TextChoices):
        EXTERNAL_ID = "external_id", "external ID"
        ANONYMOUS_ID = "anonymous_id", "anonymous ID"
        USER_ALIAS = "user_alias", "user alias"
        BRAZE_ID = "braze_id", "Braze ID"
        EMAIL = "email", "e-mail"
        PHONE = "phone", "phone"
        # Calls without any identifier of their own: "undefined", "null".
        PLACEHOLDER = "placeholder", "placeholder"

    # Also a name of the customer's own, such as "loyalty_card".
    kind = models.CharField(max_length=64, choices=Kind)
    value = models.CharField(max_length=987)
    profile = models.ForeignKey(
        Profile, on_delete=models.CASCADE, related_name="identifiers"
    )
    is_own = models.BooleanField(db_default=False, default=False, editable=False)
    is_void = models.BooleanField(db_default=False, default=False, editable=False)
    # When it was first said; of an alias, when last.
    time = models.DateTimeField(null=True, editable=False)
    message_id = models.CharField(max_length=255, db_default="", editable=False)

    class Meta:
        constraints = [
            # Also "of whom was it said?"
            models.UniqueConstraint(
                fields=["kind", "value", "profile"], name="identifier_is_said_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.value}"


class MergeLog(models.Model):
    """That a person became part of another, or was split off again, and why."""

    class Kind(models.TextChoices):
        MERGE = "merge", "Merged"
        SPLIT = "split", "Split"

    at = models.DateTimeField(db_default=Now(), editable=False)
    kind = models.CharField(max_length=8, choices=Kind)
    profile = models.ForeignKey(
        Profile, models.CASCADE, related_name="merges", verbose_name="person"
    )
    part = models.ForeignKey(Profile, models.CASCADE, related_name="+")
    reason = models.TextField()
    identifier_kind = models.CharField(max_length=64, blank=True, db_default="")
    identifier_value = models.CharField(max_length=987, blank=True, db_default="")
    message_id = models.CharField(max_length=255, blank=True, db_default="")
    # Rows that were part of the part, and went along.
    followers = ArrayField(models.BigIntegerField(), db_default=[], editable=False)
    undone_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return self.reason
