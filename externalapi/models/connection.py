"""Where an API lives, how to sign in there, and who may."""

from django.core.validators import MinValueValidator
from django.db import models

from externalapi.http.auth import Auth, SignIn, TokenPlan
from lemnisk_braze.lib.database_clock import ChangedAtField, CreatedAtField


class Connection(models.Model):
    """Where an API lives and how to sign in. Engineers own it; nobody sees its key."""

    class SignInKind(models.TextChoices):
        BEARER = Auth.BEARER, "Bearer key (Braze)"
        BASIC = Auth.BASIC, "User name and password"
        HEADER = Auth.HEADER, "Key in a header"
        QUERY = Auth.QUERY, "Key in the address"
        OAUTH2 = Auth.OAUTH2, "OAuth 2 client credentials"
        NONE = Auth.NONE, "No sign-in"

    name = models.CharField(max_length=255, unique=True)
    base_url = models.CharField(
        "base URL",
        max_length=2048,
        help_text="Your Braze REST endpoint, for example https://rest.fra-01.braze.eu.",
    )
    auth = models.CharField(
        "sign-in", max_length=16, choices=SignInKind, default=SignInKind.BEARER
    )
    # The header's or the query parameter's.
    key_name = models.CharField(
        "name of the key",
        max_length=255,
        blank=True,
        help_text="The header or the parameter that holds it, for example X-API-Key.",
    )
    username = models.CharField("user name", max_length=255, blank=True)
    token_url = models.CharField(
        "token URL",
        max_length=2048,
        blank=True,
        help_text="Where an access token is fetched with the client ID and its secret.",
    )
    client_id = models.CharField("client ID", max_length=255, blank=True)
    scope = models.CharField(
        max_length=1024, blank=True, help_text="Optional. Several with spaces between."
    )
    key_encrypted = models.TextField(blank=True, editable=False)
    key_last_four = models.CharField(max_length=4, blank=True, editable=False)
    key_version = models.PositiveIntegerField(default=0, editable=False)
    key_set_at = models.DateTimeField(null=True, editable=False)
    # A key that waits beside the one in use, and the one that was in use before it
    # (externalapi.connections.key_rotation).
    next_key_encrypted = models.TextField(blank=True, editable=False)
    next_key_last_four = models.CharField(max_length=4, blank=True, editable=False)
    next_key_set_at = models.DateTimeField(null=True, editable=False)
    next_key_check = models.JSONField(default=dict, editable=False)
    previous_key_encrypted = models.TextField(blank=True, editable=False)
    previous_key_last_four = models.CharField(max_length=4, blank=True, editable=False)
    previous_key_until = models.DateTimeField(null=True, editable=False)
    # externalapi.testing.connection_check.Check as a dict; empty: it was not checked yet.
    last_check = models.JSONField(default=dict, editable=False)
    checked_at = models.DateTimeField(null=True, editable=False)
    # OAuth 2: the last token, until shortly before it expires.
    token_encrypted = models.TextField(blank=True, editable=False)
    token_expires_at = models.DateTimeField(null=True, editable=False)
    timeout_seconds = models.PositiveIntegerField(
        "timeout in seconds",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How long one request may take.",
    )
    requests_per_burst = models.PositiveIntegerField(
        "requests at most",
        default=3000,
        validators=[MinValueValidator(1)],
        help_text="Braze's own limit is 3,000 requests in 3 seconds.",
    )
    burst_seconds = models.PositiveIntegerField(
        "in so many seconds", default=3, validators=[MinValueValidator(1)]
    )
    requests_per_hour = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Leave empty where your contract has no hourly limit.",
    )
    requests_at_once = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How many requests may wait for their answers at the same time. Empty: no limit.",
    )
    # externalapi.connections.access says what follows from it.
    groups = models.ManyToManyField(
        "auth.Group",
        through="ConnectionGroup",
        blank=True,
        related_name="+",
        verbose_name="limited to groups",
        help_text="Only people of these groups, and superusers, build External APIs on "
        "it, test and activate with it, and change it. None: everybody whose "
        "permissions include that.",
    )
    created_at = CreatedAtField()
    updated_at = ChangedAtField(editable=False)

    class Meta:
        permissions = [("use_secret", "Can set a connection's key")]

    def __str__(self) -> str:
        return self.name

    @property
    def sign_in(self) -> SignIn:
        """Where the key goes in each request."""
        auth = Auth(self.auth)
        token = None
        if auth is Auth.OAUTH2:
            token = TokenPlan(
                connection_id=self.pk,
                key_version=self.key_version,
                url=self.token_url,
                client_id=self.client_id,
                scope=self.scope,
            )
        return SignIn(
            auth=auth, name=self.key_name, username=self.username, token=token
        )


class ConnectionGroup(models.Model):
    """A connection is limited to this group, among others perhaps."""

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="limits", db_index=False
    )
    # With the last of its groups gone, a connection would be everybody's.
    group = models.ForeignKey(
        "auth.Group", on_delete=models.PROTECT, related_name="connection_limits"
    )

    class Meta:
        verbose_name = "limit of a connection"
        verbose_name_plural = "limits of connections"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "group"], name="connection_group"
            )
        ]

    def __str__(self) -> str:
        return f"“{self.connection}” is limited to this group"
