"""Writes the server root: httpd.conf, the handler script, apachectl and what they need. Called before httpd starts.

The directory is made anew or is one that belongs to who calls: nobody else may have prepared it.
"""

import os
import shlex
import shutil
import stat
import sys
from pathlib import Path

from . import configuration
from .errors import Refused
from .settings import Settings

WELCOME = """\
# The page that is shown while no application is named. Made by wsgi-express.
PAGE = b\"\"\"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>It runs</title>
<style>:root { color-scheme: light dark } body { font: 1.1rem/1.5 sans-serif; max-width: 40rem; margin: 4rem auto }</style>
<h1>It runs</h1>
<p>Python answers under Apache httpd. Start it with your application:</p>
<pre>wsgi-express start-server app.wsgi</pre>
</html>
\"\"\"


def application(environ, start_response):
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(PAGE)))]
    start_response("200 OK", headers)
    return [PAGE]
"""

HANDLER = """\
# Loads the application. Made by wsgi-express, and made anew at each start.
import os

os.environ.update({environment!r})

from mod_wsgi_rs.application import load

handle_request = load(
{arguments}
)
"""
RELOADING = "reload_required = handle_request.reload_required\n"


def write(settings: Settings) -> None:
    """Writes all files. Raises `Refused` where the directory cannot be had; other files are left as they were."""
    text = configuration.render(settings)
    _make_root(settings.root)
    _make_directories(settings)
    root = settings.root
    (root / "httpd.conf").write_text(text)
    (root / "handler.wsgi").write_text(_handler(settings))
    if settings.target is None:
        (root / "default.wsgi").write_text(WELCOME)
    if settings.options.add_handler:
        (root / "resource.wsgi").write_text(_resources(settings))
    envvars = settings.options.envvars_script
    if envvars:
        (root / "envvars").write_text(f". {shlex.quote(envvars)}\n")
    elif not (root / "envvars").exists():
        (root / "envvars").write_text("# Read by apachectl before httpd starts. Your changes stay.\n")
    (root / "apachectl").write_text(_apachectl(settings))
    (root / "apachectl").chmod(0o755)


def _make_root(root: Path) -> None:
    try:
        root.mkdir(mode=0o755)
    except FileExistsError:
        _check_owner(root)
    except FileNotFoundError:
        raise Refused(f"--server-root {root}: {root.parent} does not exist", 1) from None
    except OSError as error:
        raise Refused(f"--server-root {root}: {error.strerror}", 1) from None
    # The user of httpd's children reads it.
    root.chmod(stat.S_IMODE(root.stat().st_mode) | 0o055)


def _check_owner(root: Path) -> None:
    """Somebody else could have made a directory of that name below /tmp, and would own what httpd runs."""
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise Refused(f"--server-root {root}: not a directory", 1)
    if found.st_uid != os.getuid():
        raise Refused(f"--server-root {root}: it belongs to another user; name another directory", 1)
    if found.st_mode & 0o022:
        raise Refused(f"--server-root {root}: other users may write to it; expected mode 0755", 1)


def _make_directories(settings: Settings) -> None:
    if not settings.options.document_root and not settings.static:
        (settings.root / "htdocs").mkdir(exist_ok=True)
    mounted = Path(str(settings.document_root) + settings.mount_point)
    if not settings.static:
        try:
            mounted.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Refused(f"--mount-point {settings.mount_point}: {mounted}: {error.strerror}", 1) from None
    if not settings.logs.is_dir():
        raise Refused(f"--log-directory {settings.logs}: not a directory", 1)
    for directory in _directories_of_tools(settings).values():
        directory.mkdir(exist_ok=True)
        if settings.user and not settings.user.startswith("#"):
            # What the application writes there, it writes as this user.
            shutil.chown(directory, settings.user)


def _directories_of_tools(settings: Settings) -> dict[str, Path]:
    o = settings.options
    tools = {
        "coverage": (o.enable_coverage, o.coverage_directory, "htmlcov"),
        "profiler": (o.enable_profiler, o.profiler_directory, "pstats"),
        "recorder": (o.enable_recorder, o.recorder_directory, "archive"),
    }
    return {name: Path(given or settings.root / default) for name, (on, given, default) in tools.items() if on}


def _handler(settings: Settings) -> str:
    o = settings.options
    target = settings.target or str(settings.root / "default.wsgi")
    environment = {
        "MOD_WSGI_EXPRESS": "true",
        "MOD_WSGI_SERVER_NAME": settings.name,
        "MOD_WSGI_SERVER_ALIASES": " ".join(o.server_alias),
    }
    switches = {
        "MOD_WSGI_RELOADER_ENABLED": settings.watches,
        "MOD_WSGI_DEBUG_MODE": settings.debug,
        "MOD_WSGI_DEBUGGER_ENABLED": o.enable_debugger,
        "MOD_WSGI_COVERAGE_ENABLED": o.enable_coverage,
        "MOD_WSGI_PROFILER_ENABLED": o.enable_profiler,
        "MOD_WSGI_RECORDER_ENABLED": o.enable_recorder,
        "MOD_WSGI_GDB_ENABLED": o.enable_gdb,
    }
    environment |= {name: "true" for name, on in switches.items() if on}
    tools = {name: str(directory) for name, directory in _directories_of_tools(settings).items()}
    if o.enable_debugger:
        tools["debugger"] = "startup" if o.debugger_startup else "exceptions"
    arguments = {
        "kind": settings.application_type,
        "target": target,
        "callable_object": o.callable_object,
        "mount_point": settings.mount_point,
    }
    if settings.watches:
        arguments["watch"] = True
    if settings.watches and settings.embedded:
        arguments["again"] = True
    if settings.tracebacks:
        arguments["debug"] = [name.lower() for name in (settings.name, *o.server_alias)]
    if tools:
        arguments["tools"] = tools
    lines = [f"    {name}={value!r}," for name, value in arguments.items()]
    text = HANDLER.format(environment=environment, arguments="\n".join(lines))
    return text + (RELOADING if settings.reloading or settings.watches else "")


def _resources(settings: Settings) -> str:
    scripts = {extension: script for extension, script in settings.options.add_handler}
    return (
        "# Scripts that answer for files by extension. Made by wsgi-express.\n"
        "from mod_wsgi_rs.application import Resources\n\n"
        f"handle_request = Resources({scripts!r})\n"
        "reload_required = handle_request.reload_required\n"
    )


APACHECTL = """\
#!/bin/sh
# Controls this server: start, stop, restart, graceful, graceful-stop, configtest, status. Made by wsgi-express from
#   {arguments}
set -eu
{exports}
. {root}/envvars
cd {directory}
httpd() {{ exec {prefix}{program} -f {root}/httpd.conf {defines} "$@"; }}
case ${{1:-}} in
  start | stop | restart | graceful | graceful-stop) httpd -k "$@" ;;
  configtest) httpd -t ;;
  status) exec {python} -c 'import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())' {status} ;;
  '') echo "usage: $0 start|stop|restart|graceful|graceful-stop|configtest|status" >&2; exit 2 ;;
  *) httpd "$@" ;;
esac
"""


def _apachectl(settings: Settings) -> str:
    o = settings.options
    variables = {
        "MOD_WSGI_MODULES_DIRECTORY": settings.httpd.modules,
        "MOD_WSGI_SERVER_ROOT": settings.root,
        "MOD_WSGI_LISTENER_HOST": settings.host,
        "MOD_WSGI_HTTP_PORT": o.port,
        "MOD_WSGI_HTTPS_PORT": o.https_port or "",
        "MOD_WSGI_USER": settings.user or "",
        "MOD_WSGI_GROUP": settings.group or "",
        "MOD_WSGI_WORKING_DIRECTORY": settings.working_directory,
        "LANG": settings.locale,
        "LC_ALL": settings.locale,
    }
    defines = ["-DONE_PROCESS"] if settings.debug else []
    if o.startup_log:
        defines += ["-E", shlex.quote(str(settings.startup_log))]
    gdb = f"{shlex.quote(o.gdb_executable)} -ex run --args " if o.enable_gdb else ""
    return APACHECTL.format(
        arguments=" ".join(shlex.quote(word).replace("\n", " ") for word in settings.arguments),
        exports="\n".join(f"export {name}={shlex.quote(str(value))}" for name, value in variables.items()),
        root=shlex.quote(str(settings.root)),
        directory=shlex.quote(str(settings.working_directory)),
        prefix=gdb,
        program=shlex.quote(str(settings.httpd.program)),
        defines=" ".join(defines),
        python=shlex.quote(sys.executable),
        status=shlex.quote(f"http://{settings.host}:{o.port}/server-status?auto"),
    )
