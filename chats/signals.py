"""How other apps add to the pages of `chats` without `chats` knowing them."""

from django.dispatch import Signal

# Sent with `request`, `conversation` and its `messages` that are shown, for which receivers may set
# `call_duration_ms`; they return a dict for the template's context.
conversation_page = Signal()

# Sent with `request`; receivers return a dict for the context of the front page.
home_page = Signal()

# Sent with `person`, whose data is being put together; receivers return (name, pieces) of files.
takeout = Signal()

# Sent with a `conversation` in which nothing was said yet; receivers return whether it is in use.
conversation_in_use = Signal()

# Sent with `request` and the `conversation` just begun; nothing is returned.
conversation_begun = Signal()
