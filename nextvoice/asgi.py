"""The ASGI application: pages through Django, calls through Channels."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nextvoice.settings")
pages = get_asgi_application()

from channels.routing import ProtocolTypeRouter  # noqa: E402  (Django must be set up first)

import nextvoice.urls  # noqa: E402, F401 (or the first visitor waits for it)
from nextvoice.away import Sockets  # noqa: E402
from nextvoice.bodies import BoundedBodies  # noqa: E402
from nextvoice.static import StaticFiles  # noqa: E402
from realtime.origin import SameOrigin  # noqa: E402
from realtime.routing import ByAuthority, page_sockets  # noqa: E402
from realtime.signed_in import SignedIn  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": StaticFiles(BoundedBodies(pages)),
        "websocket": Sockets(ByAuthority(SameOrigin(SignedIn(page_sockets)))),
    }
)
