"""The site as an OpenAI Realtime endpoint: `/v1/realtime` and what belongs to it.

Nothing here reads a cookie: a token is the only authority.

- `socket`, `opening`, `frames`: a program's WebSocket, and the call it opens
- `views`, `shapes`, `models`, `keys`: REST: `/v1/models`, client secrets, errors as OpenAI's
- `token_views`, `token_forms`: the page where people make tokens
"""

API_PATHS = frozenset({"/v1/realtime", "/realtime", "/openai/v1/realtime", "/openai/realtime"})
"""Where programs connect: OpenAI's own path, two that other services use, and Azure's."""
