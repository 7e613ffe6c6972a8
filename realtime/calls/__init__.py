"""The calls of this process, from the first question to what a dead one left behind.

- `opening`, `history`, `attachments`: what must be known before a call starts, and what it is told
- `running`, `attaching`, `provider_health`: a call while it runs, with all that belongs to it
- `live`, `past_calls`, `places`, `pace`: calls here, recent ones, and whether there is room
- `lookout`, `going_on`, `recheck`: whether calls may go on
- `audience`, `channel`, `renamed`, `elsewhere`: what other tabs and processes are told
- `janitor`: closes what a dead process left open
- `admin`: past and live calls in Django's admin
"""
