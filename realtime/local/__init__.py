"""The embedded provider: a real OpenAI Realtime GA server that needs no key and no network.

Speech detection, recognition and synthesis come from the `voice` extra; every part has a
fallback, so the server also runs (and says so) where a wheel is missing. No Django in here.
"""
