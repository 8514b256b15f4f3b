"""--debug: a browser on this machine is shown why a request failed, and nobody else is."""

import http.client
import sys
import unittest
from html.parser import HTMLParser
from pathlib import Path

from support import HELLO, Installed

FAILS = '''\
import json


class Odd(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def fails():
    secret_in_a_local = "s3cret-value"
    raise ValueError("<script>alert(1)</script>")


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/chain":
        try:
            json.loads("{")
        except ValueError as error:
            raise LookupError("no such page") from error
    if path == "/odd":
        raise Odd()
    if path == "/deep":
        return application_of(5000)
    if path in ("/first", "/later"):
        return blocks(path, start_response)
    if path != "/good":
        fails()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"good"])


def application_of(depth):
    return application_of(depth - 1)


def blocks(path, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", "a=b")])
    if path == "/later":
        yield b"x" * 100
    raise OSError("gone & lost")
'''


# The elements of the page, each with its attributes.
OWN = {"html lang", "meta charset", "meta name content", "details open"}
OWN |= set("title style h1 b p code details summary pre mark".split())


class Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self):
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag, attributes):
        self.found.add(" ".join([tag, *(name for name, _ in attributes)]))


class Tracebacks(Installed):
    def shown(self, server, path: str, **headers) -> str:
        status, answered, page = server.get(path, **headers)
        self.assertEqual(status, 500, page)
        self.assertEqual(answered["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(answered["Cache-Control"], "no-store")
        self.assertIn("default-src 'none'", answered["Content-Security-Policy"])
        self.assertIsNone(answered["Set-Cookie"])
        self.assertIn("because of --debug", page)
        elements = Elements()
        elements.feed(page)
        self.assertLessEqual(elements.found, OWN)
        return page

    def hidden(self, server, path: str, **headers) -> None:
        status, _, page = server.get(path, **headers)
        self.assertEqual(status, 500)
        for secret in ("fails", "ValueError", "Traceback", "app.wsgi"):
            self.assertNotIn(secret, page)

    def test_a_browser_of_this_machine_sees_source_lines_and_nobody_else_does(self):
        self.file("app.wsgi", FAILS)
        server = self.serve("app.wsgi", "--debug", "--server-name", "shop.example", "--allow-localhost")
        self.assertIn("Tracebacks         : in the browser, for clients of this machine\n", server.said())
        page = self.shown(server, "/<img%20src=x%20onerror=alert(1)>")
        self.assertIn("<h1><b>ValueError</b>: &lt;script&gt;alert(1)&lt;/script&gt;</h1>", page)
        self.assertRegex(page, r"<mark> +11  +raise ValueError\(")
        self.assertIn(f"<b>{self.place / 'app.wsgi'}</b>, line 11, in <code>fails</code>", page)
        self.assertIn("GET /&lt;img src=x onerror=alert(1)&gt;", page)
        server.wait_for_log("ValueError: <script>alert(1)</script>")
        self.shown(server, "/", Host="shop.example:80")
        self.shown(server, "/", Host=f"[::1]:{server.port}")
        for headers in (
            {"X_Forwarded_For": "127.0.0.1"},
            {"Forwarded": "for=127.0.0.1"},
            {"Via": "1.1 proxy"},
            {"X_Real_IP": "127.0.0.1"},
            {"Host": "rebound.example"},
        ):
            self.hidden(server, "/", **headers)
        self.assertEqual(server.text("/good"), "good")
        server.process.terminate()
        server.process.wait(30)

    def test_each_way_to_fail_has_its_page(self):
        self.file("app.wsgi", FAILS)
        server = self.serve("app.wsgi", "--debug", "--embedded-mode")
        page = self.shown(server, "/chain")
        self.assertIn("direct cause of the one below", page)
        self.assertLess(page.index("JSONDecodeError"), page.index("LookupError: no such page"))
        self.assertRegex(page, r"<details><summary><b>[^<]*/json/")
        self.assertIn("(its text cannot be made)", self.shown(server, "/odd"))
        self.assertRegex(self.shown(server, "/deep"), r"<p>\d+ more calls</p>")
        self.assertIn("gone &amp; lost", self.shown(server, "/first"))
        with self.assertRaises(http.client.IncompleteRead):
            server.get("/later")
        server.wait_for_log("gone & lost")
        server.process.terminate()
        server.process.wait(30)

    def test_code_that_does_not_load_says_where_and_is_loaded_once_it_is_mended(self):
        app = self.file("app.wsgi", "import part\n" + HELLO)
        part = self.file("part.py", "x = 1\ndef broken(:\n")
        server = self.serve("app.wsgi", "--debug", env={"PYTHONDONTWRITEBYTECODE": "1"})
        page = self.shown(server, "/")
        self.assertIn("does not load", page)
        self.assertIn("<h1><b>SyntaxError</b>: ", page)
        self.assertIn(f"<b>{part}</b>, line 2</summary>", page)
        self.assertRegex(page, r"<mark> +2  def broken\(:</mark>")
        self.hidden(server, "/", X_Forwarded_For="127.0.0.1")
        part.write_text("import a_module_that_is_not_there\n")
        page = self.shown(server, "/")
        self.assertIn("No module named &#x27;a_module_that_is_not_there&#x27;", page)
        self.assertRegex(page, r"<mark> +1  import a_module_that_is_not_there</mark>")
        part.write_text("x = 22\n")
        self.assertEqual(server.text("/"), "('', '/', None)")
        app.write_text("raise SystemExit(3)\n")
        self.assertIn("SystemExit", self.shown(server, "/"))
        server.process.terminate()
        server.process.wait(30)

    def test_without_the_option_nobody_sees_anything(self):
        self.file("app.wsgi", FAILS)
        server = self.serve("app.wsgi", "--reload-on-changes")
        self.hidden(server, "/")
        self.assertNotIn("MOD_WSGI_LOCAL_CLIENT", (server.root / "httpd.conf").read_text())
        server.process.terminate()
        server.process.wait(30)


class Clients(unittest.TestCase):
    """Who is on this machine, by what httpd says of the connection."""

    def test_only_httpd_can_say_that_a_client_is_of_this_machine(self):
        sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
        self.addCleanup(sys.path.pop, 0)
        from mod_wsgi_rs.tracebacks import may_see

        local = {"MOD_WSGI_LOCAL_CLIENT": "1", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8000"}
        self.assertTrue(may_see(dict(local), []))
        self.assertTrue(may_see(local | {"REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]"}, []))
        for change in (
            {"MOD_WSGI_LOCAL_CLIENT": "0"},
            {"REMOTE_ADDR": "192.0.2.1"},
            {"REMOTE_ADDR": ""},
            {"HTTP_HOST": "localhost.example"},
            {"HTTP_X_FORWARDED_FOR": ""},
        ):
            self.assertFalse(may_see(local | change, []), change)
        remote = {key: local[key] for key in ("REMOTE_ADDR", "HTTP_HOST")}
        self.assertFalse(may_see(remote | {"HTTP_MOD_WSGI_LOCAL_CLIENT": "1"}, []))


if __name__ == "__main__":
    unittest.main()
