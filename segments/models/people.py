"""People, and the names that they are known by."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from segments.models import stored


class Profile(models.Model):
    """One person."""

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
    # Set when this anonymous person turned out to be someone known: the row stays, for
    # what was once sent to it, but it holds nothing and no segment takes it in.
    merged_into = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
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
    """Another name of a person: an anonymous id of one device, a user alias."""

    class Kind(models.TextChoices):
        ANONYMOUS_ID = "anonymous_id", "anonymous ID"

    kind = models.CharField(max_length=16, choices=Kind)
    value = models.CharField(max_length=255)
    profile = models.ForeignKey(
        Profile, on_delete=models.CASCADE, related_name="identifiers"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "value"], name="identifier_names_one_person"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.value}"
