"""A test app with two functions in the real registry: one draws, one needs approval."""
