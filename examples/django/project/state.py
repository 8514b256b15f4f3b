"""The folder that holds what changes: the database and the secret key. It lies outside of the source tree.

DJANGO_EXAMPLE_STATE names it; else it is a private folder of the user that the server runs as.
"""

import os
import secrets
import tempfile
from pathlib import Path


def state_folder():
    chosen = os.environ.get("DJANGO_EXAMPLE_STATE")
    folder = Path(chosen or f"{tempfile.gettempdir()}/mod_wsgi-django-example-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    # In a shared temporary folder, somebody else may have been first.
    found = folder.lstat()
    if not folder.is_dir() or folder.is_symlink() or found.st_uid != os.getuid():
        raise RuntimeError(f"{folder} does not belong to this user; set DJANGO_EXAMPLE_STATE to a folder that does")
    return folder


def secret_key(folder):
    """The same key in every process and after every restart: sessions are signed with it."""
    path = folder / "secret-key"
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    # Linked into place when it is whole; the process that is first wins.
    with tempfile.NamedTemporaryFile("w", dir=folder) as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        try:
            os.link(file.name, path)
        except FileExistsError:
            pass
    return path.read_text()
