"""Which page answers which address."""

from books.views import shelf
from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("", shelf),
    path("admin/", admin.site.urls),
]
