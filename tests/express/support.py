"""An installation of the Python distribution in a virtual environment of its own, and servers that it starts.

Run by setup/test.sh with MOD_WSGI_PYTHON, MOD_WSGI_MODULE and MOD_WSGI_VENV in the environment (setup/with-modules.sh).
The installation is what a wheel would hold: the package and the module under the name that the wheel gives it.
"""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "python" / "mod_wsgi_rs"
PATIENCE = 60
# What httpd says of itself at every start and stop, and mod_ssl of the machine's OpenSSL.
USUAL = ("AH00489", "AH00094", "AH00491", "AH00163", "AH00169", "AH02429", "AH00493", "AH00492", "AH01882")

HELLO = """\
def application(environ, start_response):
    body = repr((environ["SCRIPT_NAME"], environ["PATH_INFO"], environ.get("REMOTE_USER"))).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


class Installed(unittest.TestCase):
    """A directory that httpd's user may read, with an installation in `venv`."""

    @classmethod
    def setUpClass(cls):
        cls.directory = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="express-")))
        cls.directory.chmod(0o755)
        python = os.environ["MOD_WSGI_PYTHON"]
        venv = cls.directory / "venv"
        subprocess.run([python, "-m", "venv", "--without-pip", venv], check=True)
        cls.python = venv / "bin" / "python"
        query = "import sysconfig; print(sysconfig.get_path('purelib'), sysconfig.get_config_var('EXT_SUFFIX'))"
        packages, suffix = subprocess.check_output([cls.python, "-c", query], text=True).split()
        shutil.copytree(SOURCES, Path(packages, "mod_wsgi_rs"), ignore=shutil.ignore_patterns("__pycache__"))
        Path(packages, "mod_wsgi_rs", f"mod_wsgi{suffix}").symlink_to(os.environ["MOD_WSGI_MODULE"])
        # The applications that tests serve import what the tests' own environment holds.
        tests = Path(os.environ["MOD_WSGI_VENV"], *Path(packages).relative_to(venv).parts)
        Path(packages, "tests.pth").write_text(f"{tests}\n")
        subprocess.run(["chmod", "-R", "go+rX", venv], check=True)

    def setUp(self):
        self.place = Path(tempfile.mkdtemp(dir=self.directory))
        self.place.chmod(0o777)

    def file(self, name: str, text: str = HELLO) -> Path:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def command(self, *words: object, **more) -> subprocess.CompletedProcess:
        """Runs the command to its end."""
        return subprocess.run(
            [self.python, "-m", "mod_wsgi_rs", *map(str, words)],
            cwd=self.place,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            **more,
        )

    def refused(self, *words: object, says: str, status: int = 2) -> None:
        done = self.command("setup-server", "--server-root", self.place / "root", *words)
        self.assertEqual(done.returncode, status, done)
        self.assertIn(says, done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def serve(self, *words: object, env: dict | None = None) -> "Server":
        server = Server(self, words, env or {})
        self.addCleanup(server.kill)
        server.wait_until_it_listens()
        return server


class Server:
    """start-server with a free port, in a server root of its own."""

    def __init__(self, test: Installed, words, env: dict, command: list[str] | None = None, output=None):
        self.test = test
        self.port = free_port()
        self.root = test.place / "root"
        self.expected: list[str] = []
        fixed = ["--host", "127.0.0.1", "--port", str(self.port), "--server-root", str(self.root)]
        command = command or [test.python, "-m", "mod_wsgi_rs", "start-server"]
        self.output = test.place / "output"
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [*command, *fixed, *map(str, words)],
                cwd=test.place,
                stdout=output or file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
                start_new_session=True,
            )

    def wait_until_it_listens(self, port: int | None = None) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                self.test.fail(f"it ended with {self.process.returncode}: {self.said()}\n{self.log()}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port or self.port), timeout=1):
                return
            time.sleep(0.05)
        self.test.fail(f"it does not listen: {self.said()}\n{self.log()}")

    def get(self, path: str, *, port: int | None = None, tls: bool = False, method: str = "GET", body=None, **headers):
        """Status, headers and body of one request."""
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection("127.0.0.1", port or self.port, timeout=PATIENCE, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()

    def text(self, path: str, **more) -> str:
        status, _, body = self.get(path, **more)
        self.test.assertEqual(status, 200, (path, body, self.log()))
        return body

    def said(self) -> str:
        return self.output.read_text()

    def log(self) -> str:
        path = self.root / "error_log"
        return path.read_text() if path.exists() else ""

    def wait_for_log(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.log():
            self.test.assertLess(time.monotonic(), deadline, f"no {text!r} in {self.log()}")
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stops it as an operator would; its exit status is httpd's, and its log holds what was expected alone."""
        self.process.send_signal(number)
        self.test.assertEqual(self.process.wait(PATIENCE), 0, self.said())
        lines = [line for line in self.log().splitlines() if not any(code in line for code in USUAL)]
        for text in self.expected:
            found = [line for line in lines if text in line]
            self.test.assertTrue(found, f"{text!r} is not in {lines}")
            lines = [line for line in lines if line not in found]
        self.test.assertEqual(lines, [])

    def kill(self) -> None:
        """Its session is a process group of its own: nothing is left, whatever happened."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

