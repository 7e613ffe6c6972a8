"""The models of `realtime`, one subject per module."""

from realtime.models.alerts import BudgetAlert, BudgetNotice
from realtime.models.calls import CallRecord
from realtime.models.endpoints import AllowedEndpoint
from realtime.models.money import ExchangeRate, Price, Usage, UsageDay
from realtime.models.providers import AccountSettings, Provider, VoiceModel
from realtime.models.quotas import Lease, Quota
from realtime.models.tokens import ApiToken, ClientSecret
from realtime.models.tools import ToolFunction, ToolService

__all__ = [
    "AccountSettings",
    "AllowedEndpoint",
    "ApiToken",
    "BudgetAlert",
    "BudgetNotice",
    "CallRecord",
    "ClientSecret",
    "ExchangeRate",
    "Lease",
    "Price",
    "Provider",
    "Quota",
    "ToolFunction",
    "ToolService",
    "Usage",
    "UsageDay",
    "VoiceModel",
]
