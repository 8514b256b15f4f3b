"""What start-server and setup-server print: where the site is, how it runs, where its logs are, how to stop it."""

import os
import shlex
import sys
import sysconfig

from . import options
from .settings import Settings

BOLD, DIM, GREEN, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[0m"


def show(settings: Settings, *, starting: bool) -> None:
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for name, value in rows(settings, starting=starting):
        label = f"{name:<19}"
        if colour:
            label = f"{DIM}{label}{PLAIN}"
            value = f"{BOLD}{GREEN}{value}{PLAIN}" if name.startswith("Server URL") else value
        print(f"{label}: {value}")
    for option in options.without_effect(settings.options):
        print(f"note: --{option.name} has no effect: {option.no_effect}", file=sys.stderr)
    sys.stdout.flush()


def rows(settings: Settings, *, starting: bool) -> list[tuple[str, str]]:
    s, o = settings, settings.options
    found = [("Server URL", url("http", s.name, o.port, 80))]
    if s.https:
        found.append(("Server URL (HTTPS)", url("https", s.name, o.https_port, 443)))
    if o.server_status:
        found.append(("Server Status", f"{found[0][1]}server-status, {found[0][1]}server-wsgi-status"))
    if o.health:
        found.append(("Health", found[0][1] + "server-wsgi-health/ready"))
    found += [("Server Root", str(s.root)), ("Server Conf", str(s.root / "httpd.conf"))]
    found.append(("Error Log File", f"{'/dev/stderr' if s.log_to_terminal else s.error_log} ({o.log_level})"))
    if o.access_log:
        found.append(("Access Log File", "/dev/stdout" if s.log_to_terminal else s.access_log))
    if o.startup_log:
        found.append(("Startup Log File", str(s.startup_log)))
    if not starting:
        found.append(("Environ Variables", str(s.root / "envvars")))
        found.append(("Control Script", str(s.root / "apachectl")))
    found.append(("Application", application(s)))
    found.append(("Operating Mode", mode(s)))
    if not s.static:
        found.append(("Python", f"{sys.version.split()[0]}, {gil(s)}"))
        found.append(("Reloading", reloading(s)))
    if s.tracebacks:
        found.append(("Tracebacks", "in the browser, for clients of this machine"))
    if s.user:
        found.append(("Runs As", f"{s.user}:{s.group}"))
    if s.daemons:
        found.append(("Processes", f"wsgictl --socket {shlex.quote(str(s.root / 'wsgi.control'))} status"))
    found.append(("Locale Setting", s.locale))
    if starting:
        found.append(("Stop", "Ctrl-C" if sys.stdout.isatty() else f"kill {os.getpid()}"))
    return found


def url(scheme: str, name: str, port: int, usual: int) -> str:
    host = f"[{name}]" if ":" in name else name
    return f"{scheme}://{host}/" if port == usual else f"{scheme}://{host}:{port}/"


def application(s: Settings) -> str:
    if s.static:
        return f"none, files of {s.document_root}"
    where = "" if s.mount_point == "/" else f" at {s.mount_point}"
    return (s.target or "a welcome page") + where


def mode(s: Settings) -> str:
    if s.static:
        return "static files"
    if s.debug:
        return "debug (1 process, 1 thread)"
    processes = f"{s.processes} process{'es' if s.processes > 1 else ''}"
    threads = f"{s.options.threads} thread{'s' if s.options.threads > 1 else ''}"
    return f"{'embedded' if s.embedded else 'daemon'} ({processes} of {threads}, {s.mpm} MPM)"


def gil(s: Settings) -> str:
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "with the GIL"
    if s.free_threading:
        return "free-threaded: requests run in parallel"
    return "GIL on (--free-threading switches it off)"


def reloading(s: Settings) -> str:
    if s.watches:
        return "on any change of the application's modules"
    if s.reloading:
        return "when the script changes (--reload-on-changes watches all modules)"
    return "off"
