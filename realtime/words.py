"""The call panel's words, translated on the server because the page has no catalogue."""


def call_strings() -> dict[str, str]:
    """Every string the scripts show, by name."""
    return {}
