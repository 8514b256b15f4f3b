"""Serves one WSGI script from an httpd of its own, in the foreground, until Ctrl-C.

Run by `make serve`, with the Python that the module is built against. APP, PORT, FREE_THREADING
and PROCESSES are read from the environment. The server root is a temporary directory; nothing of the machine's own
httpd configuration is read.
"""

import contextlib
import errno
import grp
import os
import pwd
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path

SETUP = Path(__file__).resolve().parent
CHILD_USER = "www-data"
STARTED_WITHIN = 15
STOPPED_WITHIN = 20

# One child process, so that what runs in parallel does so inside it.
CONFIGURATION = """\
ServerRoot {root}
DefaultRuntimeDir {root}
PidFile httpd.pid
ServerName localhost
Listen 127.0.0.1:{port}

<IfModule !mpm_event_module>
  LoadModule mpm_event_module {modules}/mod_mpm_event.so
</IfModule>
<IfModule !log_config_module>
  LoadModule log_config_module {modules}/mod_log_config.so
</IfModule>
<IfModule !unixd_module>
  LoadModule unixd_module {modules}/mod_unixd.so
</IfModule>
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {module}
{identity}
ServerLimit 1
StartServers 1
ThreadsPerChild 16
MaxRequestWorkers 16
MinSpareThreads 1
MaxSpareThreads 16

LogLevel warn wsgi:info
ErrorLog /dev/stderr
CustomLog /dev/stdout "%h \\"%r\\" %>s %B bytes %{{ms}}T ms"

WSGIPythonHome {home}
WSGIFreeThreading {free_threading}
WSGIApplicationGroup %{{GLOBAL}}
{process_group}
WSGIScriptAlias / {app}
<Directory {directory}>
  Require all granted
</Directory>
"""


class Refused(Exception):
    """What was asked for cannot be served; the text says why."""


def main():
    port = port_of(os.environ.get("PORT", "8000"))
    free_threading = switch_of(os.environ.get("FREE_THREADING", "On"))
    processes = processes_of(os.environ.get("PROCESSES", "0"))
    app = script_of(os.environ.get("APP", "examples/hello/app.wsgi"))
    check_readable(app, "the script")
    check_free(port)

    module = output_of(SETUP / "build.sh", sys.executable)
    home = python_home_for(app)
    check_readable(Path(home), "the Python")

    with tempfile.TemporaryDirectory(prefix="mod_wsgi-serve-") as root:
        os.chmod(root, 0o755)
        configuration = Path(root, "httpd.conf")
        configuration.write_text(
            CONFIGURATION.format(
                root=quoted(root),
                port=port,
                modules=apxs("LIBEXECDIR"),
                module=quoted(module),
                identity=identity(),
                home=quoted(home),
                free_threading=free_threading,
                process_group=process_group(processes),
                app=quoted(app),
                directory=quoted(app.parent),
            )
        )
        where = f", {processes} processes of its own" if processes else ""
        greeting = f"{app} on http://127.0.0.1:{port}/  ({gil_mode(free_threading)}{where})\nCtrl-C stops"
        return run(configuration, port, greeting)


# What was asked for


def processes_of(text):
    if not (text.isascii() and text.isdigit() and int(text) <= 64):
        raise Refused(f"PROCESSES={text}: expected a number from 0 (httpd's own process serves) to 64")
    return int(text)


def process_group(processes):
    if not processes:
        return ""
    return f"WSGIDaemonProcess serve processes={processes} threads=16\nWSGIProcessGroup serve\nWSGIRestrictEmbedded On"


def port_of(text):
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise Refused(f"PORT={text}: expected a number from 1 to 65535")
    return int(text)


def switch_of(text):
    if text.lower() not in ("on", "off"):
        raise Refused(f"FREE_THREADING={text}: expected On or Off")
    return text


def script_of(text):
    app = Path(text).resolve()
    if not app.exists():
        raise Refused(f"APP={text}: no such file")
    if not app.is_file():
        raise Refused(f"APP={text}: not a file; name the WSGI script itself")
    return app


def check_free(port):
    with socket.socket() as probe:
        # As httpd does: connections of an earlier run that are still closing do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Refused(f"PORT={port}: another program listens there; choose another PORT") from None
            raise Refused(f"PORT={port}: {error.strerror}") from None


def gil_mode(free_threading):
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "GIL on: this Python is not a free-threaded build"
    if free_threading.lower() == "on":
        return "GIL off: requests run in parallel"
    return "GIL on: FREE_THREADING=Off"


# The user of httpd's children


def child_user():
    """The user that httpd's children change to, or None where they stay who started them."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam(CHILD_USER)
    except KeyError:
        raise Refused(f"there is no user {CHILD_USER} that httpd's children could run as") from None


def identity():
    user = child_user()
    return f"User {user.pw_name}\nGroup {grp.getgrgid(user.pw_gid).gr_name}\n" if user else ""


def check_readable(path, what):
    barrier = first_barrier(path)
    if barrier is None:
        return
    user = child_user()
    who = f"user {user.pw_name}, as which httpd's children run," if user else "you"
    right = "enter" if barrier.is_dir() else "read"
    raise Refused(f"{who} cannot read {what} {path}: no right to {right} {barrier}")


def first_barrier(path):
    """The first part of the path that the user of httpd's children may not enter or read. Asks the system as that
    user, in a process of its own, so that groups and access lists count."""
    answer, question = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            if user := child_user():
                os.initgroups(user.pw_name, user.pw_gid)
                os.setgid(user.pw_gid)
                os.setuid(user.pw_uid)
            for part in [*reversed(path.parents), path]:
                right = os.X_OK if part.is_dir() else os.R_OK
                if not os.access(part, right):
                    os.write(question, os.fsencode(part))
                    break
            os._exit(0)
        os._exit(1)
    os.close(question)
    with os.fdopen(answer, "rb") as reader:
        barrier = reader.read()
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise Refused(f"could not find out whether {path} is readable for httpd's children")
    return Path(os.fsdecode(barrier)) if barrier else None


# What it is served with


def python_home_for(app):
    """A virtual environment where the application's directory says what it needs, else the Python itself."""
    requirements = app.parent / "requirements.txt"
    if requirements.exists():
        return output_of(SETUP / "venv.sh", sys.executable, requirements)
    return sys.prefix


def apxs(name):
    return output_of("apxs", "-q", name)


def output_of(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Refused(f"{command[0]} failed (exit status {done.returncode})")
    return done.stdout.strip()


def quoted(value):
    """A word of httpd's configuration language."""
    text = str(value)
    if "\n" in text or "${" in text:
        raise Refused(f"httpd's configuration cannot hold the path {text!r}")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# Running


def run(configuration, port, greeting):
    httpd = str(Path(apxs("SBINDIR"), apxs("PROGNAME")))
    # httpd gets a session of its own: Ctrl-C is ours, and we stop it in order. Should we be killed, it is told to stop.
    command = ["setpriv", "--pdeathsig", "TERM", httpd, "-D", "FOREGROUND", "-f", str(configuration)]
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    # It ends when the last process that has the pipe is gone.
    log = threading.Thread(target=show, args=(server.stdout,), daemon=True)
    log.start()
    try:
        wait_until_it_listens(server, port)
        print(greeting, flush=True)
        server.wait()
        raise Refused(f"httpd ended by itself (exit status {server.returncode})")
    except KeyboardInterrupt:
        return 0
    finally:
        stop(server)
        log.join(timeout=2)


def show(lines):
    try:
        for line in lines:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
    except OSError:
        # Nobody reads our output any more.
        os.kill(os.getpid(), signal.SIGTERM)


def wait_until_it_listens(server, port):
    deadline = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise Refused(f"httpd did not start (exit status {server.returncode})")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise Refused(f"httpd does not listen after {STARTED_WITHIN} seconds")


def stop(server):
    for stopping in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stopping, signal.SIG_IGN)
    server.terminate()
    try:
        server.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        print(f"serve: httpd did not stop within {STOPPED_WITHIN} seconds and is killed", file=sys.stderr)
    # Its session is a process group of its own, and empty if it stopped as it should.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    try:
        sys.exit(main())
    except Refused as refused:
        sys.exit(f"serve: {refused}")
    except KeyboardInterrupt:
        sys.exit(130)
