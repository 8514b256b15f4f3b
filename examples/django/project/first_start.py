"""What a fresh state directory needs before the first request: tables, a user for the admin, a few books."""

import fcntl

from books.models import Book
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command

BOOKS = [
    ("The Left Hand of Darkness", "Ursula K. Le Guin", 1969),
    ("Invisible Cities", "Italo Calvino", 1972),
    ("Kindred", "Octavia E. Butler", 1979),
]


def prepare():
    """Quick when all is there. One process does it, the others wait."""
    with open(settings.STATE / "first-start.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        call_command("migrate", verbosity=0, interactive=False)
        users = get_user_model().objects
        if not users.exists():
            users.create_superuser("demo", password="demo")
            Book.objects.bulk_create(Book(title=title, author=author, year=year) for title, author, year in BOOKS)
