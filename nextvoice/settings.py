"""Every setting of the site, read from the environment (see README, "Configuration").

The defaults need no server and no configuration: SQLite, local files, one process and the
embedded provider. Secrets that are not given are made once and kept in `DATA_DIR`.
"""

import sys
from pathlib import Path
from typing import Any

from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _

from nextvoice import environment as env
from nextvoice.secrets import given, made_once, new_fernet_key, new_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
# Variables that only the file gave: worker processes read it anew, and may find other values.
FROM_FILE = env.read_file("ENV_FILE", BASE_DIR, ".env")

DATA_DIR = env.folder("DATA_DIR", BASE_DIR, "var")
DEBUG = env.yes_no("DEBUG")
SECRET_KEY = given("SECRET_KEY") or made_once(DATA_DIR / "secret_key", new_secret_key)
# Newest first: the first key seals, every key opens.
KEY_RING = env.fernet_keys(
    "KEY_RING",
    env.words("KEY_RING") or made_once(DATA_DIR / "key_ring", new_fernet_key).split(","),
)
# Secrets that nobody gave: they work on one machine only.
SECRETS_MADE = [name for name in ("SECRET_KEY", "KEY_RING") if not given(name)]

ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
# Full origins (scheme://host[:port]) that may post forms and open sockets besides the site's own.
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    # First: it gives `runserver` its ASGI server. Anything else would start half a second later.
    *(["daphne"] if "runserver" in sys.argv else []),
    "chats",
    "realtime",
    # Admin modules are discovered in `urls.py`: commands have no use for them.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "channels",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "chats.asking.remembered",
    "nextvoice.middleware.CompressedPages",
    "csp.middleware.CSPMiddleware",
    "nextvoice.middleware.without_null",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "nextvoice.middleware.Common",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "nextvoice.away.Pages",
]

ROOT_URLCONF = "nextvoice.urls"
ASGI_APPLICATION = "nextvoice.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "chats.context.site",
            ],
        },
    },
]

# --- data -------------------------------------------------------------------------------------

# PostgreSQL connections of each process.
DATABASE_POOL = env.number("DATABASE_POOL", 10, least=1)
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.database("DATABASE_URL", BASE_DIR, f"sqlite:///{DATA_DIR / 'nextvoice.sqlite3'}")
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["ENGINE"] = "nextvoice.sqlite3"
    # Without IMMEDIATE a reader that starts to write fails at once with "database is locked".
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    # Persistent connections leak under ASGI; the native pool bounds them instead.
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["OPTIONS"] = {
        **DATABASES["default"].get("OPTIONS", {}),  # such as sslmode, of the address
        "pool": {
            "min_size": 1,
            "max_size": DATABASE_POOL,
            "timeout": 4,
            # The pool doubles its wait after each failed attempt. Starting over soon lets the site
            # be back seconds after the database is, however long that was away.
            "reconnect_timeout": 4,
        },
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.address("REDIS_URL", ["redis", "rediss", "unix"])
if REDIS_URL:
    # Imported here, because it takes a tenth of a program's start.
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            # redis-py 8 gives up on a silent socket after 5 s unless told otherwise.
            "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}]},
        }
    }
    CACHES = {
        "default": {
            "BACKEND": "nextvoice.cache.SteadyCache",
            "LOCATION": REDIS_URL,
            # An attempt costs a second at most: redis-py would make four of them.
            "OPTIONS": {
                "socket_timeout": 1,
                "socket_connect_timeout": 1,
                "retry": Retry(NoBackoff(), 0),
            },
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / env.text("STATIC_ROOT", str(DATA_DIR / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        # Private: nothing serves this folder but the authorised view.
        "OPTIONS": {
            "location": str(DATA_DIR / "media"),
            "base_url": None,
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
            # Names are made of the keys of rows: the same name is the same file once more.
            "allow_overwrite": True,
        },
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "nextvoice.static.ModuleManifestStorage"
    },
}

# Recordings and attachments in a bucket instead. The authorised views read it for people, with
# Range, so nobody else needs to reach it.
MEDIA_S3_BUCKET = env.text("MEDIA_S3_BUCKET")
if MEDIA_S3_BUCKET:
    from boto3.s3.transfer import TransferConfig
    from botocore.config import Config

    STORAGES["default"] = {
        "BACKEND": "chats.bucket.Bucket",
        "OPTIONS": {
            "bucket_name": MEDIA_S3_BUCKET,
            "endpoint_url": env.address("MEDIA_S3_ENDPOINT", ["http", "https"]) or None,
            "region_name": env.text("MEDIA_S3_REGION") or None,
            "access_key": given("MEDIA_S3_KEY") or None,
            "secret_key": given("MEDIA_S3_SECRET") or None,
            "default_acl": None,
            "querystring_expire": 60,
            # Files are small, and at the end of a process no thread can be started any more.
            "transfer_config": TransferConfig(use_threads=False),
            "client_config": Config(
                # What the store does not take now waits in the spool (`chats.spool`).
                connect_timeout=3,
                read_timeout=10,
                retries={"total_max_attempts": 2},
                # MinIO, Ceph and others do not know the checksums that newer clients send.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        },
    }

# --- people -----------------------------------------------------------------------------------

AUTH_USER_MODEL = "chats.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
SIGNUP_OPEN = env.yes_no("SIGNUP_OPEN")
ACCOUNT_ADAPTER = "chats.adapters.AccountAdapter"
ACCOUNT_FORMS = {"login": "chats.forms.LoginForm"}
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*", "password2*"]
# Without a mail server, mail is printed on the console, where people cannot read it.
SENDS_MAIL = not env.text("EMAIL_URL", "console").startswith(("console", "dummy"))
ACCOUNT_EMAIL_VERIFICATION = "optional" if SENDS_MAIL else "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[NextVoice] "
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_TRUSTED_PROXY_COUNT = env.number("TRUSTED_PROXIES", 0)
ALLAUTH_TRUSTED_PROXY_COUNT = ACCOUNT_TRUSTED_PROXY_COUNT
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"

vars().update(env.mail("EMAIL_URL", "consolemail://"))
if vars()["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend":
    EMAIL_BACKEND = "nextvoice.mail.Mail"
# People wait for it on a page, and many networks drop outgoing mail silently.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "nextvoice@localhost")

# --- security ---------------------------------------------------------------------------------

# One switch for "people reach the site by https", because the local default has no TLS.
HTTPS = env.yes_no("HTTPS")
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS and ACCOUNT_TRUSTED_PROXY_COUNT else None
)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
# Probes come from inside, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.number("HSTS_SECONDS", 31536000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SILENCED_SYSTEM_CHECKS = [
    # Whether other names of the domain have TLS is not for this site to say.
    "security.W005",
    "security.W021",
    # SQLite lacks these constraints on names; forms and commands look for duplicates themselves.
    "models.W047",
]
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DEFAULT_EXCEPTION_REPORTER = "nextvoice.reporter.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "nextvoice.reporter.Filter"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "media-src": [SELF, "blob:"],
        "connect-src": [SELF],
        "worker-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        # Text becomes HTML only by the policies of helpers/html.js and admin-html.js.
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["nextvoice", "nextvoice-admin", "default"],
    }
}

# --- attachments ------------------------------------------------------------------------------

# The largest file that can be attached, and how much all files of one person may take up.
ATTACHMENT_MAX_MB = env.number("ATTACHMENT_MAX_MB", 20)
ATTACHMENT_ROOM_MB = env.number("ATTACHMENT_ROOM_MB", 2000)

# --- retention --------------------------------------------------------------------------------

# How many days recordings and conversations are kept, where an account says nothing else. 0 is for
# ever: nothing is removed unless somebody asked for it.
KEEP_AUDIO_DAYS = env.number("KEEP_AUDIO_DAYS", 0)
KEEP_TEXT_DAYS = env.number("KEEP_TEXT_DAYS", 0)

# --- languages --------------------------------------------------------------------------------

LANGUAGES = [("en", _("English"))]
LANGUAGE_CODE = env.one_of("LANGUAGE_CODE", [*dict(LANGUAGES), "en-us"], "en")
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
USE_I18N = USE_TZ = True
# Where `makemessages` writes what is to be translated.
LOCALE_PATHS = [BASE_DIR / "locale"]

# --- calls ------------------------------------------------------------------------------------

# With less free disk space than this in DATA_DIR, the site takes no calls (/readyz).
DISK_FREE_MB = env.number("DISK_FREE_MB", 500)
# How many seconds a call may stay silent on both sides before it is ended.
CALL_IDLE_SECONDS = env.number("CALL_IDLE_SECONDS", 300, least=1)
# The currency of reports and quotas. Prices may be in others, with an exchange rate in the admin.
REPORTING_CURRENCY = env.currency("REPORTING_CURRENCY", "USD")
# The embedded provider runs beside the site unless another one is named here (ws://host:port).
LOCAL_VOICE = env.yes_no("LOCAL_VOICE", True)
LOCAL_VOICE_URL = env.address("LOCAL_VOICE_URL", ["ws", "wss"])
# The provider reads these by itself, too late for an error at the start.
for service in ("LLM", "ASR", "TTS"):
    env.address(f"NEXTVOICE_{service}_URL", ["http", "https"])

# Who may bring keys of their own: "off", "personal" (for oneself), "accounts" (teams, by their
# managers) or "all".
OWN_PROVIDERS = env.one_of("OWN_PROVIDERS", ["off", "personal", "accounts", "all"], "all")

# host:port pairs inside our own network that any provider may be reached at, own keys included;
# admins add more under "Allowed endpoints".
ALLOWED_ENDPOINTS = env.words("NEXTVOICE_ALLOWED_ENDPOINTS")

# Who may read /metrics: whoever sends this as a bearer token; without one, whoever comes directly
# from a private address.
METRICS_TOKEN = given("METRICS_TOKEN")

LOG_LEVEL = env.one_of("LOG_LEVEL", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], "INFO")
LOG_FORMAT = env.one_of("LOG_FORMAT", ["line", "json"], "line")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "realtime.logs.Line"}, "json": {"()": "realtime.logs.Json"}},
    "filters": {
        "seldom": {"()": "nextvoice.seldom.Seldom"},
        "once": {"()": "nextvoice.seldom.Seldom", "seconds": 30.0, "whole": True},
        "brief": {"()": "realtime.logs.Brief"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["brief"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    # websockets and uvicorn log whole headers at DEBUG; keys travel in headers.
    "loggers": {
        # Every call reports what is away; once in a while is enough.
        "nextvoice.outage": {"filters": ["seldom"]},
        "channels_redis.pubsub": {"filters": ["seldom"]},
        # Every connection of every process logs each attempt and each failure, all saying the same.
        "psycopg.pool": {"filters": ["once"]},
        "websockets": {"level": "WARNING"},
        "uvicorn": {"level": "INFO" if LOG_LEVEL == "DEBUG" else LOG_LEVEL},
        # A line per request says little, and addresses may contain secrets.
        "uvicorn.access": {"level": "WARNING"},
    },
}
