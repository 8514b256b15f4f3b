"""`manage.py runmodwsgi`: wsgi-express start-server for the project's own WSGI application and static files."""

import os
import sys
from argparse import Namespace
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mod_wsgi_rs import command, options
from mod_wsgi_rs.errors import Refused


class Command(BaseCommand):
    help = "Serves the project with Apache httpd and mod_wsgi."

    def add_arguments(self, parser):
        options.add_to(parser)

    def handle(self, *_arguments, **values):
        chosen = Namespace(**{option.key: values[option.key] for option in options.OPTIONS})
        named = settings.WSGI_APPLICATION or "mod_wsgi_rs.django.wsgi.application"
        module, _, name = named.rpartition(".")
        if not module:
            raise CommandError(f"WSGI_APPLICATION is {named!r}; expected module.application")
        chosen.application_type, chosen.callable_object, chosen.entry_point = "module", name, None
        chosen.working_directory = chosen.working_directory or _base_directory()
        _add_static_files(chosen)
        arguments = ["setup-server" if chosen.setup_only else "start-server", *sys.argv[2:]]
        try:
            status = command.start(chosen, module, arguments)
        except Refused as refused:
            raise CommandError(str(refused)) from None
        if status:
            sys.exit(status)


def _base_directory() -> str:
    if base := getattr(settings, "BASE_DIR", None):
        return str(base)
    # The directory that holds the package (or module) of the settings.
    name = os.environ["DJANGO_SETTINGS_MODULE"]
    return str(Path(sys.modules[name].__file__).resolve().parents[name.count(".")])


def _add_static_files(chosen) -> None:
    middleware = getattr(settings, "MIDDLEWARE", None) or []
    if any("whitenoise" in name.lower() for name in middleware):
        return
    url, root = settings.STATIC_URL, settings.STATIC_ROOT
    if url and url.startswith("/") and root:
        chosen.url_alias.append((url.rstrip("/") or "/", str(root)))
