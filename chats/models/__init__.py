"""The models of `chats`, one subject per module."""

from chats.models.attachment import Attachment
from chats.models.audit import AuditEvent
from chats.models.conversation import Conversation
from chats.models.files import DoomedFile
from chats.models.message import Message, Recording
from chats.models.people import Account, Membership, User

__all__ = [
    "Account",
    "Attachment",
    "AuditEvent",
    "Conversation",
    "DoomedFile",
    "Membership",
    "Message",
    "Recording",
    "User",
]
