"""The site as an OpenAI Realtime endpoint: `/v1/realtime` and what belongs beside it.

Facts: protocols.md 4 and 5. Nothing here reads a cookie: a token is all the authority there is.
"""
