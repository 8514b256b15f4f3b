"""Who may use the application: httpd asks these functions before it calls it.

A real site would ask its database. Here there are "anna" and "ben", whose passwords are their names; anna is of the staff.
"""

import hashlib
import hmac


def scrambled(password, salt):
    return hashlib.scrypt(password, salt=salt, n=2**12, r=8, p=1)


USERS = {
    name: {"salt": salt, "password": scrambled(name.encode(), salt), "groups": groups}
    for name, salt, groups in [("anna", b"one of this user", ["staff"]), ("ben", b"and one of that", [])]
}
# A name that nobody has takes as long to refuse as a wrong password.
NOBODY = {"salt": b"of nobody", "password": b"", "groups": []}


def check_password(environ, user, password):
    """False refuses. A text is the name that the application sees as REMOTE_USER: here in lower case."""
    name = user.lower()
    known = USERS.get(name, NOBODY)
    # httpd shows what the client sent byte by byte.
    given = scrambled(password.encode("latin-1"), known["salt"])
    return name if hmac.compare_digest(given, known["password"]) else False


def groups_for_user(environ, user):
    return USERS.get(user, NOBODY)["groups"]
