"""The script that httpd loads. The application itself is in notes.py."""

import os
import sys

# httpd starts in a folder of its own: this one is not on the path by itself.
sys.path.insert(0, os.path.dirname(__file__))

from notes import app as application  # noqa: E402  (after the path)
