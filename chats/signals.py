"""How other apps add to the pages of `chats`, which does not know them."""

from django.dispatch import Signal

# Sent with `request`, `conversation` and the `messages` shown, on which receivers may set
# `call_duration_ms`; they return a dict for the template's context.
conversation_page = Signal()

# Sent with `request`; receivers return a dict for the context of the front page.
home_page = Signal()

# Sent with `person`, whose data is being collected; receivers return (name, pieces) of files.
takeout = Signal()

# Sent with a `conversation` without messages; receivers return whether it is in use.
conversation_in_use = Signal()

# Sent with `request` and the new `conversation`; receivers return nothing.
conversation_begun = Signal()
