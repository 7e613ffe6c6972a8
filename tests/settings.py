"""The site's settings with what tests need: a throw-away data folder and quick passwords."""

import os
import tempfile
from pathlib import Path

from tests.once import run_folder

DATA = Path(os.environ.get("NEXTVOICE_TEST_DATA") or tempfile.mkdtemp(dir=run_folder()))
os.environ["DATA_DIR"] = str(DATA)
# Whatever a site that is served from this folder has in its `.env`: its bucket, say.
os.environ["ENV_FILE"] = os.devnull
(DATA / "static").mkdir(parents=True, exist_ok=True)

from nextvoice.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file, because an in-memory database is one connection and calls use several threads.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA / "test.sqlite3")}  # noqa: F405
ACCOUNT_RATE_LIMITS = False
