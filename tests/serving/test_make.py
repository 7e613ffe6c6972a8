"""What `make` installs, and when again. A script stands in for Python: nothing is downloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.site import ROOT

# It tells each of its calls, and makes a virtual environment of itself.
PYTHON = """#!/bin/sh
case "$*" in
  *purelib*) echo "${0%/bin/python}/lib/VERSION"; exit;;
  "-m venv .venv") mkdir -p .venv/bin .venv/lib/VERSION && cp "$0" .venv/bin/python \\
    && cp "$0" .venv/bin/pip;;
esac
echo "$*" "${PYTHONPATH-}${PYTHONHOME-}${DJANGO_SETTINGS_MODULE-}"
"""
VENV = "-m venv .venv "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's folder with nothing installed."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").touch()
    python_of(tmp_path, "3.11")
    return tmp_path


def python_of(folder: Path, version: str, name: str = "python") -> None:
    (folder / name).write_text(PYTHON.replace("VERSION", f"python{version}"))
    (folder / name).chmod(0o755)


def make(folder: Path, *words: str, **environment: str) -> list[str]:
    """What `make` printed, line by line."""
    path = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["make", f"PYTHON={folder}/python", *words],
        cwd=folder,
        env={**path, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.splitlines()


def test_what_is_installed_is_not_installed_again(folder: Path) -> None:
    assert VENV in make(folder, "install")
    assert VENV not in make(folder, "install")


def test_a_half_made_environment_is_made_whole(folder: Path) -> None:
    for made in ("bin", "lib/python3.11"):
        (folder / ".venv" / made).mkdir(parents=True)
    python_of(folder, "3.11", ".venv/bin/python")  # Ctrl-C came before its pip
    assert VENV in make(folder, "install")


@pytest.mark.parametrize("now", ["gone", "newer"])
def test_an_environment_is_made_anew_when_the_system_has_another_python(
    folder: Path, now: str
) -> None:
    make(folder, "install")
    python = folder / ".venv" / "bin" / "python"
    python.unlink()
    if now == "gone":
        python.symlink_to("nowhere")
    else:
        python_of(folder, "3.12", ".venv/bin/python")
    python_of(folder, "3.12")
    assert VENV in make(folder, "install")
    assert VENV not in make(folder, "install")


def test_another_projects_environment_is_left_out(folder: Path) -> None:
    others = ("PYTHONPATH", "PYTHONHOME", "DJANGO_SETTINGS_MODULE")
    told = make(folder, "run", **dict.fromkeys(others, "elsewhere"))
    assert "manage.py setup " in told and "elsewhere" not in "".join(told)
