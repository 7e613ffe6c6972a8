"""The embedded provider, tested without Django."""
