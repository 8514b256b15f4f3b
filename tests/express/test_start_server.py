"""wsgi-express start-server: what is served where, and how it stops."""

import os
import signal
import socket
import subprocess
import time
import unittest
from pathlib import Path

from support import HELLO, PATIENCE, Installed, Server, free_port


class Applications(Installed):
    def test_a_script_answers_until_sigterm_and_httpds_exit_status_is_the_commands(self):
        self.file("app.wsgi")
        server = self.serve("app.wsgi")
        self.assertEqual(server.text("/"), "('', '/', None)")
        self.assertEqual(server.text("/a/b?c"), "('', '/a/b', None)")
        said = server.said()
        self.assertIn(f"Server URL         : http://127.0.0.1:{server.port}/\n", said)
        self.assertIn("daemon (1 process of 5 threads, ", said)
        self.assertIn(f"Processes          : wsgictl --socket {server.root}/wsgi.control status\n", said)
        wsgictl = Path(os.environ["MOD_WSGI_MODULE"]).with_name("wsgictl")
        status = [wsgictl, "--socket", server.root / "wsgi.control", "status"]
        self.assertIn(f"127.0.0.1:{server.port} ", subprocess.check_output(status, text=True, timeout=PATIENCE))
        self.assertNotIn("\x1b", said)
        # The process that was started is httpd itself now.
        self.assertEqual((server.root / "httpd.pid").read_text().strip(), str(server.process.pid))
        server.stop()
        self.assertFalse((server.root / "httpd.pid").exists())
        self.assertEqual([*server.root.glob("*.sock")], [])

    def test_ctrl_c_stops_it_too(self):
        self.file("app.wsgi")
        server = self.serve("app.wsgi")
        server.text("/")
        server.stop(signal.SIGINT)

    def test_without_a_target_a_page_says_what_to_do(self):
        server = self.serve()
        self.assertIn("wsgi-express start-server app.wsgi", server.text("/"))
        server.stop()

    def test_a_module_on_the_python_path_answers(self):
        self.file("lib/site_of_us.py", HELLO.replace("application", "wsgi_app"))
        server = self.serve(
            "--application-type", "module", "site_of_us", "--callable-object", "wsgi_app", "--python-path",
            self.place / "lib", "--threads", "3", "--processes", "2", "--mount-point", "shop/",
        )  # fmt: skip
        self.assertEqual(server.text("/shop/x"), "('/shop', '/x', None)")
        self.assertEqual(server.get("/x")[0], 404)
        self.assertIn("daemon (2 processes of 3 threads, ", server.said())
        server.stop()

    def test_embedded_and_without_the_gil(self):
        self.file("app.wsgi", HELLO.replace('environ.get("REMOTE_USER")', '__import__("sys")._is_gil_enabled()'))
        server = self.serve("app.wsgi", "--embedded-mode", "--free-threading")
        self.assertEqual(server.text("/"), "('', '/', False)")
        self.assertIn("free-threaded: requests run in parallel", server.said())
        server.stop()

    def test_an_application_that_fails_answers_500_with_its_traceback_in_the_log(self):
        self.file("app.wsgi", "raise RuntimeError('not today')\n")
        server = self.serve("app.wsgi", "--startup-timeout", "0")
        status, _, body = server.get("/")
        self.assertEqual(status, 500)
        self.assertNotIn("not today", body)
        server.wait_for_log("not today")
        server.process.terminate()
        server.process.wait()

    def test_a_terminal_has_colours_and_ctrl_c(self):
        self.file("app.wsgi")
        port = free_port()
        words = [str(self.python), "-m", "mod_wsgi_rs", "start-server", "app.wsgi", "--host", "127.0.0.1"]
        words += ["--port", str(port), "--server-root", str(self.place / "root")]
        pid, terminal = os.forkpty()
        if pid == 0:
            os.chdir(self.place)
            os.execv(words[0], words)
        said = b""
        while b"Stop" not in said:
            said += os.read(terminal, 4096)
        self.assertIn(b"\x1b[", said)
        self.assertIn(b"Ctrl-C", said)
        log, deadline = self.place / "root/error_log", time.monotonic() + 60
        while "resuming normal operations" not in (log.read_text() if log.exists() else ""):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        os.write(terminal, b"\x03")
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)


class Files(Installed):
    def test_files_are_served_as_they_are_and_hidden_ones_are_not(self):
        self.file("app.wsgi")
        self.file("site/a.txt", "a file")
        self.file("site/.env", "secret")
        self.file("site/.git/config", "secret")
        self.file("site/.well-known/proof", "public")
        self.file("more/b.txt", "another")
        self.file("site/lost.txt", "it is lost")
        server = self.serve(
            "app.wsgi", "--document-root", "site", "--url-alias", "/more", self.place / "more", "--url-alias", "/b",
            "more/b.txt", "--error-document", "404", "/lost.txt",
        )  # fmt: skip
        self.assertEqual(server.text("/a.txt"), "a file")
        self.assertEqual(server.text("/more/b.txt"), "another")
        self.assertEqual(server.text("/b"), "another")
        self.assertEqual(server.text("/.well-known/proof"), "public")
        self.assertEqual(server.text("/.well-known/other"), "('', '/.well-known/other', None)")
        self.assertEqual(server.text("/"), "('', '/', None)")
        for hidden in ("/.env", "/.git/config"):
            self.assertEqual(server.get(hidden)[0], 403, hidden)
        status, _, body = server.get("/more/none")
        self.assertEqual((status, body), (404, "it is lost"))
        server.stop()

    def test_static_files_alone(self):
        self.file("site/index.html", "welcome")
        server = self.serve("--application-type", "static", "site", "--directory-listing")
        self.assertEqual(server.text("/"), "welcome")
        self.assertEqual(server.get("/none")[0], 404)
        server.stop()

    def test_a_script_answers_for_an_extension(self):
        self.file("app.wsgi")
        self.file("pages.py", HELLO.replace("application", "handle_request").replace("repr((", "repr(('page', "))
        self.file("site/about.page", "")
        server = self.serve("app.wsgi", "--document-root", "site", "--add-handler", ".page", "pages.py")
        self.assertEqual(server.text("/about.page/x"), "('page', '/about.page', '/x', None)")
        self.assertEqual(server.text("/other"), "('', '/other', None)")
        server.stop()


class Names(Installed):
    def certificate(self) -> list:
        """Options with a certificate of our own making."""
        subject = ["-subj", "/CN=127.0.0.1", "-days", "2", "-nodes", "-addext", "basicConstraints=critical,CA:FALSE"]
        files = ["-keyout", self.place / "t.key", "-out", self.place / "t.crt"]
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", *subject, *files]
        subprocess.run(command, check=True, capture_output=True)
        return ["--ssl-certificate", self.place / "t"]

    def test_tls_with_redirects_and_http2(self):
        self.file("app.wsgi")
        https = free_port()
        server = self.serve(
            "app.wsgi", "--https-port", https, *self.certificate(), "--https-only", "--hsts-policy", "max-age=60; preload",
            "--http2",
        )  # fmt: skip
        status, headers, _ = server.get("/a?b", Host=f"127.0.0.1:{server.port}")
        self.assertEqual((status, headers["Location"]), (302, f"https://127.0.0.1:{https}/a?b"))
        status, headers, body = server.get("/a", port=https, tls=True)
        self.assertEqual((status, body), (200, "('', '/a', None)"))
        self.assertEqual(headers["Strict-Transport-Security"], "max-age=60; preload")
        curl = ["curl", "-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version}", f"https://127.0.0.1:{https}/"]
        self.assertEqual(subprocess.check_output(curl, text=True), "2")
        server.stop()

    def test_other_names_are_refused(self):
        self.file("app.wsgi")
        server = self.serve("app.wsgi", "--server-name", "www.shop.example", "--server-alias", "shop2.example")
        for name, status in [("www.shop.example", 200), ("shop2.example", 200), ("else.example", 403)]:
            self.assertEqual(server.get("/", Host=name)[0], status, name)
        status, headers, _ = server.get("/x", Host="shop.example")
        self.assertEqual((status, headers["Location"]), (301, f"http://www.shop.example:{server.port}/x"))
        server.expected = ["AH01630: client denied by server configuration"]
        server.stop()

    def test_another_server_answers_behind_it(self):
        self.file("app.wsgi", HELLO.replace("REMOTE_USER", "HTTP_X_FORWARDED_PREFIX"))
        behind = self.serve("app.wsgi")
        self.place = self.place / "front"
        self.place.mkdir(mode=0o777)
        self.file("app.wsgi")
        url = f"http://127.0.0.1:{behind.port}/"
        front = self.serve("app.wsgi", "--proxy-mount-point", "/api", url, "--proxy-virtual-host", "b.example", url)
        self.assertEqual(front.text("/api/x"), "('', '/x', '/api')")
        self.assertEqual(front.text("/x"), "('', '/x', None)")
        self.assertEqual(front.text("/y", Host="b.example"), "('', '/y', None)")
        status, headers, _ = front.get("/api")
        self.assertEqual((status, headers["Location"]), (302, f"http://127.0.0.1:{front.port}/api/"))
        front.stop()
        behind.stop()

    def test_names_and_passwords_come_from_a_script(self):
        self.file("app.wsgi")
        self.file("auth.py", "def check_password(environ, user, password):\n    return password == 'demo'\n")
        server = self.serve("app.wsgi", "--auth-user-script", "auth.py")
        self.assertEqual(server.get("/")[0], 401)
        self.assertEqual(server.text("/", Authorization="Basic ZGVtbzpkZW1v"), "('', '/', 'demo')")
        server.stop()


class Processes(Installed):
    def test_a_service_runs_beside_the_application_with_a_log_of_its_own(self):
        self.file("app.wsgi")
        self.file("worker.py", "import time\nprint('at work', flush=True)\nwhile True:\n    time.sleep(1)\n")
        server = self.serve(
            "app.wsgi", "--service-script", "tasks", "worker.py", "--service-log-file", "tasks", "tasks.log"
        )
        server.text("/")
        log, deadline = server.root / "tasks.log", time.monotonic() + 30
        while "at work" not in (log.read_text() if log.exists() else ""):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        server.stop()

    def test_a_change_of_any_module_leads_to_new_code_without_a_lost_request(self):
        self.file("app.wsgi", "import part\n" + HELLO.replace('environ.get("REMOTE_USER")', "part.NAME"))
        part = self.file("part.py", "NAME = 1\n")
        server = self.serve("app.wsgi", "--reload-on-changes", env={"PYTHONDONTWRITEBYTECODE": "1"})
        self.assertEqual(server.text("/"), "('', '/', 1)")
        for value in (22, 333):
            part.write_text(f"NAME = {value}\n")
            self.assertEqual(server.text("/"), f"('', '/', {value})")
        server.process.terminate()
        self.assertEqual(server.process.wait(30), 0)

    def test_embedded_code_is_loaded_anew_in_the_same_process(self):
        app = HELLO.replace('environ.get("REMOTE_USER")', "(part.NAME, json.KEPT, os.getpid())")
        self.file("app.wsgi", "import json, os, part\njson.KEPT = getattr(json, 'KEPT', 0) + 1\n" + app)
        part = self.file("part.py", "from package.inner import NAME\n")
        inner = self.file("package/inner.py", "NAME = 1\n")
        server = self.serve(
            "app.wsgi", "--reload-on-changes", "--embedded-mode", "--threads", "3",
            env={"PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        first = server.text("/")
        self.assertIn("(1, 1, ", first)
        for file, text, value in [(inner, "NAME = 22\n", 22), (part, "NAME = 333\n", 333)]:
            file.write_text(text)
            # What Python and installed packages keep stays as it was.
            self.assertEqual(server.text("/"), first.replace("(1, 1, ", f"({value}, {2 if file is inner else 3}, "))
        server.stop()

    def test_the_recorder_keeps_requests_and_responses(self):
        self.file("app.wsgi", HELLO.replace("return [body]", "environ['wsgi.input'].read(); return [body]"))
        server = self.serve("app.wsgi", "--enable-recorder")
        self.assertEqual(server.text("/r", method="POST", body=b"hello"), "('', '/r', None)")
        files = {path.suffix: path.read_bytes() for path in (server.root / "archive").iterdir()}
        self.assertEqual(files[".icontent"], b"hello")
        self.assertEqual(files[".ocontent"], b"('', '/r', None)")
        server.process.terminate()
        server.process.wait(30)


class Terminals(Installed):
    def test_logs_reach_a_socket_which_nobody_can_open_by_a_name(self):
        # So it is under systemd, where standard output is a socket of the journal.
        self.file("app.wsgi", HELLO.replace("    body", "    print('a line of ours', file=environ['wsgi.errors'])\n    body", 1))
        ours, its = socket.socketpair()
        self.addCleanup(ours.close)
        command = [self.python, "-m", "mod_wsgi_rs", "start-server", "--log-to-terminal", "--access-log"]
        with its:
            server = Server(self, ["app.wsgi"], {}, command=command, output=its)
        self.addCleanup(server.kill)
        server.wait_until_it_listens()
        server.text("/seen")
        server.process.terminate()
        self.assertEqual(server.process.wait(60), 0)
        ours.settimeout(60)
        said = b""
        while part := ours.recv(65536):
            said += part
        self.assertIn(b"a line of ours", said)
        self.assertIn(b'"GET /seen HTTP/1.1" 200', said)


class Measurements(Installed):
    def test_probes_are_answered_and_refused_while_it_drains(self):
        self.file("app.wsgi")
        server = self.serve("app.wsgi", "--health", "--drain-time", "600")
        self.assertEqual(server.text("/server-wsgi-health/live"), "ok\n")
        server.text("/")
        self.assertEqual(server.text("/server-wsgi-health/ready"), "ok\n")
        self.assertEqual(server.text("/server-wsgi-health-of-mine"), "('', '/server-wsgi-health-of-mine', None)")
        server.process.send_signal(signal.SIGWINCH)
        deadline = time.monotonic() + PATIENCE
        while server.get("/server-wsgi-health/ready")[0] != 503:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.assertEqual(server.text("/x"), "('', '/x', None)")
        # The second one ends the wait.
        server.stop(signal.SIGWINCH)

    def test_the_status_page_is_for_this_machine_and_leaves_other_urls_alone(self):
        self.file("app.wsgi")
        server = self.serve("app.wsgi", "--server-status", "--access-log", "--log-level", "info")
        self.assertIn("ServerUptimeSeconds", server.text("/server-status?auto"))
        self.assertIn(f"127.0.0.1:{server.port}", server.text("/server-wsgi-status?json"))
        self.assertEqual(server.text("/my/server-status"), "('', '/my/server-status', None)")
        server.process.terminate()
        server.process.wait(30)
        self.assertIn('"GET /my/server-status HTTP/1.1" 200', (server.root / "access_log").read_text())


if __name__ == "__main__":
    unittest.main()
