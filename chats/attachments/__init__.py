"""Attachments: what people put into a conversation besides words.

`sniff`, `pictures` and `documents` look into a file that a stranger made. They import no Django
and run in a child process (`python -m chats.attachments.reader`), which `reading` starts, bounds
and, if need be, kills. `upload` takes a file in, `serving` gives it back to those who may see it.
"""
