"""The site: settings, URLs and the ASGI application.

- `settings`, `environment`, `secrets`: every setting, read from the environment
- `asgi`, `bodies`, `static`: in front of Django: sockets, the size of bodies, static files
- `middleware`, `away`: Django's middleware of ours; what is answered while a server is away
- `cache`, `mail`, `sqlite3`: Django's back ends, with what they lack
- `reporter`, `seldom`: error reports without secrets, and a log without repetition
"""
