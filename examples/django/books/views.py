"""The public page."""

import sys
import threading

from django.shortcuts import render

from .models import Book


def shelf(request):
    # Before 3.13 every Python has a GIL, and nothing to ask.
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return render(
        request, "books/shelf.html", {"books": Book.objects.all(), "gil": gil, "thread": threading.get_native_id()}
    )
