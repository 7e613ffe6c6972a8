"""Runs the JavaScript tests in this folder with Node's test runner."""

import subprocess
from pathlib import Path

from tests.servers import require

HERE = Path(__file__).parent


def test_the_javascript_tests_pass() -> None:
    require("node")
    files = [str(path) for path in sorted(HERE.glob("*.test.mjs"))]
    assert files != []
    done = subprocess.run(["node", "--test", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
