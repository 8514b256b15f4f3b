"""The directory that holds what changes: the database and the secret key. It lies outside of the source tree.

DJANGO_EXAMPLE_STATE names it; else it is a private directory of the user that the server runs as.
"""

import os
import secrets
import tempfile
from pathlib import Path


def state_directory():
    chosen = os.environ.get("DJANGO_EXAMPLE_STATE")
    directory = Path(chosen or f"{tempfile.gettempdir()}/mod_wsgi-django-example-{os.getuid()}")
    directory.mkdir(mode=0o700, exist_ok=True)
    # In a shared temporary directory, somebody else may have been first.
    found = directory.lstat()
    if not directory.is_dir() or directory.is_symlink() or found.st_uid != os.getuid():
        raise RuntimeError(f"{directory} does not belong to this user; set DJANGO_EXAMPLE_STATE to a directory that does")
    return directory


def secret_key(directory):
    """The same key in every process and after every restart: sessions are signed with it."""
    path = directory / "secret-key"
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    # Linked into place when it is whole; the process that is first wins.
    with tempfile.NamedTemporaryFile("w", dir=directory) as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        try:
            os.link(file.name, path)
        except FileExistsError:
            pass
    return path.read_text()
