"""The models of `realtime`, one subject a module."""

from realtime.models.calls import CallRecord
from realtime.models.providers import Provider, VoiceModel

__all__ = ["CallRecord", "Provider", "VoiceModel"]
