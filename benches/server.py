"""One server with one configuration, from start to stop: an httpd, a program that is a server by itself, or both, the one
in front of the other.

The configuration is the benchmark's own (never the machine's), the same for every
variant but for the lines that the variant brings along. Servers listen on 127.0.0.1. Nothing is left running:
each is a context manager and stops what it started, by process id.
"""

import contextlib
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

START_LIMIT = 60
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
LoadModule mpm_{mpm}_module "{modules}/mod_mpm_{mpm}.so"
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
{factor}

KeepAlive On
KeepAliveTimeout 5
MaxKeepAliveRequests 0

DocumentRoot "{root}/htdocs"
<Directory "/">
    AllowOverride None
    Require all granted
</Directory>

{variant}
"""


class Httpd:
    """`with Httpd(root, lines) as server:` serves on `server.port` inside the block.

    `processes` is how many there are below httpd's parent.
    """

    def __init__(self, root, lines, processes=1, mpm="event", threads=16):
        self.root = pathlib.Path(root)
        self.lines = lines
        self.expected = processes
        self.mpm = mpm
        self.threads = threads
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
            mpm=self.mpm,
            # Clients that wait for their turn are not to be kept out by those that are connected and ask nothing.
            factor="AsyncRequestWorkerFactor 64" if self.mpm == "event" else "",
            threads=self.threads,
            variant="\n".join(self.lines),
        )

    def wait_until_it_listens(self):
        said = wait_for_listener(self.parent, self.port)
        if said:
            raise RuntimeError(f"httpd {said}:\n{self.parent_said()}{self.error_log()}")

    def parent_said(self):
        return self.parent.stderr.read() if self.parent.poll() is not None else ""

    def stop(self):
        try:
            end(self.parent)
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

    def settle(self):
        """To be called when it has answered: what it started for a moment only is gone by then, or waited for here."""
        self.serving = self.all_below_the_parent()

    def error_log(self):
        log = self.root / "error.log"
        return log.read_text(errors="replace") if log.exists() else ""


class Program:
    """A server that is a program of its own: `command(port)` gives its words, `directory` is where it runs."""

    def __init__(self, root, command, directory, environment):
        self.root = pathlib.Path(root)
        self.port = free_port()
        self.command = command(self.port)
        self.directory = directory
        self.environment = environment
        self.parent = None  # a Popen
        self.serving = []  # process ids

    def __enter__(self):
        self.root.mkdir(mode=0o755)
        with open(self.root / "error.log", "wb") as log:
            self.parent = subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            said = wait_for_listener(self.parent, self.port)
            if said:
                raise RuntimeError(f"{self.command[0]} {said}:\n{self.error_log()}")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.root)

    def stop(self):
        below = process.descendants(self.parent.pid) if self.parent.poll() is None else []
        started = {pid: process.start_time(pid) for pid in below}
        end(self.parent)
        for pid, moment in started.items():
            if moment is not None and process.start_time(pid) == moment:
                os.kill(pid, signal.SIGKILL)

    def processes(self):
        """The parent and those below it, as they are now."""
        return [self.parent.pid, *process.descendants(self.parent.pid)]

    def settle(self):
        """To be called when it has answered: those that serve are there now."""
        self.serving = self.processes()

    def error_log(self):
        return (self.root / "error.log").read_text(errors="replace")


class Proxied:
    """A program behind an httpd with mod_proxy_http, which keeps connections to it."""

    def __init__(self, root, program, threads):
        self.root = root
        self.program = program
        modules = apxs("LIBEXECDIR")
        lines = [f'LoadModule {name}_module "{modules}/mod_{name}.so"' for name in ("proxy", "proxy_http")]
        lines += [f'ProxyPass "/" "http://127.0.0.1:{program.port}/" keepalive=On']
        self.httpd = Httpd(root / "proxy", lines, threads=threads)
        self.stack = contextlib.ExitStack()

    @property
    def port(self):
        return self.httpd.port

    @property
    def serving(self):
        return self.httpd.serving + self.program.serving

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.root.mkdir(mode=0o755)
            stack.callback(shutil.rmtree, self.root)
            stack.enter_context(self.program)
            stack.enter_context(self.httpd)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def processes(self):
        return self.httpd.processes() + self.program.processes()

    def settle(self):
        self.program.settle()

    def error_log(self):
        return self.httpd.error_log() + self.program.error_log()


def wait_for_listener(parent, port):
    """`None`, or what went wrong."""
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if parent.poll() is not None:
            return f"exited with {parent.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return None
        except OSError:
            time.sleep(0.02)
    return f"does not listen after {START_LIMIT} s"


def end(parent):
    parent.terminate()
    try:
        parent.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        parent.kill()
        parent.wait()


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
