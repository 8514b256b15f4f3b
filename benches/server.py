"""One httpd with one configuration, from start to stop.

The configuration is the benchmark's own (never the machine's), the same for every
variant but for the lines that the variant brings along. Nothing is left running:
`Httpd` is a context manager and stops what it started, by process id.
"""

import functools
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time

import process

THREADS = 16
START_LIMIT = 20
STOP_LIMIT = 15

CONFIGURATION = """\
ServerRoot "{root}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{root}/httpd.pid"
DefaultRuntimeDir "{root}"
ErrorLog "{root}/error.log"
LogLevel warn
{identity}
LoadModule mpm_event_module "{modules}/mod_mpm_event.so"
LoadModule authz_core_module "{modules}/mod_authz_core.so"
Mutex sem
StartServers 1
ServerLimit 1
ThreadLimit {threads}
ThreadsPerChild {threads}
MaxRequestWorkers {threads}
MinSpareThreads 1
MaxSpareThreads {threads}
MaxConnectionsPerChild 0

KeepAlive On
KeepAliveTimeout 30
MaxKeepAliveRequests 0

DocumentRoot "{root}/htdocs"
<Directory "/">
    AllowOverride None
    Require all granted
</Directory>

{variant}
"""


class Httpd:
    """`with Httpd(root, lines) as server:` serves on `server.port` inside the block."""

    def __init__(self, root, lines, processes=1):
        self.root = pathlib.Path(root)
        self.lines = lines
        self.expected = processes
        self.port = free_port()
        self.parent = None  # a Popen
        self.serving = []  # process ids

    def __enter__(self):
        self.root.mkdir(mode=0o755)
        (self.root / "htdocs").mkdir(mode=0o755)
        configuration = self.root / "httpd.conf"
        configuration.write_text(self.configuration())
        self.parent = subprocess.Popen(
            [httpd_program(), "-f", configuration, "-D", "FOREGROUND"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            self.wait_until_it_listens()
            self.serving = self.all_below_the_parent()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.root)

    def configuration(self):
        return CONFIGURATION.format(
            root=self.root,
            port=self.port,
            identity=identity_of_children(),
            modules=apxs("LIBEXECDIR"),
            threads=THREADS,
            variant="\n".join(self.lines),
        )

    def wait_until_it_listens(self):
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if self.parent.poll() is not None:
                raise RuntimeError(f"httpd did not start:\n{self.parent.stderr.read()}{self.error_log()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"httpd does not listen after {START_LIMIT} s:\n{self.error_log()}")

    def stop(self):
        self.parent.terminate()
        try:
            self.parent.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.parent.kill()
            self.parent.wait()
        finally:
            self.parent.stderr.close()
        # A parent that was killed or crashed leaves its children behind.
        for pid in self.serving:
            if str(self.root) in process.command_line(pid):
                os.kill(pid, signal.SIGKILL)

    def processes(self):
        """The parent and those that serve."""
        return [self.parent.pid, *self.serving]

    def all_below_the_parent(self):
        """The child of httpd, and what daemons there are."""
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            pids = process.descendants(self.parent.pid)
            if len(pids) == self.expected:
                return pids
            time.sleep(0.02)
        raise RuntimeError(f"expected {self.expected} processes below httpd's parent, found {pids}:\n{self.error_log()}")

    def error_log(self):
        log = self.root / "error.log"
        return log.read_text(errors="replace") if log.exists() else ""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def identity_of_children():
    """httpd refuses to serve as root; anyone else serves as themselves."""
    if os.getuid() != 0:
        return ""
    known = {entry.pw_name for entry in pwd.getpwall()}
    user = next(name for name in ("www-data", "apache", "nobody") if name in known)
    group = pwd.getpwnam(user).pw_gid
    return f"User {user}\nGroup #{group}"


@functools.cache
def apxs(variable):
    return subprocess.run(["apxs", "-q", variable], check=True, capture_output=True, text=True).stdout.strip()


@functools.cache
def httpd_program():
    return os.path.join(apxs("SBINDIR"), apxs("progname"))
