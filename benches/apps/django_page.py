"""Django: a page from a template that extends another one, with 20 rows of two tables from SQLite through the ORM.

The middleware is that of a new project, without sessions and users. benches/environment.py makes the database.
"""

import os
import sys

import django
from django.conf import settings

# Once per interpreter, into the error log: the benchmark checks the mode it measures.
print("bench: gil", getattr(sys, "_is_gil_enabled", lambda: True)(), file=sys.stderr, flush=True)

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = """<!doctype html><html><head><title>{% block title %}{% endblock %}</title></head>
<body><h1>Library</h1>{% block content %}{% endblock %}<footer>{{ site }}</footer></body></html>"""
PAGE = """{% extends "base.html" %}{% block title %}Books of {{ year }}{% endblock %}{% block content %}
<table>{% for book in books %}<tr class="{% cycle "odd" "even" %}"><td>{{ book.title|title }}</td>
<td>{{ book.author.name }}</td><td>{{ book.year }}</td><td>{{ book.price|floatformat:2 }}</td></tr>
{% empty %}<tr><td>none</td></tr>{% endfor %}</table>{% endblock %}"""

settings.configure(
    DEBUG=False,
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.staticfiles"],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.path.join(HERE, "library.sqlite3"),
            "CONN_MAX_AGE": None,
        }
    },
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    (
                        "django.template.loaders.cached.Loader",
                        [("django.template.loaders.locmem.Loader", {"base.html": BASE, "page.html": PAGE})],
                    )
                ]
            },
        }
    ],
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402  (after the settings)
from django.db import models  # noqa: E402
from django.shortcuts import render  # noqa: E402
from django.urls import path  # noqa: E402


class Author(models.Model):
    name = models.TextField()

    class Meta:
        app_label = "library"
        db_table = "author"
        managed = False


class Book(models.Model):
    title = models.TextField()
    year = models.IntegerField()
    price = models.FloatField()
    author = models.ForeignKey(Author, on_delete=models.CASCADE)

    class Meta:
        app_label = "library"
        db_table = "book"
        managed = False


def books(request, year):
    shown = Book.objects.select_related("author").filter(year=year).order_by("title")[:20]
    return render(request, "page.html", {"books": shown, "year": year, "site": request.get_host()})


urlpatterns = [path("books/<int:year>/", books)]
application = get_wsgi_application()
