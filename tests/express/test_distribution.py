"""What is built and with which Python: the choice of setup/python.sh, the source distribution, what a wheel may need."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import unittest
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "setup"))

import check_wheel  # noqa: E402


class Choice(unittest.TestCase):
    """setup/python.sh on a machine that has this or that. Nothing is downloaded: one that serves is always there."""

    def setUp(self):
        self.place = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.place.chmod(0o755)

    def program(self, name: str, text: str = "") -> Path:
        """A program on PATH: the free-threaded Python of the tests, or a script."""
        path = self.place / name
        if text:
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
        else:
            path.symlink_to(os.environ["MOD_WSGI_PYTHON"])
        return path

    def chosen(self, *words: str, **variables: str) -> tuple[str, str]:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHON"} | variables
        environment["PATH"] = f"{self.place}:/usr/bin:/bin"
        command = [CHECKOUT / "setup" / "python.sh", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip(), done.stderr

    def test_a_3_14t_comes_before_any_other_and_the_reason_is_one_line(self):
        wanted = self.program("python3.14t")
        self.program("python3.15t")
        python, said = self.chosen()
        self.assertEqual(python, str(wanted))
        self.assertRegex(said, r"\Asetup: Python 3\.\d+\.\d+t: .*/python3\.14t, python3\.14t is on PATH\n\Z")
        self.assertEqual(self.chosen("--quiet"), (str(wanted), ""))

    def test_uv_is_asked_what_it_has_before_older_ones_are_taken(self):
        wanted = self.program("of-uv")
        self.program("python3.13t")
        self.program("uv", f'[ "$1 $2" = "python find" ] && [ "$UV_PYTHON_DOWNLOADS" = never ] && echo {wanted}')
        python, said = self.chosen()
        self.assertEqual(python, str(wanted))
        self.assertIn("uv knows a 3.14t", said)

    def test_what_does_not_serve_is_passed_over_with_the_reason(self):
        self.program("python3.14t", "exec /usr/bin/python3 \"$@\"")
        self.program("uv", "exit 2")
        wanted = self.program("python3.13t")
        python, said = self.chosen()
        self.assertEqual(python, str(wanted))
        self.assertIn("python3.14t is not taken: it is not free-threaded\n", said)

    def test_the_variable_counts_before_all(self):
        self.program("python3.14t")
        python, said = self.chosen(PYTHON="/usr/bin/python3")
        self.assertEqual(os.path.realpath(python), os.path.realpath("/usr/bin/python3"))
        self.assertIn("named by PYTHON", said)


class Source(unittest.TestCase):
    def test_the_source_distribution_holds_all_that_a_wheel_is_made_of(self):
        with tempfile.TemporaryDirectory() as directory:
            command = [CHECKOUT / "setup" / "sdist.sh", os.environ["MOD_WSGI_PYTHON"], directory]
            path = subprocess.check_output(command, text=True).strip()
            with tarfile.open(path) as archive:
                names = {name.partition("/")[2] for name in archive.getnames()}
        files = [*CHECKOUT.glob("src/**/*.*"), *CHECKOUT.glob("python/mod_wsgi_rs/**/*.py")]
        parts = {str(path.relative_to(CHECKOUT)) for path in files if "__pycache__" not in path.parts}
        parts |= {"build.rs", "Cargo.toml", "Cargo.lock", "pyproject.toml", "setup/backend.py", "LICENSE"}
        self.assertGreater(len(parts), 100)
        # A file is missing: MANIFEST.in does not name it.
        self.assertEqual(parts - names, set())


class Module(unittest.TestCase):
    """The check that setup/wheel.sh makes of each wheel."""

    def test_the_module_needs_nothing_but_libpython_and_the_c_library(self):
        module = Path(os.environ["MOD_WSGI_MODULE"])
        self.assertEqual(check_wheel.faults_of_module(module), [])
        self.assertIn(sysconfig.get_config_var("INSTSONAME"), check_wheel.facts(module))
        moved = sysconfig.get_config_vars() | {"LIBDIR": "/elsewhere", "INSTSONAME": "libpython9.so"}
        library = sysconfig.get_config_var("INSTSONAME")
        faults = check_wheel.faults_of_module(module, moved)
        self.assertIn(f"the module needs {library}, which a system with httpd alone may not have", faults)

    def test_another_library_is_a_fault(self):
        import _ssl

        faults = check_wheel.faults_of_module(Path(_ssl.__file__))
        self.assertTrue(any("needs libssl" in fault for fault in faults), faults)

    def test_what_does_not_belong_into_a_wheel_is_named(self):
        faults = check_wheel.faults_of_contents(["mod_wsgi_rs/command.py", "mod_wsgi_rs.libs/libssl.so.3"])
        self.assertIn("mod_wsgi_rs.libs/libssl.so.3 does not belong here", faults)
        self.assertIn("mod_wsgi_rs/application.py is missing", faults)
        self.assertIn("wsgictl is missing", faults)

    def test_wsgictl_stands_beside_the_module_and_does_without_python(self):
        program = Path(os.environ["MOD_WSGI_MODULE"]).with_name("wsgictl")
        self.assertEqual(check_wheel.faults_of_program(program), [])
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout.split()[0]), (0, "wsgictl"), done)


if __name__ == "__main__":
    unittest.main()
