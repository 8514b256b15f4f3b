"""A Django application with one command: `manage.py runmodwsgi` serves the project under httpd."""
