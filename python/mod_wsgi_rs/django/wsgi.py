"""The WSGI application of a project that names none in WSGI_APPLICATION."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
