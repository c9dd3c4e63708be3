"""All settings, read from the environment here and nowhere else.

docs/operators.md lists every variable.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import environ
from csp.constants import SELF, UNSAFE_EVAL
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from django.templatetags.static import static

from lemnisk_braze.lib import logs

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
DEBUG = env.bool("DEBUG", default=False)


def kept_secret(variable: str, filename: str) -> str:
    """Return the variable, else a secret made once and kept under var/ (0600)."""
    if value := env.str(variable, default=""):
        return str(value)
    path = VAR_DIR / filename
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(get_random_secret_key())
    return path.read_text().strip()


def server_url(variable: str) -> str:
    """The variable; manage.py has set it where a server comes along."""
    if value := env.str(variable, default=""):
        return str(value)
    raise ImproperlyConfigured(
        f"Set {variable}. The servers that come along are started by manage.py alone,"
        " such as `make start`, which runs the web server, a worker and beat with them."
    )


def one_of(variable: str, choices: Sequence[str], default: str) -> str:
    value = str(env.str(variable, default=default))
    if value not in choices:
        raise ImproperlyConfigured(f"{variable} is one of: {', '.join(choices)}.")
    return value


def proxy_network(text: str) -> IPv4Network | IPv6Network:
    """An address, or a network of them as 10.0.0.0/8."""
    try:
        return ip_network(text.strip())
    except ValueError as e:
        raise ImproperlyConfigured(f"TRUSTED_PROXIES: {e}.") from e


SECRET_KEY = kept_secret("SECRET_KEY", "secret-key")
# The keys that connections' API keys are encrypted with, newest first (SECURITY).
SECRETS_KEYS: list[str] = env.list("SECRETS_KEYS", default=[]) or [
    kept_secret("SECRETS_KEY", "secrets-key")
]
# What the identifiers of who was erased are hashed with. With another key they could
# come in again.
TOMBSTONE_KEY = env.str("TOMBSTONE_KEY", default="") or SECRET_KEY

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CSRF_FAILURE_VIEW = "lemnisk_braze.errors.csrf_failure"
# A segment's rule with the longest pasted list. Calls of the tracking API have less.
DATA_UPLOAD_MAX_MEMORY_SIZE = 6 << 20
# An engagement asks for 500 values of a payload, for five variants each.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000
HTTPS = env.bool("HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
# Monitoring asks from inside, where nobody speaks TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
# Who may say in X-Forwarded-For whom a request is from.
TRUSTED_PROXIES = [
    proxy_network(text) for text in env.list("TRUSTED_PROXIES", default=[])
]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # Alpine, which the admin's theme is built on, evaluates its attributes.
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, "'unsafe-inline'"],
        "img-src": [SELF, "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": [SELF],
        "frame-ancestors": ["'none'"],
    }
}

INSTALLED_APPS = [
    "lemnisk_braze",
    "segments",
    "externalapi",
    "engagements",
    # Its site is the one below.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "lemnisk_braze.apps.LemniskBrazeAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "axes",
    "csp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "lemnisk_braze.short_way.ShortWay",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "lemnisk_braze.urls"
WSGI_APPLICATION = "lemnisk_braze.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        **env.db_url_config(server_url("DATABASE_URL")),
        "CONN_MAX_AGE": env.int("CONN_MAX_AGE", default=60),
        "CONN_HEALTH_CHECKS": True,
        # A cursor of the server's own would outlive its transaction.
        "DISABLE_SERVER_SIDE_CURSORS": env.bool("DATABASE_POOLER", default=False),
    }
}
DATABASES["default"]["OPTIONS"] = {
    # A server that has fallen silent is noticed in half a minute, and not in hours.
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
    **DATABASES["default"].get("OPTIONS", {}),
    "options": "-c statement_timeout=120s -c lock_timeout=30s"
    " -c idle_in_transaction_session_timeout=30s",
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
# Five wrong passwords for one name from one address close the door for a while.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
# By name and address together: whoever fails with names of others, or in the name of
# one from elsewhere, locks out nobody else.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "lemnisk_braze.lib.client_address.client_address"
AXES_LOCKOUT_TEMPLATE = "lemnisk_braze/locked_out.html"
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

LANGUAGE_CODE = "en-us"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = "lemnisk_braze.formats"

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(VAR_DIR / "static")))
# Serve from the apps' own folders too: a bare checkout needs no collectstatic, but the
# folder must be there.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# Where the mails go that tell an engagement's owner that it was stopped.
globals().update(env.email_url("EMAIL_URL", default="dummymail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="lemnisk-braze@localhost")
SITE_URL = env.str("SITE_URL", default="http://localhost:8000")

REDIS_URL = server_url("REDIS_URL")
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": env.str("REDIS_PREFIX", default="lemnisk-braze:"),
    "socket_timeout": env.int("REDIS_SOCKET_TIMEOUT", default=5),
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 25,
    # Nobody waits for a broker that is away: what a wake-up is about, the tick finds.
    "max_retries": 0,
}
# Celery is a wake-up, the database the truth: a lost or doubled message does no harm,
# so nothing here may hold, delay or repeat one.
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 5_000
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 300_000
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 60
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A broker that became a replica answers with an error: connect anew, to the new master.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_TIMEZONE = "UTC"
TICK_SECONDS = env.float("TICK_SECONDS", default=15)
CELERY_BEAT_SCHEDULER = "lemnisk_braze.beat:Scheduler"
# It does not expire: Celery would compare beat's clock with the worker's.
CELERY_BEAT_SCHEDULE = {
    "tick": {"task": "engagements.tasks.tick", "schedule": TICK_SECONDS}
}

# Whoever sends it on takes in what the tracking API accepted.
INBOX_TASK = "engagements.tasks.work"

# Delivery (docs/delivery.md)
DELIVERY_LEASE = timedelta(seconds=env.float("DELIVERY_LEASE_SECONDS", default=120))
DELIVERY_GRACE = timedelta(seconds=env.float("DELIVERY_GRACE_SECONDS", default=60))
# What workers were answered and could not write down yet, should they be killed.
JOURNAL_DIR = Path(env.str("JOURNAL_DIR", default=str(VAR_DIR / "journal")))
HTTP_TOTAL_SECONDS = env.float("HTTP_TOTAL_SECONDS", default=30)

# Files that are imported wait here; web servers and workers share it.
IMPORT_DIR = Path(env.str("IMPORT_DIR", default=str(VAR_DIR / "imports")))
# Folders of the machine that may be watched, or have a database in a file: none at first.
IMPORT_FROM = env.list("IMPORT_FROM", default=[])
# What a query of a database may take: so long, and so many rows.
SQL_SECONDS = env.int("SQL_SECONDS", default=600)
SQL_MAX_ROWS = env.int("SQL_MAX_ROWS", default=10_000_000)
FILE_UPLOAD_HANDLERS = [
    "lemnisk_braze.lib.pages.uploads.Capped",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
IMPORT_MAX_BYTES = env.int("IMPORT_MAX_MB", default=1024) << 20

# Who is who (docs/identity.md): what joins people, the most trusted first; "*" is every
# kind of the customer's own.
IDENTITY_JOINS = env.list(
    "IDENTITY_JOINS",
    default=["anonymous_id", "user_alias", "braze_id", "*", "email", "phone"],
)
IDENTITY_MOST = env.int("IDENTITY_MOST", default=1_000)
# What programs send that know nobody; in any case, blanks around left out.
IDENTITY_PLACEHOLDERS = env.list(
    "IDENTITY_PLACEHOLDERS",
    default=[
        "undefined",
        "null",
        "none",
        "nil",
        "nan",
        "0",
        "-1",
        "false",
        "true",
        "unknown",
        "anonymous",
        "guest",
        "n/a",
        "(null)",
        "<null>",
        "(not set)",
        "[object object]",
        "00000000-0000-0000-0000-000000000000",
    ],
)
# Such as GB: where a phone number without a country code is from; empty: nobody knows.
PHONE_REGION = env.str("PHONE_REGION", default="").upper()


# How long things are kept; 0 days: for ever (docs/operators.md).
RETENTION_DELIVERIES = timedelta(days=env.int("RETENTION_DELIVERY_DAYS", default=90))
RETENTION_RESPONSES = timedelta(days=env.int("RETENTION_RESPONSE_DAYS", default=14))
RETENTION_EVENTS = timedelta(days=env.int("RETENTION_EVENT_DAYS", default=396))
RETENTION_REFUSED = timedelta(days=env.int("RETENTION_REFUSED_DAYS", default=14))
RETENTION_IMPORTS = timedelta(days=env.int("RETENTION_IMPORT_DAYS", default=14))
RETENTION_TESTS = timedelta(days=env.int("RETENTION_TEST_DAYS", default=366))

# Addresses that the guarded client may dial although they are private or plain http:
# exact host:port pairs, for the Braze sandbox on a developer's machine.
ALLOWED_LOCAL_ADDRESSES = env.list("ALLOWED_LOCAL_ADDRESSES", default=[])
# A PEM file of the authorities that the guarded client trusts in place of the public
# ones. There is no way to trust everybody.
CA_FILE = env.str("CA_FILE", default="")

# "json" for programs, "line" for people.
LOG_FORMAT = one_of("LOG_FORMAT", logs.FORMATS, "line" if DEBUG else "json")
LOGGING = logs.configuration(LOG_FORMAT, env.str("LOG_LEVEL", default="INFO"))
# For the web server's own lines (granian.json).
log_formatter = partial(logs.formatter, LOG_FORMAT)

# One stylesheet for every page, in files that say what they hold.
STYLESHEETS = [
    f"lemnisk_braze/style/{name}.css"
    for name in ("variables", "components", "pages", "theme")
]


def _address(path: str, request: object) -> str:
    return static(path)


UNFOLD = {
    "SITE_TITLE": "Lemnisk for Braze",
    "SITE_HEADER": "Lemnisk for Braze",
    "SITE_SYMBOL": "hub",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": partial(_address, "lemnisk_braze/icon.svg"),
        }
    ],
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "lemnisk_braze.dashboard.home.dashboard",
    "SIDEBAR": {"navigation": "lemnisk_braze.dashboard.navigation.sidebar"},
    "STYLES": [partial(_address, path) for path in STYLESHEETS],
    "SCRIPTS": [
        partial(_address, "lemnisk_braze/accessible.js"),
        partial(_address, "lemnisk_braze/filters.js"),
        partial(_address, "lemnisk_braze/search.js"),
    ],
    "BORDER_RADIUS": "6px",
    # Tailwind's indigo, its 500 lighter: the theme writes with it on dark pages.
    "COLORS": {
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(72% .16 276.935)",
            "500": "oklch(67% .19 277.117)",
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        }
    },
}
