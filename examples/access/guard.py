"""Who may see which page: addresses, passwords and groups, each in a function that httpd asks.

A real site would look into its database; here one user, "demo" with the password "demo", belongs to the group "staff".
"""

import hashlib
import hmac

SALT = b"of this example"
USERS = {"demo": (hashlib.scrypt(b"demo", salt=SALT, n=2**12, r=8, p=1), ["staff"])}


def allow_access(environ, host):
    """No opinion about most clients; the local machine alone may look at /local."""
    if environ["REQUEST_URI"].startswith("/local"):
        return environ["REMOTE_ADDR"] in ("127.0.0.1", "::1")
    return None


def check_password(environ, user, password):
    """True or False; None says that there is no such user."""
    if user not in USERS:
        return None
    # httpd shows what the client sent byte by byte.
    given = hashlib.scrypt(password.encode("latin-1"), salt=SALT, n=2**12, r=8, p=1)
    return hmac.compare_digest(given, USERS[user][0])


def groups_for_user(environ, user):
    return USERS.get(user, (None, []))[1]
