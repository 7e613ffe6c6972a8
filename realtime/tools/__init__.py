"""The site's own functions for voice models, and the box that a call gets them in.

- `registry`: makes a function of ours callable: `calculator`, `clock`, `memory`
- `box`, `choice`: the functions of one call, and which these are
- `services`: functions of other services
- `files`, `trail`: what functions leave behind: attachments, and events of the audit trail
- `forms`: how admins switch them off
"""

from __future__ import annotations

from realtime.tools import calculator, clock, memory  # noqa: F401 (they register themselves)
from realtime.tools.box import SiteToolbox
from realtime.tools.registry import TOOLS, Tool, Where

__all__ = ["TOOLS", "SiteToolbox", "Tool", "Where"]
