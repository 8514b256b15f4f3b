"""wsgi-express doctor: examines httpd, the module, Python, rights and an application before anything is served.

Each examination gives findings; none changes anything. The exit status is 1 if one of them is an error.
"""

import argparse
import json
import os
import pwd
import re
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from . import httpd, module_path, settings
from .errors import Refused
from .page import word

# The first release without the known crashes of free-threaded Python.
GOOD_FREE_THREADED = (3, 14, 7)
MARKS = {"ok": "ok     ", "note": "note   ", "warning": "warning", "error": "ERROR  "}
COLOURS = {"ok": "\x1b[32m", "note": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m"}


@dataclass(frozen=True)
class Finding:
    """What one examination found. `cure` says what to do where `level` is warning or error."""

    level: str
    topic: str
    text: str
    cure: str = ""


def main(words: list[str]) -> int:
    """Prints the findings and returns 1 if one of them is an error, else 0."""
    values = _parser().parse_args(words)
    findings = list(examine(values))
    if values.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print(findings)
    return int(any(finding.level == "error" for finding in findings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wsgi-express doctor",
        description="Examines httpd, the module, Python, rights and an application. Exit status 1: there are errors.",
    )
    parser.add_argument("target", nargs="?", help="the WSGI script (or module) to examine")
    parser.add_argument("--application-type", choices=("script", "module"), default="script")
    parser.add_argument("--python-path", action="append", default=[], metavar="DIRECTORY")
    parser.add_argument("--working-directory", default=".", metavar="DIRECTORY")
    parser.add_argument("--user", help="the user that will run the application (as root)")
    parser.add_argument("--port", type=int, default=8000, metavar="NUMBER")
    parser.add_argument("--httpd-executable", metavar="PROGRAM")
    parser.add_argument("--modules-directory", metavar="DIRECTORY")
    parser.add_argument("--json", action="store_true", help="print the findings for a machine")
    return parser


def examine(values: argparse.Namespace) -> Iterator[Finding]:
    user = None
    if os.getuid() == 0:
        user = values.user or settings.user_of_httpd()
    yield from _python()
    yield from _httpd(values)
    for prefix in dict.fromkeys([sys.prefix, sys.base_prefix]):
        yield from _rights("the Python", Path(prefix), user)
    yield from _socket_directory()
    yield from _port(values.port)
    if values.target:
        yield from _application(values, user)


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        text = f"Python {version} has the GIL: requests of a process take turns"
        yield Finding("note", "python", text, "for parallel requests install into python3.14t or newer")
    elif sys.version_info[:3] < GOOD_FREE_THREADED:
        good = ".".join(map(str, GOOD_FREE_THREADED))
        text = f"Python {version} free-threaded has known faults"
        yield Finding("warning", "python", text, f"use {good} or newer, or leave --free-threading out")
    else:
        yield Finding("ok", "python", f"Python {version}, free-threaded")
    library = sysconfig.get_config_var("INSTSONAME") or ""
    directory = sysconfig.get_config_var("LIBDIR") or ""
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        cure = "use a Python with a shared library (configure --enable-shared; distributions and uv have it)"
        yield Finding("error", "libpython", "this Python has no shared libpython", cure)
    elif missing := settings.missing_libpython(module_path()):
        yield Finding("error", "libpython", f"{missing} is missing", settings.cure_of_missing_libpython())
    else:
        yield Finding("ok", "libpython", f"{directory}/{library}")


def _httpd(values: argparse.Namespace) -> Iterator[Finding]:
    try:
        found = httpd.find(values.httpd_executable, values.modules_directory)
        version, mpm = found.version, found.mpm([])
    except Refused as refused:
        yield Finding("error", "httpd", str(refused))
        return
    text = f"{found.program} {'.'.join(map(str, version))}, {mpm} MPM, modules in {found.modules}"
    if version < httpd.OLDEST:
        oldest = ".".join(map(str, httpd.OLDEST))
        yield Finding("error", "httpd", text, f"the module needs httpd {oldest} or newer")
        return
    yield Finding("ok", "httpd", text)
    yield from _module(found, mpm)


def _module(found: httpd.Httpd, mpm: str) -> Iterator[Finding]:
    """httpd itself says whether it can load the module with this Python."""
    module = module_path()
    if not module.is_file():
        yield Finding("error", "module", f"{module} is missing", "install a wheel that was built for this Python")
        return
    with tempfile.TemporaryDirectory() as root:
        lines = [f"ServerRoot {word(root)}", "ServerName localhost", "ErrorLog /dev/stderr"]
        for name in (f"mpm_{mpm}", "unixd", "authz_core"):
            if not found.is_compiled_in(name):
                lines.append(f"LoadModule {name}_module {word(found.file_of(name))}")
        lines += [f"LoadModule wsgi_module {word(module)}", f"WSGIPythonHome {word(sys.prefix)}"]
        configuration = Path(root, "httpd.conf")
        configuration.write_text("\n".join(lines) + "\n")
        command = [found.program, "-t", "-f", configuration]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        yield Finding("ok", "module", f"{module} loads, with WSGIPythonHome {sys.prefix}")
    else:
        said = " ".join(done.stderr.split())
        yield Finding("error", "module", f"httpd does not load {module}: {said}")


def _rights(what: str, path: Path, user: str | None) -> Iterator[Finding]:
    """Whether the user that runs the application may read a path: each directory above it counts."""
    if user is None:
        return
    barrier = first_barrier(path, user)
    if barrier:
        text = f"user {user} cannot read {what} {path}: no right to {barrier}"
        yield Finding("error", "rights", text, f"chmod o+x {barrier.split()[-1]}, or move it, or name another --user")
    else:
        yield Finding("ok", "rights", f"user {user} can read {what} {path}")


def first_barrier(path: Path, user: str) -> str | None:
    """`enter DIRECTORY` or `read FILE` for the first part of the path that the user has no right to. The system is
    asked as that user, in a process of its own, so that groups and access lists count."""
    question = (
        "import os, sys\n"
        "path = sys.argv[1]\n"
        "parts = [path[:i] for i in range(1, len(path)) if path[i] == '/'] + [path]\n"
        "for part in parts:\n"
        "    right, verb = (os.X_OK, 'enter') if os.path.isdir(part) else (os.R_OK, 'read')\n"
        "    if not os.access(part or '/', right):\n"
        "        print(verb, part)\n"
        "        break\n"
    )
    account = pwd.getpwnam(user)
    groups = os.getgrouplist(user, account.pw_gid)
    # The system's shell tools would do, but this Python may be what cannot be read: any other one answers.
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    done = subprocess.run(
        [python, "-I", "-c", question, str(path.absolute())],
        capture_output=True,
        text=True,
        check=False,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=groups,
        cwd="/",
    )
    if done.returncode:
        return f"run {python}"
    return done.stdout.strip() or None


def _socket_directory() -> Iterator[Finding]:
    directory = Path(os.environ.get("TMPDIR") or "/tmp")
    if os.access(directory, os.W_OK | os.X_OK):
        yield Finding("ok", "sockets", f"{directory} takes the server root and its sockets")
    else:
        yield Finding("error", "sockets", f"{directory} is not writable", "name another --server-root")


def _port(port: int) -> Iterator[Finding]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            cure = "choose another --port, or stop what listens there"
            yield Finding("error", "port", f"port {port}: {error.strerror}", cure)
            return
    yield Finding("ok", "port", f"port {port} is free")


def _application(values: argparse.Namespace, user: str | None) -> Iterator[Finding]:
    if values.application_type == "script":
        path = Path(values.target).absolute()
        if not path.is_file():
            yield Finding("error", "application", f"{path}: no such file")
            return
        yield from _rights("the script", path, user)
    yield from _import(values, user)


def _import(values: argparse.Namespace, user: str | None) -> Iterator[Finding]:
    """Imports the application in a process of its own, as CPython itself would: it says which extension has it switch
    the GIL back on."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHON_GIL", "PYTHONSAFEPATH")}
    environment["PYTHONPATH"] = os.pathsep.join([*values.python_path, environment.get("PYTHONPATH", "")]).strip(":")
    script = values.application_type == "script"
    target = str(Path(values.target).absolute()) if script else values.target
    command = [sys.executable, "-m", "mod_wsgi_rs.extensions", values.application_type, target]
    account = pwd.getpwnam(user) if user else None
    rights = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=120, env=environment,
            cwd=values.working_directory, stdin=subprocess.DEVNULL, **rights,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        yield Finding("error", "application", f"{values.target} did not load within 120 s")
        return
    found = re.search(r"^extensions: (.*)$", done.stdout, re.MULTILINE)
    if not found:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        yield Finding("error", "application", f"{values.target} does not load: {said[-1]}", "see its traceback:\n" + done.stderr)
        return
    yield Finding("ok", "application", f"{values.target} loads")
    yield from _readiness(json.loads(found[1]))


def _readiness(extensions: list[dict]) -> Iterator[Finding]:
    undeclared = [extension for extension in extensions if not extension["declared"]]
    for extension in undeclared:
        name = extension["distribution"] or "no distribution"
        text = (
            f"{extension['name']} ({name}, {extension['file']}, imported by {extension['imported_by']})"
            " does not declare that it is safe without the GIL"
        )
        cure = "look for a newer release; until then serve this application without --free-threading"
        yield Finding("warning", "free-threading", text, cure)
    if extensions and not undeclared:
        text = f"all {len(extensions)} extension modules declare that they are safe without the GIL"
        yield Finding("ok", "free-threading", text)
    elif not extensions:
        yield Finding("ok", "free-threading", "the application imports no extension modules but Python's own")


def _print(findings: list[Finding]) -> None:
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for finding in findings:
        mark = MARKS[finding.level]
        if colour:
            mark = f"{COLOURS[finding.level]}{mark}\x1b[0m"
        print(f"{mark}  {finding.topic:<15} {finding.text}")
        for line in finding.cure.splitlines():
            print(f"{'':<26}{line}")
    errors = sum(finding.level == "error" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    print(f"\n{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}")
