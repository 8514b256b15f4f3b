"""docs/start.md is followed as it is printed: its files are written, its servers started, its answers compared.

Not followed here: what installs packages (the tests' own environment has them), and the lines for an httpd that belongs to the
machine, whose configuration tests/examples.rs checks.
"""

import re
import shlex
import subprocess
import unittest
from pathlib import Path

from support import Installed, Server

PAGE = Path(__file__).resolve().parents[2] / "docs" / "start.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALLED = {"flask", "django", "$wheel"}
PROGRAMS = {
    "venv/bin/wsgi-express": ["-m", "mod_wsgi_rs"],
    "venv/bin/django-admin": ["-m", "django"],
    "venv/bin/python": [],
}
# Subcommands, and whether each starts a server.
WHAT = {"start-server": True, "runmodwsgi": True, "startproject": False, "collectstatic": False}


class StartPage(Installed):
    def test_one_command(self):
        followed = self.follow(section("## One command"))
        self.assertEqual(followed, {"start-server": 1, "curl": 1})

    def test_flask(self):
        self.assertEqual(self.follow(section("### Flask")), {"start-server": 1, "curl": 1})

    def test_django(self):
        self.assertEqual(self.follow(section("### Django")), {"startproject": 1, "collectstatic": 1, "runmodwsgi": 1, "curl": 1})

    def test_module_config_prints_lines_as_the_page_has_them(self):
        text = section("## Your own httpd")
        self.assertIn("venv/bin/wsgi-express module-config\n", text)
        printed = self.command("module-config").stdout
        for directive in ("LoadModule wsgi_module", "WSGIPythonHome"):
            self.assertRegex(printed, f"(?m)^{directive} /")
            self.assertRegex(text, f"(?m)^{directive} /srv/hello/venv")

    def follow(self, text: str) -> dict[str, int]:
        """Does what the blocks of a section say, and tells how often it did what."""
        self.server, self.followed, self.answer = None, {}, ""
        for language, block in BLOCK.findall(text):
            if language == "python":
                name, _, code = block.partition("\n")
                path = self.place / name.removeprefix("# ")
                # A file that a command has written gets these lines at its end.
                self.file(str(path.relative_to(self.place)), (path.read_text() if path.exists() else "") + code)
            elif language == "sh":
                for line in block.splitlines():
                    self.run_line(line)
            elif language == "text":
                self.assertTrue(block in self.answer + "\n", f"{block!r} is not in {self.answer:.2000}")
        if self.server:
            self.server.stop()
        return self.followed

    def run_line(self, line: str) -> None:
        words = shlex.split(line)
        if words[0] in ("cd", "mkdir") or "=$(make -s " in line:
            return
        if words[1:3] == ["-m", "venv"] or words[0] == "venv/bin/pip":
            self.assertTrue(words[1] == "-m" or words[2] in INSTALLED, line)
            return
        if words[0] == "curl":
            self.count("curl")
            (address,) = (word for word in words if word.startswith("http://127.0.0.1:8000/"))
            self.answer = self.server.text(address.removeprefix("http://127.0.0.1:8000"))
            return
        command = [str(self.python), *PROGRAMS[words[0]], *words[1:]]
        (what,) = (word for word in words if word in WHAT)
        self.count(what)
        if WHAT[what]:
            at = command.index(what) + 1
            self.server = Server(self, command[at:], {}, command=command[:at])
            self.addCleanup(self.server.kill)
            self.server.wait_until_it_listens()
        else:
            subprocess.run(command, cwd=self.place, check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["chmod", "-R", "go+rX", self.place], check=True)

    def count(self, what: str) -> None:
        self.followed[what] = self.followed.get(what, 0) + 1


def section(heading: str) -> str:
    """The text below a heading, up to the next one."""
    text = PAGE.read_text().split(f"\n{heading}\n")[1]
    return re.split(r"^#{2,3} ", text, maxsplit=1, flags=re.MULTILINE)[0]


if __name__ == "__main__":
    unittest.main()
