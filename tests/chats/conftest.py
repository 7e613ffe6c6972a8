from tests.people import ann, bob, conversation, eve, own_data

__all__ = ["ann", "bob", "conversation", "eve", "own_data"]
