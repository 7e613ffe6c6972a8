"""The models of `realtime`, one subject a module."""

from realtime.models.calls import CallRecord
from realtime.models.providers import AccountSettings, Provider, VoiceModel

__all__ = ["AccountSettings", "CallRecord", "Provider", "VoiceModel"]
