"""The site's settings for tests: a temporary data folder and fast password hashing."""

import os
import tempfile
from pathlib import Path

from tests.once import run_folder

DATA = Path(os.environ.get("NEXTVOICE_TEST_DATA") or tempfile.mkdtemp(dir=run_folder()))
os.environ["DATA_DIR"] = str(DATA)
# Ignore the `.env` of a site that runs in this folder; it may name a real bucket, for example.
os.environ["ENV_FILE"] = os.devnull
(DATA / "static").mkdir(parents=True, exist_ok=True)

from nextvoice.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file, since an in-memory database has a single connection and calls use several threads.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA / "test.sqlite3")}  # noqa: F405
ACCOUNT_RATE_LIMITS = False
