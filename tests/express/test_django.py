"""`manage.py runmodwsgi` serves the example's site, with its static files, by httpd."""

import os
import shutil
import subprocess
import unittest
from pathlib import Path

from support import Installed, Server

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "django"
SETTINGS = """
from project.settings import *

INSTALLED_APPS += ["mod_wsgi_rs.django"]
STATIC_URL = "/assets/"
STATIC_ROOT = {static!r}
WSGI_APPLICATION = "front.application"
"""


class Django(Installed):
    def setUp(self):
        super().setUp()
        site = self.place / "site"
        shutil.copytree(EXAMPLE, site)
        self.static = self.place / "static"
        (site / "served.py").write_text(SETTINGS.format(static=str(self.static)))
        (site / "front.py").write_text((site / "app.wsgi").read_text())
        self.manage = [str(self.python), str(site / "manage.py")]
        # Each user who runs a command has a database of his own there.
        self.environment = {"DJANGO_SETTINGS_MODULE": "served", "TMPDIR": str(self.place)}

    def test_a_project_is_served_with_its_static_files(self):
        env = {**os.environ, **self.environment}
        collect = [*self.manage, "collectstatic", "--noinput", "-v", "0"]
        subprocess.run(collect, check=True, env=env)
        subprocess.run(["chmod", "-R", "go+rX", self.static], check=True)
        server = Server(self, ["--setenv", "A", "b", "--passenv", "PATH"], env, command=[*self.manage, "runmodwsgi"])
        self.addCleanup(server.kill)
        server.wait_until_it_listens()
        self.assertIn("Invisible Cities", server.text("/"))
        self.assertTrue(server.text("/assets/admin/css/base.css"))
        self.assertEqual(server.get("/assets/none.css")[0], 404)
        server.stop()

    def test_a_wrong_option_is_an_error_of_the_command(self):
        env = {**os.environ, **self.environment}
        command = [*self.manage, "runmodwsgi", "--threads", "0"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("CommandError: --threads 0: expected at least 1", done.stderr)


if __name__ == "__main__":
    unittest.main()
