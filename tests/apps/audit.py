"""Imports the module that the path names, in the way that the query says."""

import importlib
import importlib.util
import os
import sys
import sysconfig

# Extensions that CPython builds for its own test suite, and what needs a display.
NOT_FOR_USE = ("_test", "_ctypes_test", "_xxtest", "xx", "_tkinter")


def standard_extensions():
    """Imports every extension of the standard library that this interpreter may have."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    folder = next(entry for entry in sys.path if entry.endswith("lib-dynload"))
    names = [name.removesuffix(suffix) for name in os.listdir(folder) if name.endswith(suffix)]
    names = [name for name in names if not name.startswith(NOT_FOR_USE)]
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            if "does not support loading in subinterpreters" not in str(error):
                raise
    return "many" if len(names) > 30 else f"only {names}"


def again(name):
    """Imports it, forgets it and imports it once more."""
    for _ in range(2):
        sys.modules.pop(name, None)
        importlib.import_module(name)


def by_hand(name):
    """Loads it by its spec, as some frameworks do."""
    spec = importlib.util.find_spec(name)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def application(environ, start_response):
    name, way = environ["PATH_INFO"].strip("/"), environ["QUERY_STRING"]
    try:
        if name == "standard":
            answer = standard_extensions()
        else:
            {"": importlib.import_module, "again": again, "by_hand": by_hand}[way](name)
            answer = "imported"
    except ImportError as error:
        answer = f"{type(error).__name__}: {error}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{answer} {name in sys.modules}".encode()]
