"""Finding conversations by what was said in them."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from chats.models import Conversation, Message


def matching(conversations: QuerySet[Conversation], words: str) -> QuerySet[Conversation]:
    """Those of `conversations` whose title or messages hold `words`, in any case."""
    said = Message.objects.filter(conversation=OuterRef("pk"), text__icontains=words)
    return conversations.filter(Q(title__icontains=words) | Exists(said))
