"""What is compared: the null handler, this module in every mode, mod_wsgi, servers that are programs of their own, and these
behind mod_proxy_http. A name says all of it: `ours-daemon-ft-worker` is this module with a daemon process, without the
GIL, in an httpd with the worker MPM.

The last part of a name is the Python: `ft` and `gil` are the modes of the free-threaded one (or of what PYTHON names),
`build` is Debian's, which is built with the GIL.
"""

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import time

import environment
import peer
from server import Httpd, Program, Proxied, apxs

FREE_THREADED, GIL, GIL_BUILD = "ft", "gil", "build"
MODES = {FREE_THREADED: "free-threaded", GIL: "GIL", GIL_BUILD: "build with the GIL"}
MODULES = {"ours": "this module", "mod_wsgi": f"mod_wsgi {peer.VERSION}"}
PROGRAMS = {"granian": "granian", "gunicorn": "gunicorn gthread", "waitress": "waitress"}
GLOBAL = "%{GLOBAL}"
LOG_LIMIT = 20
SHORT_QUEUE = 16


@dataclasses.dataclass(frozen=True)
class Python:
    """An interpreter, and the module that was built against it."""

    program: pathlib.Path
    module: pathlib.Path
    free_threaded: bool

    @classmethod
    def of(cls, program, module):
        script = "import sysconfig; print(sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"
        said = subprocess.run([program, "-c", script], check=True, capture_output=True, text=True).stdout
        return cls(program, module, said.strip() == "1")

    def modes(self, name_of_gil):
        return [FREE_THREADED, name_of_gil] if self.free_threaded else [name_of_gil]


@dataclasses.dataclass(frozen=True)
class Null:
    """The C handler that answers from memory."""

    module: pathlib.Path
    mpm: str = "event"
    is_null: bool = True
    is_static: bool = False
    is_module: bool = False
    daemon: bool = False
    speaks_http2: bool = True
    may_refuse: bool = False

    @property
    def name(self):
        return "null" if self.mpm == "event" else f"null-{self.mpm}"

    @property
    def title(self):
        return f"null handler in C{in_mpm(self.mpm)}"

    def server(self, root, apps, workload):
        del apps
        lines = [*http2(workload), f'LoadModule null_handler_module "{self.module}"', "SetHandler null-handler"]
        return Httpd(root, lines, mpm=self.mpm, threads=workload.threads)

    def shows_its_mode_in(self, log):
        del log
        return True


@dataclasses.dataclass(frozen=True)
class Static:
    """httpd's own handler of files."""

    name: str = "static"
    title: str = "static file of httpd"
    is_null: bool = False
    is_static: bool = True
    is_module: bool = False
    daemon: bool = False
    speaks_http2: bool = True
    may_refuse: bool = False

    def server(self, root, apps, workload):
        modules = apxs("LIBEXECDIR")
        lines = [f'LoadModule alias_module "{modules}/mod_alias.so"', f'Alias /file "{apps}/large.bin"']
        return Httpd(root, lines, threads=workload.threads)

    def shows_its_mode_in(self, log):
        del log
        return True


@dataclasses.dataclass(frozen=True)
class Wsgi:
    """What all that run Python have."""

    kind: str
    python: Python
    mode: str
    is_null: bool = False
    is_static: bool = False
    # It has a short queue, and refuses at once what it has no room for: in a burst below its capacity too.
    may_refuse: bool = False

    def shows_its_mode_in(self, log):
        """The applications print the mode they run in when they are loaded."""
        return f"bench: gil {self.mode != FREE_THREADED}" in log


@dataclasses.dataclass(frozen=True)
class Module(Wsgi):
    """This module or mod_wsgi, embedded or with one daemon process."""

    daemon: bool = False
    mpm: str = "event"
    is_module: bool = True
    speaks_http2: bool = True

    @property
    def name(self):
        parts = [self.kind, "daemon" if self.daemon else "", self.mode, "" if self.mpm == "event" else self.mpm]
        return "-".join(part for part in [*parts, "shed" if self.may_refuse else ""] if part)

    @property
    def title(self):
        place = "daemon" if self.daemon else "embedded"
        if self.may_refuse:
            place = "daemon with a short queue"
        return f"{MODULES[self.kind]}, {place}, {MODES[self.mode]}{in_mpm(self.mpm)}"

    def server(self, root, apps, workload):
        module = self.python.module if self.kind == "ours" else peer.module(self.python.program)
        lines = [
            *http2(workload),
            f'LoadModule wsgi_module "{module}"',
            f'WSGIPythonHome "{environment.virtual_environment(self.python.program)}"',
            f"WSGIFreeThreading {'On' if self.mode == FREE_THREADED else 'Off'}",
            *self.process_group(workload),
            *self.aliases(apps / workload.application, workload),
        ]
        # The daemon process, and the supervisor that this module has.
        processes = 1 + self.daemon * (2 if self.kind == "ours" else 1)
        # A thread of httpd waits with each request, and others refuse meanwhile.
        return Httpd(root, lines, processes, self.mpm, SHORT_QUEUE * 4 if self.may_refuse else workload.threads)

    def process_group(self, workload):
        if not self.daemon:
            return []
        options = f"threads={workload.threads}"
        if self.may_refuse:
            # More threads than cores would only make those wait that run.
            options = f"threads={os.cpu_count()} listen-backlog={SHORT_QUEUE} connect-timeout=0"
        return [
            # mod_wsgi does not ask where DefaultRuntimeDir is.
            "WSGISocketPrefix wsgi",
            f"WSGIDaemonProcess bench {options}",
            "WSGIProcessGroup bench",
            # The child of httpd shall cost what it costs without Python.
            "WSGIRestrictEmbedded On",
        ]

    def aliases(self, script, workload):
        if not workload.has_groups:
            return [f"WSGIApplicationGroup {GLOBAL}", f'WSGIScriptAlias / "{script}"']
        return [f'WSGIScriptAlias {path} "{script}" application-group=group{path[1:]}' for path in workload.paths]


@dataclasses.dataclass(frozen=True)
class Standalone(Wsgi):
    """A server that is a program of its own, with one process for applications; on demand behind httpd."""

    proxied: bool = False
    is_module: bool = False
    daemon: bool = False

    @property
    def name(self):
        return f"{'proxy-' if self.proxied else ''}{self.kind}-{self.mode}"

    @property
    def title(self):
        return f"{PROGRAMS[self.kind]}, {MODES[self.mode]}{', behind mod_proxy_http' if self.proxied else ''}"

    @property
    def speaks_http2(self):
        return self.kind == "granian" and not self.proxied

    def server(self, root, apps, workload):
        place = root if not self.proxied else root / "program"
        variables = {"PYTHONDONTWRITEBYTECODE": "1"}
        if self.python.free_threaded:
            variables["PYTHON_GIL"] = "0" if self.mode == FREE_THREADED else "1"
        program = Program(place, lambda port: self.command(port, workload), apps, variables)
        return Proxied(root, program, workload.threads) if self.proxied else program

    def command(self, port, workload):
        program = environment.virtual_environment(self.python.program) / "bin" / PROGRAM_FILES[self.kind]
        application = f"{workload.application.removesuffix('.py')}:application"
        threads, where = workload.threads, f"127.0.0.1:{port}"
        if self.kind == "granian":
            words = ["--interface", "wsgi", "--workers", "1", "--blocking-threads", str(threads), "--no-ws"]
            words += ["--http", "2" if workload.http2 else "1", "--host", "127.0.0.1", "--port", str(port)]
            words += ["--log-level", "warning"]
        elif self.kind == "gunicorn":
            words = ["--worker-class", "gthread", "--workers", "1", "--threads", str(threads), "--keep-alive", "75"]
            words += ["--bind", where, "--log-level", "warning"]
        else:
            words = ["--listen", where, "--threads", str(threads), "--connection-limit", "1000"]
        return [program, *words, application]


PROGRAM_FILES = {"granian": "granian", "gunicorn": "gunicorn", "waitress": "waitress-serve"}


def in_mpm(mpm):
    return "" if mpm == "event" else f", {mpm} MPM"


def http2(workload):
    if not workload.http2:
        return []
    return [f'LoadModule http2_module "{apxs("LIBEXECDIR")}/mod_http2.so"', "Protocols h2c http/1.1"]


def all_of(null_handler, python, gil_python=None):
    """Every variant; `gil_python` is the one that is built with the GIL, beside `python`."""
    found = [Null(null_handler), Null(null_handler, "worker"), Static()]
    for each, name_of_gil in ((python, GIL), (gil_python, GIL_BUILD)):
        if each is None:
            continue
        for mode in each.modes(name_of_gil):
            found += of_mode(each, mode)
    return found


def of_mode(python, mode):
    modules = [Module(kind, python, mode, daemon=daemon) for kind in MODULES for daemon in (False, True)]
    modules += [Module("ours", python, mode, daemon=daemon, mpm="worker") for daemon in (False, True)]
    modules.append(Module("ours", python, mode, daemon=True, may_refuse=True))
    there = [kind for kind in PROGRAMS if environment.has_program(python.program, PROGRAM_FILES[kind])]
    if python.free_threaded and mode != FREE_THREADED:
        # For a free-threaded Python it refuses to run with the GIL.
        there = [kind for kind in there if kind != "granian"]
    programs = [Standalone(kind, python, mode, proxied=proxied) for proxied in (False, True) for kind in there]
    return modules + programs


@contextlib.contextmanager
def serving(variant, root, apps, workload, check):
    """A running server of that variant that has answered, as `check(port)` finds out, in the right GIL mode."""
    with variant.server(root, apps, workload) as server:
        try:
            check(server.port)
            server.settle()
            wait_for_its_mode(variant, server)
            yield server
        except Exception as error:
            raise RuntimeError(f"{error}\n{server.error_log()[-2000:]}") from error


def wait_for_its_mode(variant, server):
    """What a daemon process prints comes into the log by way of another process, which may be later than the answer."""
    deadline = time.monotonic() + LOG_LIMIT
    while not variant.shows_its_mode_in(server.error_log()):
        if time.monotonic() > deadline:
            raise RuntimeError("the application did not run in the GIL mode that was asked for")
        time.sleep(0.02)
