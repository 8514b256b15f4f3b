"""The script that httpd loads. The application itself is in orders.py."""

import os
import sys

from a2wsgi import ASGIMiddleware

# httpd starts in a directory of its own: this one is not on the path by itself.
sys.path.insert(0, os.path.dirname(__file__))

from orders import app  # noqa: E402  (after the path)

# Turns each WSGI request into an ASGI one, for an event loop that runs in one thread of this process.
application = ASGIMiddleware(app)
