"""Attachments: what people put into a conversation besides words.

`sniff`, `pictures` and `documents` parse files from strangers. They import no Django and run in a
child process (`python -m chats.attachments.reader`), which `reading` starts, limits and, if need
be, kills. `upload` takes a file in, `keeping` stores it, `serving` gives it back to those who may
see it.
"""
