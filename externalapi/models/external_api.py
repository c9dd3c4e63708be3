"""What a request to an API looks like, version by version, and each test of it."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Case, Exists, OuterRef, Q, Value, When
from django.db.models.functions import Now
from django.urls import reverse

from externalapi.http.answer_rules import AnswerRules
from externalapi.models import usage
from externalapi.models.connection import Connection
from externalapi.template.batching import MAX_BYTES, BatchPlan
from externalapi.template.parameters import Parameter
from externalapi.template.url_and_headers import join_target
from lemnisk_braze.lib.database_clock import ChangedAtField, CreatedAtField


class ExternalAPIQuerySet(models.QuerySet["ExternalAPI"]):
    def offered(self) -> "ExternalAPIQuerySet":
        """Those that an engagement may choose."""
        return self.filter(archived_at__isnull=True, current_version__isnull=False)

    def with_status(self) -> "ExternalAPIQuerySet":
        """Annotate `status`, a value of ExternalAPI.Status."""
        versions = ExternalAPIVersion.objects.filter(external_api=OuterRef("pk"))
        live = Q()
        for version_ids in usage.live_versions():
            live |= Q(Exists(versions.filter(pk__in=version_ids)))
        tested = ConfigurationTest.objects.filter(
            version=OuterRef("current_version"), is_success=True
        )
        status = ExternalAPI.Status
        return self.annotate(
            status=Case(
                When(archived_at__isnull=False, then=Value(status.ARCHIVED)),
                *([When(live, then=Value(status.LIVE))] if live else []),
                When(Exists(tested), then=Value(status.TESTED)),
                default=Value(status.DRAFT),
                output_field=models.CharField(),
            )
        )


class ExternalAPI(models.Model):
    """A request template on a connection; what shapes a request is in its versions."""

    class Status(models.TextChoices):
        """Worked out, but for the last: see ExternalAPIQuerySet.with_status."""

        # Until a test of the current version succeeds.
        DRAFT = "draft", "Draft"
        TESTED = "tested", "Tested"
        # An active engagement uses one of its versions.
        LIVE = "live", "Live"
        ARCHIVED = "archived", "Archived"

    class Channel(models.TextChoices):
        CDP = "customer_data", "Customer data"
        MESSAGING = "messaging", "Messaging"
        CRM = "crm", "CRM"
        ADVERTISING = "advertising", "Advertising"
        OTHER = "other", "Other"

    class ChannelIdentifier(models.TextChoices):
        EXTERNAL_ID = "external_id", "External ID"
        EMAIL = "email", "Email"
        PHONE = "phone", "Phone"

    name = models.CharField(
        max_length=255, unique=True, help_text="It cannot be changed once saved."
    )
    description = models.TextField(blank=True)
    channel = models.CharField(max_length=32, choices=Channel, default=Channel.CDP)
    channel_identifier = models.CharField(
        max_length=32,
        choices=ChannelIdentifier,
        default=ChannelIdentifier.EXTERNAL_ID,
        help_text="How the other side knows a person. People without it are skipped.",
    )
    current_version = models.ForeignKey(
        "ExternalAPIVersion",
        # Not PROTECT: it would keep an External API from going with its versions.
        on_delete=models.RESTRICT,
        null=True,
        editable=False,
        related_name="+",
    )
    archived_at = models.DateTimeField(null=True, editable=False)
    # Set on the test cases' page, by who may edit the External API.
    must_pass_cases = models.BooleanField(default=False, editable=False)
    created_at = CreatedAtField()
    updated_at = ChangedAtField(editable=False)

    objects = ExternalAPIQuerySet.as_manager()

    class Meta:
        verbose_name = "External API"
        verbose_name_plural = "External APIs"
        permissions = [("test_externalapi", "Can send a test request")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:externalapi_externalapi_change", args=[self.pk])

    def find_status(self) -> "ExternalAPI.Status":
        found = ExternalAPI.objects.with_status().get(pk=self.pk)
        return ExternalAPI.Status(found.status)  # type: ignore[attr-defined]

    @property
    def own_versions(self) -> "models.QuerySet[ExternalAPIVersion]":
        """Its versions, without the payloads that were written on them."""
        return self.versions.filter(written_on=None)

    def uses(self) -> list[usage.Use]:
        """The engagements that were made with any of its versions."""
        return usage.uses_of(self.versions.values_list("pk", flat=True))


class ExternalAPIVersion(models.Model):
    """Everything that shapes a request, frozen: editing an External API adds a row."""

    class Method(models.TextChoices):
        POST = "POST", "POST"
        GET = "GET", "GET"
        PUT = "PUT", "PUT"
        PATCH = "PATCH", "PATCH"
        DELETE = "DELETE", "DELETE"

    class BodyKind(models.TextChoices):
        JSON = "json", "JSON"
        FORM = "form", "Form fields"
        TEXT = "text", "Text"
        NONE = "none", "No body"

    class PayloadLevel(models.TextChoices):
        GLOBAL = "global", "The same for all Engagements"
        ENGAGEMENT = "engagement", "Written in each Engagement"

    external_api = models.ForeignKey(
        ExternalAPI, on_delete=models.CASCADE, related_name="versions", db_index=False
    )
    number = models.PositiveIntegerField()
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="versions"
    )
    method = models.CharField(max_length=8, choices=Method, default=Method.POST)
    path = models.CharField(max_length=1024)
    # A list of [name, template].
    query = models.JSONField(default=list, blank=True)
    headers = models.JSONField(default=dict, blank=True)
    body_kind = models.CharField(max_length=8, choices=BodyKind, default=BodyKind.JSON)
    # Who writes the body; one of an engagement begins with this one.
    payload_level = models.CharField(
        "payload",
        max_length=16,
        choices=PayloadLevel,
        default=PayloadLevel.GLOBAL,
        db_default=PayloadLevel.GLOBAL,
    )
    # As typed, so that nothing of the author's layout is lost; parsed when compiled.
    body = models.TextField(blank=True)
    # A list of externalapi.template.parameters.Parameter as dicts, in order of appearance.
    parameters = models.JSONField(default=list)
    # What a request may hold of how many people: see externalapi.template.batching.BatchPlan.
    batch_arrays = models.JSONField("merged arrays", default=list, blank=True)
    batch_each = models.PositiveIntegerField(
        "objects in each array", null=True, blank=True
    )
    batch_combined = models.PositiveIntegerField(
        "objects together", null=True, blank=True
    )
    batch_bytes = models.PositiveIntegerField("bytes of a request", default=MAX_BYTES)
    # externalapi.http.answer_rules.AnswerRules as a dict; empty for Braze's own.
    answer_rules = models.JSONField(default=dict, blank=True)
    # Of a payload that was written in an engagement: the version whose body it stands
    # in for, by whose number it goes, and what was typed (engagements.payload).
    written_on = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        null=True,
        editable=False,
        related_name="payloads",
    )
    payload = models.TextField(blank=True, default="", db_default="", editable=False)
    content_hash = models.CharField(max_length=64)
    note = models.CharField("what changed, and why", max_length=255, blank=True)
    created_at = CreatedAtField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
    )

    class Meta:
        verbose_name = "External API version"
        constraints = [
            models.UniqueConstraint(
                fields=["external_api", "number"],
                name="external_api_version_number",
                condition=Q(written_on=None),
            ),
            models.UniqueConstraint(
                fields=["external_api", "written_on", "content_hash"],
                name="payload_is_kept_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.external_api} v{self.number}"

    @property
    def base(self) -> "ExternalAPIVersion":
        """The version that people know by its number: a payload is written on one."""
        return self.written_on or self

    @property
    def plan(self) -> BatchPlan:
        return BatchPlan(
            arrays=tuple(self.batch_arrays),
            each=self.batch_each,
            combined=self.batch_combined,
            max_bytes=self.batch_bytes,
        )

    @property
    def rules(self) -> AnswerRules:
        """How its answers are read."""
        return AnswerRules.from_dict(self.answer_rules)

    @property
    def target(self) -> str:
        """The path with its query, as people read it."""
        return join_target(self.path, [(name, text) for name, text in self.query])

    def read_parameters(self) -> tuple[Parameter, ...]:
        return tuple(Parameter.from_dict(item) for item in self.parameters)


class TestCase(models.Model):
    """Inputs that were saved by name, and what a test with them should come to."""

    # pytest collects classes by this name.
    __test__ = False

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        REFUSED = "refused", "Refused"

    external_api = models.ForeignKey(
        ExternalAPI, on_delete=models.CASCADE, related_name="test_cases", db_index=False
    )
    name = models.CharField(max_length=255)
    # As typed, by parameter name.
    values = models.JSONField(default=dict)
    outcome = models.CharField(
        "expected outcome", max_length=16, choices=Outcome, default=Outcome.ACCEPTED
    )
    status = models.PositiveSmallIntegerField(
        "expected status", null=True, blank=True, help_text="Empty: any."
    )
    answer_path = models.CharField(
        "place in the answer",
        max_length=255,
        blank=True,
        help_text="For example message, or errors.0.type. Empty: anywhere.",
    )
    answer_value = models.CharField("expected value there", max_length=1000, blank=True)
    # When inputs or expectations changed: an older result says nothing of them.
    changed_at = models.DateTimeField(db_default=Now(), editable=False)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["external_api", "name"],
                name="test_case_name",
                violation_error_message="There is a test case of this name already.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class ConfigurationTest(models.Model):
    """One press of Test Configuration: who, when, with what, and what came back."""

    version = models.ForeignKey(
        ExternalAPIVersion, on_delete=models.CASCADE, related_name="tests"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
    )
    at = models.DateTimeField(db_default=Now(), editable=False)
    values = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    # The key is masked in both.
    request = models.JSONField(default=dict)
    response = models.JSONField(default=dict)
    is_success = models.BooleanField(default=False)
    case = models.ForeignKey(
        TestCase, on_delete=models.SET_NULL, null=True, related_name="tests"
    )
    # What did not come as the case expects; empty where it passed, or there is no case.
    case_problem = models.TextField(blank=True)
    # The cases that were run together, which count as one test.
    round = models.UUIDField(null=True)

    class Meta:
        indexes = [
            # "How many tests has this user sent in the last minute?"
            models.Index(fields=["user", "at"], name="configuration_test_rate")
        ]

    def __str__(self) -> str:
        return f"Test of {self.version} at {self.at:%Y-%m-%d %H:%M:%S}"

    @property
    def has_passed(self) -> bool:
        """Whether all came as its test case expects."""
        return bool(self.response) and not self.case_problem
