"""Where programs connect: OpenAI's own path, what others offer too, and Azure's two."""

API_PATHS = frozenset({"/v1/realtime", "/realtime", "/openai/v1/realtime", "/openai/realtime"})
