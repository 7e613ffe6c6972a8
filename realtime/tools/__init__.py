"""Functions of the site's own that voice models may call, and the box a call gets them in."""

from __future__ import annotations

from realtime.tools import calculator, clock, memory  # noqa: F401 (they register themselves)
from realtime.tools.box import SiteToolbox
from realtime.tools.registry import TOOLS, Tool, Where

__all__ = ["TOOLS", "SiteToolbox", "Tool", "Where"]
