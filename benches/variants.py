"""What is compared: the null handler, this module in httpd's own process and in a daemon, in both GIL modes, and on
demand mod_wsgi. For files also httpd's own handler."""

import dataclasses
import pathlib
import subprocess

NULL = "null handler"
FREE_THREADED = "free-threaded"
GIL = "GIL"
IN_DAEMON = ", daemon"
STATIC = "static file"

# As many request threads as httpd's child has.
DAEMON_THREADS = 16
GLOBAL = "%{GLOBAL}"
SUBINTERPRETER = "bench"


@dataclasses.dataclass(frozen=True)
class Null:
    """The C handler that answers from memory."""

    module: pathlib.Path
    name: str = NULL
    processes: int = 1

    def configuration(self, application):
        del application
        return [f'LoadModule null_handler_module "{self.module}"', "SetHandler null-handler"]

    def shows_its_mode_in(self, error_log):
        del error_log
        return True


@dataclasses.dataclass(frozen=True)
class Static:
    """httpd's own handler of files, for those that stand beside the applications."""

    name: str = STATIC
    processes: int = 1

    def configuration(self, application):
        return [f'DocumentRoot "{application.parent}"']

    def shows_its_mode_in(self, error_log):
        del error_log
        return True


@dataclasses.dataclass(frozen=True)
class Wsgi:
    """A WSGI module of httpd (this one or mod_wsgi) in one GIL mode, one application group and one kind of process."""

    name: str
    module: pathlib.Path
    python_home: str
    free_threading: bool
    group: str = GLOBAL
    daemon: bool = False
    # How many processes there are besides httpd's parent.
    processes: int = 1

    def configuration(self, application):
        return [
            f'LoadModule wsgi_module "{self.module}"',
            f'WSGIPythonHome "{self.python_home}"',
            f"WSGIFreeThreading {'On' if self.free_threading else 'Off'}",
            f"WSGIApplicationGroup {self.group}",
            *self.process_group(),
            f'WSGIScriptAlias / "{application}"',
        ]

    def process_group(self):
        if not self.daemon:
            return []
        return [
            # mod_wsgi does not ask where DefaultRuntimeDir is.
            "WSGISocketPrefix wsgi",
            f"WSGIDaemonProcess bench threads={DAEMON_THREADS}",
            "WSGIProcessGroup bench",
            # The child of httpd shall cost what it costs without Python.
            "WSGIRestrictEmbedded On",
        ]

    def shows_its_mode_in(self, error_log):
        """The applications print the mode they run in when they are loaded."""
        return f"bench: gil {not self.free_threading}" in error_log


def of_module(module, python, prefix="", subinterpreter=False, supervisor=1):
    """The GIL modes that this Python has, in httpd's own process and in a daemon, and if asked for in a sub-interpreter.

    `supervisor` is how many processes a module has besides the daemons themselves.
    """
    home, free_threaded = facts_of(python)
    modes = [FREE_THREADED, GIL] if free_threaded else [GIL]
    groups = {GLOBAL: ""}
    if subinterpreter:
        groups[SUBINTERPRETER] = ", sub-interpreter"
    embedded = [
        Wsgi(prefix + mode + suffix, module, home, mode == FREE_THREADED, group)
        for group, suffix in groups.items()
        for mode in modes
    ]
    daemons = [
        Wsgi(prefix + mode + IN_DAEMON, module, home, mode == FREE_THREADED, daemon=True, processes=2 + supervisor)
        for mode in modes
    ]
    return embedded + daemons


def facts_of(python):
    """Its home, and whether it can run without the GIL."""
    script = "import sys, sysconfig; print(sys.base_prefix, sysconfig.get_config_var('Py_GIL_DISABLED') or 0, sep='\\n')"
    said = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True).stdout
    home, free_threaded = said.splitlines()
    return home, free_threaded == "1"
