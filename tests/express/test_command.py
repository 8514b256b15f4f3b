"""The command line of wsgi-express: what is refused and how, what is written, and what moves over from mod_wsgi-express."""

import os
import subprocess
import time
import unittest

from support import HELLO, PATIENCE, Installed, free_port


class Commands(Installed):
    def test_the_commands_are_listed(self):
        done = self.command("--help")
        self.assertEqual(done.returncode, 0)
        for name in ("start-server", "setup-server", "module-config", "module-location", "install-module", "doctor"):
            self.assertIn(f"  {name} ", done.stdout)
        for words, said in [([], "no command was given"), (["stop"], "there is no command 'stop'")]:
            done = self.command(*words)
            self.assertEqual(done.returncode, 2)
            self.assertIn(said, done.stderr)

    def test_the_module_is_named_and_its_lines_are_good_for_httpd(self):
        location = self.command("module-location").stdout.strip()
        self.assertTrue(os.path.isfile(location), location)
        lines = self.command("module-config").stdout.splitlines()
        prefix = self.directory / "venv"
        self.assertEqual(lines, [f"LoadModule wsgi_module {location}", f"WSGIPythonHome {prefix}"])

    def test_the_module_is_installed_among_httpds_modules(self):
        done = self.command("install-module", "--modules-directory", self.place)
        self.assertEqual(done.returncode, 0, done)
        name = os.path.basename(self.command("module-location").stdout.strip())
        self.assertIn(f"LoadModule wsgi_module {self.place / name}\n", done.stdout)
        self.assertTrue((self.place / name).stat().st_size > 1_000_000)
        done = self.command("install-module", "--modules-directory", self.place / "none")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1))

    def test_a_wrong_value_is_refused_before_anything_is_written(self):
        self.file("app.wsgi")
        for words, said in [
            (["none.wsgi"], "none.wsgi: no such file"),
            (["app.wsgi", "--port", "0"], "--port 0: expected a number from 1 to 65535"),
            (["app.wsgi", "--port", "x"], "invalid int value: 'x'"),
            (["app.wsgi", "--threads", "0"], "--threads 0: expected at least 1"),
            (["app.wsgi", "--request-timeout", "-1"], "--request-timeout -1: expected at least 0"),
            (["app.wsgi", "--initial-workers", "1.5"], "--initial-workers 1.5: expected a number from 0 to 1"),
            (["app.wsgi", "--switch-interval", "0"], "--switch-interval 0.0: expected a number above 0"),
            (["app.wsgi", "--application-type", "cgi"], "expected one of script, module, paste, static"),
            (["app.wsgi", "--server-mpm", "itk"], "--server-mpm itk: expected one of event, worker, prefork"),
            (["app.wsgi", "--ssl-certificate", "x"], "need --https-port"),
            (["app.wsgi", "--https-port", "8443"], "--https-port needs --ssl-certificate-file"),
            (["app.wsgi", "--https-only"], "--https-only needs --https-port"),
            (["app.wsgi", "--server-alias", "x.example"], "--server-alias needs --server-name"),
            (["app.wsgi", "--auth-group-script", "x"], "--auth-group-script needs --auth-user-script"),
            (["app.wsgi", "--debugger-startup"], "--debugger-startup needs --enable-debugger"),
            (["app.wsgi", "--add-handler", "page", "app.wsgi"], "expected an extension with its dot"),
            (["app.wsgi", "--service-user", "x", "root"], "there is no --service-script of that name"),
            (["app.wsgi", "--include-file", "none.conf"], "none.conf: no such file"),
            (["app.wsgi", "--document-root", "none"], "none: not a directory"),
            (["app.wsgi", "--setenv", "A", "${B}"], "httpd's configuration cannot hold"),
            (["app.wsgi", "--colour"], "unrecognized arguments: --colour"),
        ]:
            with self.subTest(words=words):
                self.refused(*words, says=said)
                self.assertFalse((self.place / "root").exists())
        self.refused("app.wsgi", "--server-root", self.place / "a/b", says="a does not exist", status=1)

    def test_a_server_root_that_others_may_write_to_is_refused(self):
        self.file("app.wsgi")
        (self.place / "root").mkdir()
        (self.place / "root").chmod(0o777)
        self.refused("app.wsgi", says="other users may write to it", status=1)

    @unittest.skipUnless(os.getuid() == 0, "only root may change users")
    def test_root_is_no_user_for_an_application(self):
        self.file("app.wsgi")
        self.refused("app.wsgi", "--user", "root", says="httpd does not run applications as root")
        self.refused("app.wsgi", "--user", "nobody-here", says="there is no such user")

    def test_values_with_blanks_and_quotes_reach_httpd_as_they_are(self):
        app = HELLO.replace('environ["PATH_INFO"]', 'environ["KEY"]')
        self.file("a b/it's.wsgi", app)
        server = self.serve("a b/it's.wsgi", "--setenv", "KEY", "say \"a\\b\" 'c'", "--hsts-policy", "")
        self.assertIn(repr("say \"a\\b\" 'c'"), server.text("/"))
        server.stop()

    def test_options_without_effect_are_accepted_and_say_so(self):
        self.file("app.wsgi")
        done = self.command("setup-server", "--server-root", self.place / "root", "app.wsgi", "--process-name", "x")
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("note: --process-name has no effect: httpd keeps its own title", done.stderr)
        self.assertEqual(subprocess.run([self.place / "root/apachectl", "configtest"]).returncode, 0)

    def test_variables_in_words_are_expanded(self):
        self.file("app.wsgi")
        words = ["setup-server", "--server-root", "$PLACE/root", "app.wsgi"]
        done = self.command(*words, env={**os.environ, "PLACE": str(self.place)})
        self.assertEqual(done.returncode, 0, done)

    def test_apachectl_starts_and_stops_what_was_set_up(self):
        self.file("app.wsgi")
        port = free_port()
        root = self.place / "root"
        done = self.command("setup-server", "--server-root", root, "--host", "127.0.0.1", "--port", port, "app.wsgi")
        self.assertIn(f"Control Script     : {root / 'apachectl'}", done.stdout)
        control = lambda word: subprocess.run([root / "apachectl", word], timeout=PATIENCE).returncode  # noqa: E731
        self.assertEqual(control("configtest"), 0)
        self.assertEqual(control("start"), 0)
        self.addCleanup(self.wait_until_gone, root / "httpd.pid")
        self.addCleanup(control, "stop")
        curl = ["curl", "-s", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", f"http://127.0.0.1:{port}/x"]
        self.assertEqual(subprocess.check_output(curl, text=True), "('', '/x', None)")
        self.assertEqual(control("graceful"), 0)
        self.assertEqual(subprocess.check_output(curl, text=True), "('', '/x', None)")

    def wait_until_gone(self, path) -> None:
        deadline = time.monotonic() + PATIENCE
        while path.exists():
            self.assertLess(time.monotonic(), deadline, path)
            time.sleep(0.05)

    def test_each_option_of_mod_wsgi_express_is_there(self):
        # The names of 6.1, from its specification.
        text = self.command("start-server", "--help").stdout
        for name in OPTIONS_OF_MOD_WSGI_EXPRESS.split():
            self.assertRegex(text, rf"--{name}[ \n,]", name)


@unittest.skipUnless(os.getuid() == 0, "only root may give a service another user")
class EachOption(Installed):
    """All options together, in a few command lines; httpd itself says whether it takes what is made of them."""

    def test_httpd_takes_the_configuration_of_each_option(self):
        for name in ("app.wsgi", "part.py", "rules.conf", "more.conf", "envvars", "t.crt", "t.key", "chain.pem"):
            self.file(name)
        for name in ("rules.conf", "more.conf", "envvars"):
            self.file(name, "# nothing\n")
        for name in ("site", "logs", "eggs", "sockets"):
            (self.place / name).mkdir()
        subject = ["-subj", "/CN=127.0.0.1", "-days", "2", "-nodes"]
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", *subject, "-keyout", "t.key", "-out", "t.crt"]
        subprocess.run(command, check=True, capture_output=True, cwd=self.place)
        (self.place / "chain.pem").write_bytes((self.place / "t.crt").read_bytes())
        for path in self.place.iterdir():
            path.chmod(0o755)
        given: set[str] = set()
        for number, text in enumerate(LINES_WITH_EACH_OPTION):
            words = text.split()
            given |= {word[2:].partition("=")[0] for word in words if word.startswith("--")}
            root = self.place / f"root{number}"
            done = self.command("setup-server", "app.wsgi", "--server-root", root, *words)
            self.assertEqual(done.returncode, 0, (words, done))
            test = subprocess.run([root / "apachectl", "configtest"], capture_output=True, text=True, cwd=self.place)
            self.assertEqual(test.returncode, 0, (test, (root / "httpd.conf").read_text()))
        # An option has no command line here.
        wanted = set(OPTIONS_OF_MOD_WSGI_EXPRESS.split()) | set(OPTIONS_OF_OUR_OWN.split())
        self.assertEqual(wanted - given, {"server-root", "httpd-executable", "modules-directory", "enable-gdb", "setup-only"})


OPTIONS_OF_OUR_OWN = "debug drain-time health health-from"
LINES_WITH_EACH_OPTION = [
    # The application, in daemon processes.
    """
    --application-type script --entry-point app.wsgi --application-group shop --process-group shop
    --callable-object application --map-head-to-get Off --mount-point /shop --working-directory . --python-path site
    --python-eggs eggs --python-warnings ignore --lang C.UTF-8 --setenv KEY value --passenv PATH
    --include-file more.conf --rewrite-rules rules.conf --envvars-script envvars --add-handler .page part.py
    --chunked-request --with-cgi --orphan-interpreter --switch-interval 0.01 --enable-docs --with-php5
    --processes 2 --threads 3 --max-clients 40 --initial-workers 0.2 --minimum-spare-workers 0.2
    --maximum-spare-workers 0.6 --server-backlog 100 --daemon-backlog 50 --limit-request-body 1000
    --maximum-requests 1000 --send-buffer-size 65536 --receive-buffer-size 65536 --response-buffer-size 65536
    --header-buffer-size 65536 --response-flush-delay 10 --enable-sendfile --keep-alive-timeout 0
    --compress-responses --startup-timeout 1 --shutdown-timeout 2 --graceful-timeout 3 --eviction-timeout 4
    --deadlock-timeout 5 --inactivity-timeout 6 --request-timeout 7 --interrupt-timeout 8 --connect-timeout 9
    --queue-timeout 10 --response-socket-timeout 11 --restart-interval 12 --cpu-time-limit 13 --socket-timeout 14
    --drain-time 15 --header-timeout 16 --header-max-timeout 17 --header-min-rate 18 --body-timeout 19
    --body-max-timeout 20 --body-min-rate 21 --ignore-activity /ping --debug --reload-on-changes
    """,
    # Names, TLS, files and proxies.
    """
    --host 127.0.0.1 --port 8001 --http2 --https-port 8444 --ssl-certificate-file t.crt --ssl-certificate-key-file t.key
    --ssl-certificate-chain-file chain.pem --ssl-ca-certificate-file chain.pem --ssl-verify-client /admin
    --ssl-environment --https-only --hsts-policy max-age=60 --server-name www.shop.example
    --server-alias shop2.example --allow-localhost --document-root site --directory-index index.html
    --allow-override FileInfo --url-alias /static site --error-document 404 /lost.html --error-override
    --proxy-mount-point /api http://127.0.0.1:9/ --proxy-virtual-host api.example http://127.0.0.1:9/
    --proxy-timeout 5 --trust-proxy-header X-Forwarded-For --trust-proxy 192.0.2.1 --host-access-script part.py
    --auth-user-script part.py --auth-type Digest --auth-group-script part.py --auth-group staff
    --server-metrics --server-status --health --health-from 192.0.2.0/24 --telemetry-service unix:/tmp/telemetry.sock
    --telemetry-interval 2 --slow-requests 5 --telemetry-options +CaptureUserAgent --locale C.UTF-8
    """,
    # Users, logs and services.
    """
    --user www-data --group www-data --pid-file the.pid --server-mpm worker --server-mpm event --process-name x
    --socket-prefix sockets --mime-types /dev/null --shell-executable /bin/sh --rotatelogs-executable /bin/true
    --gdb-executable gdb --log-directory logs --log-level info --access-log --startup-log --verbose-debugging
    --access-log-format combined --error-log-format %M --error-log-name e --access-log-name a --startup-log-name s
    --rotate-logs --max-log-size 1 --service-script tasks part.py --service-user tasks www-data
    --service-group tasks www-data --service-log-file tasks tasks.log --disable-reloading --enable-telemetry
    --telemetry-ui-port 8889 --ssl-port 8445 --ssl-certificate t --proxy-url-alias /other http://127.0.0.1:9/
    """,
    # Without daemon processes.
    "--embedded-mode --free-threading --log-to-terminal --access-log --directory-listing --debug --reload-on-changes",
    """
    --debug-mode --enable-debugger --debugger-startup --enable-coverage --coverage-directory c --enable-profiler
    --profiler-directory p --enable-recorder --recorder-directory r
    """,
]
OPTIONS_OF_MOD_WSGI_EXPRESS = """
application-type entry-point application-group process-group callable-object map-head-to-get mount-point
working-directory python-path python-eggs python-warnings lang locale setenv passenv include-file rewrite-rules
envvars-script add-handler chunked-request with-cgi with-php5 orphan-interpreter switch-interval free-threading
embedded-mode enable-docs host port http2 https-port ssl-port ssl-certificate-file ssl-certificate-key-file
ssl-certificate ssl-certificate-chain-file ssl-ca-certificate-file ssl-verify-client ssl-environment https-only
hsts-policy server-name server-alias allow-localhost processes threads max-clients initial-workers
minimum-spare-workers maximum-spare-workers server-backlog daemon-backlog limit-request-body maximum-requests
send-buffer-size receive-buffer-size response-buffer-size header-buffer-size response-flush-delay enable-sendfile
keep-alive-timeout compress-responses startup-timeout shutdown-timeout graceful-timeout eviction-timeout
deadlock-timeout inactivity-timeout request-timeout interrupt-timeout connect-timeout queue-timeout
response-socket-timeout restart-interval cpu-time-limit socket-timeout proxy-timeout header-timeout
header-max-timeout header-min-rate body-timeout body-max-timeout body-min-rate ignore-activity document-root
directory-index directory-listing allow-override url-alias error-document error-override proxy-mount-point
proxy-url-alias proxy-virtual-host trust-proxy-header trust-proxy host-access-script auth-user-script auth-type
auth-group-script auth-group server-metrics server-status telemetry-service enable-telemetry telemetry-ui-port
telemetry-interval slow-requests telemetry-options user group pid-file server-root server-mpm process-name
socket-prefix modules-directory mime-types shell-executable httpd-executable rotatelogs-executable gdb-executable
setup-only log-directory log-level access-log startup-log verbose-debugging log-to-terminal access-log-format
error-log-format error-log-name access-log-name startup-log-name rotate-logs max-log-size service-script service-user
service-group service-log-file disable-reloading reload-on-changes debug-mode enable-debugger debugger-startup
enable-coverage coverage-directory enable-profiler profiler-directory enable-recorder recorder-directory enable-gdb
"""


if __name__ == "__main__":
    unittest.main()
