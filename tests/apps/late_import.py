"""Leaves objects behind that import something when they are deleted, which is when modules are taken apart.

/import: a thousand of them. /raise: one that raises something else.
"""

import decimal
import math


class Importing:
    def __del__(self):
        import never_imported_before


class Raising:
    def __del__(self, division=math.fmod):
        division(1.0, 0.0)


def application(environ, start_response):
    count, kind = {"/import": (1000, Importing), "/raise": (1, Raising)}[environ["PATH_INFO"]]
    # The module is not this script's: it stays until all modules go.
    decimal.left_behind = [kind() for _ in range(count)]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"left"]
