"""How far an attempt to reach a provider has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

StepName = Literal["setup", "dns", "tcp", "tls", "handshake", "session", "update", "answer"]


@dataclass(frozen=True, slots=True)
class Passed:
    """A step that went well. `detail`: what there is to tell, such as the addresses found."""

    step: StepName
    seconds: float
    detail: str = ""


class Progress:
    """The step under way, since when, and whom to tell of finished ones."""

    def __init__(self, on_passed: Callable[[Passed], None] | None = None) -> None:
        self.step: StepName = "dns"
        self._on_passed = on_passed
        self._since = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the step under way has taken."""
        return time.monotonic() - self._since

    def begin(self, step: StepName, detail: str = "") -> None:
        """The step before is done (`detail` is about that one) and `step` begins."""
        self.done(detail)
        self.step = step

    def done(self, detail: str = "") -> None:
        """The step under way went well."""
        if self._on_passed is not None:
            self._on_passed(Passed(self.step, self.seconds, detail))
        self._since = time.monotonic()
