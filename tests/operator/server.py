"""An httpd with the module, for the trials of this directory.

MOD_WSGI_MODULE names the module that is tried. A server writes below a directory of its own in /tmp, listens on
127.0.0.1 only, and ends with the trial.
"""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HTTPD = "/usr/sbin/apache2"
MODULES = pathlib.Path("/usr/lib/apache2/modules")
PATIENCE = 60

APPLICATION = '''
import os, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/die":
        os.kill(os.getpid(), 9)
    if "/sleep/" in path:
        time.sleep(float(path.rsplit("/", 1)[1]))
    start_response("404 Not Found" if path == "/missing" else "200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"done\\n"]
'''

COMMON = """
ServerName localhost
ServerRoot {root}
Listen 127.0.0.1:{port}
PidFile {root}/httpd.pid
DefaultRuntimeDir {root}/run
DocumentRoot {root}
ErrorLog {root}/error.log
LogLevel warn
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_host_module {modules}/mod_authz_host.so
LoadModule log_forensic_module {modules}/mod_log_forensic.so
LoadModule wsgi_module {module}
StartServers {children}
ServerLimit {children}
ThreadLimit {threads}
ThreadsPerChild {threads}
MaxRequestWorkers {workers}
MinSpareThreads 1
MaxSpareThreads {workers}
Timeout 30
KeepAliveTimeout 5
MaxKeepAliveRequests 0
GracefulShutdownTimeout 30
LogFormat "%>s %X %B %L %r" trial
CustomLog {root}/access.log trial
<Location /status>
    SetHandler wsgi-status
</Location>
<Location /health>
    SetHandler wsgi-health
</Location>
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what, ready, patience=PATIENCE):
    limit = time.monotonic() + patience
    while time.monotonic() < limit:
        value = ready()
        if value:
            return value
        time.sleep(0.02)
    raise SystemExit(f"waited in vain for {what}")


class Httpd:
    """A server; `conf` holds what the trial needs beside COMMON."""

    def __init__(self, conf, port=None, children=2, threads=16, application=APPLICATION):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="mod_wsgi-trial-"))
        self.root.chmod(0o755)
        (self.root / "run").mkdir()
        (self.root / "app.wsgi").write_text(application)
        self.port = port or free_port()
        self.values = {
            "root": self.root,
            "port": self.port,
            "modules": MODULES,
            "module": os.environ["MOD_WSGI_MODULE"],
            "user": "User www-data\nGroup www-data" if os.getuid() == 0 else "",
            "children": children,
            "threads": threads,
            "workers": children * threads,
        }
        self.configure(conf)
        self.parent = None

    def configure(self, conf):
        (self.root / "httpd.conf").write_text((COMMON + conf).format(**self.values))

    def start(self):
        arguments = [HTTPD, "-d", self.root, "-f", self.root / "httpd.conf", "-DFOREGROUND"]
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        self.parent = subprocess.Popen(arguments, env=environment, start_new_session=True)
        wait_for("httpd to be ready", self.is_ready)
        return self

    def is_ready(self):
        if self.parent.poll() is not None:
            raise SystemExit(f"httpd has ended:\n{self.log()}")
        try:
            return self.get("/health/ready")[0] == 200
        except OSError:
            return False

    def get(self, path, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

    def status(self):
        return json.loads(self.get("/status?json")[1])

    def signal(self, name):
        self.parent.send_signal(getattr(signal, f"SIG{name}"))

    def log(self):
        return (self.root / "error.log").read_text(errors="replace")

    def stop(self, name="TERM"):
        self.signal(name)
        self.parent.wait(PATIENCE)

    def kill(self):
        """Ends it with all requests that it has. Supervisors, which have a process group of their own, follow."""
        os.killpg(self.parent.pid, signal.SIGKILL)
        self.parent.wait(PATIENCE)

    def remove(self):
        if self.parent and self.parent.poll() is None:
            self.stop()
        shutil.rmtree(self.root, ignore_errors=True)
