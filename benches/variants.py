"""What is compared: the null handler, this module in both GIL modes, and on demand mod_wsgi."""

import dataclasses
import pathlib
import subprocess

NULL = "null handler"
FREE_THREADED = "free-threaded"
GIL = "GIL"

GLOBAL = "%{GLOBAL}"
SUBINTERPRETER = "bench"


@dataclasses.dataclass(frozen=True)
class Null:
    """The C handler that answers from memory."""

    module: pathlib.Path
    name: str = NULL

    def configuration(self, application):
        del application
        return [f'LoadModule null_handler_module "{self.module}"', "SetHandler null-handler"]

    def shows_its_mode_in(self, error_log):
        del error_log
        return True


@dataclasses.dataclass(frozen=True)
class Wsgi:
    """A WSGI module of httpd (this one or mod_wsgi) in one GIL mode and one application group."""

    name: str
    module: pathlib.Path
    python_home: str
    free_threading: bool
    group: str = GLOBAL

    def configuration(self, application):
        return [
            f'LoadModule wsgi_module "{self.module}"',
            f'WSGIPythonHome "{self.python_home}"',
            f"WSGIFreeThreading {'On' if self.free_threading else 'Off'}",
            f"WSGIApplicationGroup {self.group}",
            f'WSGIScriptAlias / "{application}"',
        ]

    def shows_its_mode_in(self, error_log):
        """The applications print the mode they run in when they are loaded."""
        return f"bench: gil {not self.free_threading}" in error_log


def of_module(module, python, prefix="", subinterpreter=False):
    """The GIL modes that this Python has, in the main interpreter and, if asked for, in a sub-interpreter."""
    home, free_threaded = facts_of(python)
    modes = [FREE_THREADED, GIL] if free_threaded else [GIL]
    groups = {GLOBAL: ""}
    if subinterpreter:
        groups[SUBINTERPRETER] = ", sub-interpreter"
    return [
        Wsgi(prefix + mode + suffix, module, home, mode == FREE_THREADED, group)
        for group, suffix in groups.items()
        for mode in modes
    ]


def facts_of(python):
    """Its home, and whether it can run without the GIL."""
    script = "import sys, sysconfig; print(sys.base_prefix, sysconfig.get_config_var('Py_GIL_DISABLED') or 0, sep='\\n')"
    said = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True).stdout
    home, free_threaded = said.splitlines()
    return home, free_threaded == "1"
