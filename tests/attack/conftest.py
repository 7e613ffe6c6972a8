from tests.attack.world import world
from tests.people import own_data
from tests.realtime.conftest import here

__all__ = ["here", "own_data", "world"]
