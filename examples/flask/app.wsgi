"""The script that httpd loads. The application itself is in notes.py."""

import logging
import os
import sys

import mod_wsgi

# What is logged goes to httpd's error log, with its level and the client; LogLevel decides from which level on. Before the
# application is imported: Flask brings a handler of its own where there is none.
logging.basicConfig(handlers=[mod_wsgi.LogHandler()], level=logging.DEBUG, format="%(name)s: %(message)s")

# httpd starts in a directory of its own: this one is not on the path by itself.
sys.path.insert(0, os.path.dirname(__file__))

from notes import app as application  # noqa: E402  (after the path)
