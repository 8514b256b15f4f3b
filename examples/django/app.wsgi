"""The script that httpd loads.

    make serve APP=examples/django/app.wsgi

Then http://127.0.0.1:8000/ lists books, and http://127.0.0.1:8000/admin/ edits them: user "demo", password "demo".
"""

import os
import sys

# httpd starts in a directory of its own: this one is not on the path by itself.
sys.path.insert(0, os.path.dirname(__file__))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: E402  (after the path)
from django.core.wsgi import get_wsgi_application  # noqa: E402

site = get_wsgi_application()

from project.first_start import prepare  # noqa: E402  (after Django is set up)

prepare()
# Serves the files of the admin below /static/; httpd.conf says how httpd does it.
application = StaticFilesHandler(site)
