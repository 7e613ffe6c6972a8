from tests.attack.world import world
from tests.people import ann, bob, conversation, eve, own_data
from tests.realtime.conftest import here

__all__ = ["ann", "bob", "conversation", "eve", "here", "own_data", "world"]
