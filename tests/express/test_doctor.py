"""wsgi-express doctor: what it finds, and how it says so."""

import json
import os
import socket
import unittest

from support import Installed, free_port


class Doctor(Installed):
    def examine(self, *words: object) -> dict[str, dict]:
        done = self.command("doctor", "--json", "--port", free_port(), *words)
        findings = json.loads(done.stdout)
        self.assertEqual(done.returncode, int(any(f["level"] == "error" for f in findings)), done)
        return {finding["topic"]: finding for finding in findings}

    def test_a_good_machine_and_application(self):
        self.file("app.wsgi", "import json\n")
        found = self.examine("app.wsgi")
        self.assertEqual({t: f["level"] for t, f in found.items() if f["level"] == "error"}, {})
        for topic in ("httpd", "module", "libpython", "application", "free-threading"):
            self.assertEqual(found[topic]["level"], "ok", found)
        self.assertIn("MPM", found["httpd"]["text"])

    def test_an_application_that_does_not_load_is_an_error_with_its_traceback(self):
        self.file("app.wsgi", "import not_there\n")
        found = self.examine("app.wsgi")["application"]
        self.assertEqual(found["level"], "error")
        self.assertIn("ModuleNotFoundError: No module named 'not_there'", found["text"])
        self.assertIn('app.wsgi", line 1', found["cure"])
        self.assertIn("no such file", self.examine("none.wsgi")["application"]["text"])

    @unittest.skipUnless(os.getuid() == 0, "only root runs applications as another user")
    def test_a_directory_that_the_user_may_not_enter_is_named(self):
        self.file("private/app.wsgi")
        (self.place / "private").chmod(0o700)
        found = self.examine("private/app.wsgi", "--user", "www-data")
        done = self.command("doctor", "private/app.wsgi", "--user", "www-data", "--port", free_port())
        self.assertIn(f"no right to enter {self.place / 'private'}", done.stdout)
        self.assertEqual(found["application"]["level"], "error")
        self.assertEqual(done.returncode, 1)

    def test_a_port_that_is_taken_is_an_error(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            done = self.command("doctor", "--port", taken.getsockname()[1])
        self.assertEqual(done.returncode, 1)
        self.assertIn("Address already in use", done.stdout)

    def test_a_machine_without_httpd_says_what_to_install(self):
        done = self.command("doctor", "--httpd-executable", "/nowhere/httpd")
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no such program", done.stdout)

    def test_extensions_that_declare_nothing_are_listed_with_who_imported_them(self):
        # NumPy's own modules declare themselves; one that does not is made from C.
        source = self.file(
            "bare.c",
            "#include <Python.h>\n"
            "static PyModuleDef_Slot slots[] = {{0, NULL}};\n"
            "static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, \"bare\", NULL, 0, NULL, slots};\n"
            "PyMODINIT_FUNC PyInit_bare(void) { return PyModuleDef_Init(&definition); }\n",
        )
        self.compile(source, declared=False)
        self.compile(source, declared=True)
        self.file("app.wsgi", "import safe\nimport bare\n")
        found = self.examine("app.wsgi")["free-threading"]
        self.assertEqual(found["level"], "warning")
        self.assertTrue(found["text"].startswith("bare ("), found)
        self.assertIn(f"{self.place / 'app.wsgi'}:2", found["text"])

    def compile(self, source, *, declared: bool) -> None:
        import subprocess
        import sysconfig

        name, text = ("safe", source.read_text()) if declared else ("bare", source.read_text())
        if declared:
            slot = "{{Py_mod_gil, Py_MOD_GIL_NOT_USED}, {0, NULL}}"
            text = text.replace("{{0, NULL}}", slot).replace("PyInit_bare", "PyInit_safe").replace('"bare"', '"safe"')
        file = self.file(f"{name}_module.c", text)
        query = "import sysconfig; print(sysconfig.get_path('include'), sysconfig.get_config_var('EXT_SUFFIX'))"
        include, suffix = subprocess.check_output([self.python, "-c", query], text=True).split()
        command = ["cc", "-shared", "-fPIC", f"-I{include}", file, "-o", self.place / f"{name}{suffix}"]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    unittest.main()
