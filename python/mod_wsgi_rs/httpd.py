"""The httpd of this machine: its program, its modules and what is compiled into it. Asked, never assumed."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .errors import Refused

PROGRAMS = ("apache2", "httpd")
# Where distributions and httpd's own build put programs and modules.
PROGRAM_DIRECTORIES = ("/usr/sbin", "/usr/local/apache2/bin", "/usr/local/sbin", "/opt/homebrew/bin")
MODULE_DIRECTORIES = (
    "/usr/lib/apache2/modules",
    "/usr/lib64/httpd/modules",
    "/usr/lib/httpd/modules",
    "/usr/local/apache2/modules",
    "/usr/libexec/apache2",
    "/usr/lib64/apache2",
    "/usr/lib64/apache2/modules",
)
MPMS = ("event", "worker", "prefork")
OLDEST = (2, 4, 48)


@dataclass(frozen=True)
class Httpd:
    program: Path
    modules: Path

    @cached_property
    def version(self) -> tuple[int, int, int]:
        found = re.search(r"Apache/(\d+)\.(\d+)\.(\d+)", self._say("-v"))
        if not found:
            raise Refused(f"{self.program}: not an Apache httpd ('-v' does not name a version)", 1)
        major, minor, patch = map(int, found.groups())
        return major, minor, patch

    @cached_property
    def compiled_in(self) -> frozenset[str]:
        """Modules that need no LoadModule, e.g. `mod_unixd`."""
        return frozenset(re.findall(r"^\s+(\w+)\.c$", self._say("-l"), re.MULTILINE))

    def has(self, name: str) -> bool:
        """Whether there is a module of that name, such as `headers`."""
        return f"mod_{name}" in self.compiled_in or self.file_of(name).is_file()

    def is_compiled_in(self, name: str) -> bool:
        # An MPM that is compiled in is listed without "mod_".
        return f"mod_{name}" in self.compiled_in or name.removeprefix("mpm_") in self.compiled_in

    def file_of(self, name: str) -> Path:
        return self.modules / f"mod_{name}.so"

    def mpm(self, wanted: list[str]) -> str:
        """The first MPM that is there, of those that are wanted (of all if the list is empty)."""
        for name in wanted:
            if name not in MPMS:
                raise Refused(f"--server-mpm {name}: expected one of {', '.join(MPMS)}")
        for name in MPMS:
            if name in self.compiled_in:
                return name
        for name in MPMS:
            if (not wanted or name in wanted) and self.has(f"mpm_{name}"):
                return name
        raise Refused(f"none of the MPMs {', '.join(wanted or MPMS)} is in {self.modules}", 1)

    def _say(self, option: str) -> str:
        try:
            done = subprocess.run([self.program, option], capture_output=True, text=True, check=False)
        except OSError as error:
            raise Refused(f"{self.program}: {error.strerror}", 1) from None
        return done.stdout


def find(executable: str | None, modules: str | None) -> Httpd:
    """The httpd to run. The environment variable HTTPD counts before `executable`.

    Raises `Refused` where there is none, with what to install."""
    program = _program(os.environ.get("HTTPD") or executable)
    return Httpd(program, _modules(modules, program))


def _program(wanted: str | None) -> Path:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *PROGRAM_DIRECTORIES])
    for name in [wanted] if wanted else PROGRAMS:
        if found := shutil.which(name, path=path):
            return Path(found)
    if wanted:
        raise Refused(f"httpd '{wanted}': there is no such program")
    raise Refused("there is no httpd on this machine (Debian: apt install apache2, Fedora: dnf install httpd)", 1)


def _modules(wanted: str | None, program: Path) -> Path:
    if wanted:
        if not Path(wanted).is_dir():
            raise Refused(f"--modules-directory {wanted}: not a directory")
        return Path(wanted)
    beside = [str(program.resolve().parent.parent / "modules")]
    for directory in [*MODULE_DIRECTORIES, *beside]:
        if Path(directory, "mod_authz_core.so").is_file():
            return Path(directory)
    raise Refused("the directory of httpd's modules was not found; name it with --modules-directory", 1)
