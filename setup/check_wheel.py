"""Checks that a wheel can be installed where there is no compiler: what it holds, and what its module needs of the system.

    python setup/check_wheel.py mod_wsgi_rs-*.whl

Run by setup/wheel.sh with the Python that the wheel is for. The module may need the C library, the compiler's run-time
library and libpython, which the dynamic loader finds in the system's directories or, for a Python elsewhere, by the
directory of that Python's libpython in the module (RUNPATH). It takes what it uses of httpd and APR from the httpd that
loads it. Prints what it has found, or the faults, with exit status 1.
"""

import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

# The parts of glibc, and gcc's run-time library, which Rust unwinds with.
ALLOWED = re.compile(r"libc\.so\.6|libm\.so\.6|libgcc_s\.so\.1|ld-linux-[\w-]+\.so\.\d")
# What httpd, APR and Python export. Anything else that is undefined has to come from a library above.
OF_HOST = re.compile(r"ap_|apr_|unixd_|_?Py|__gmon_start__$|_ITM_|__cxa_finalize$")
PROGRAM = ".data/scripts/wsgictl"
HOLDS = ("command.py", "application.py", "django/management/commands/runmodwsgi.py")


def main(wheel: str) -> int:
    with tempfile.TemporaryDirectory() as directory, zipfile.ZipFile(wheel) as archive:
        faults = faults_of_contents(archive.namelist())
        for name in archive.namelist():
            if name.endswith(".so"):
                faults += faults_of_module(Path(archive.extract(name, directory)))
                print(f"{name}: {facts(Path(directory, name))}")
            if name.endswith(PROGRAM):
                faults += faults_of_program(Path(archive.extract(name, directory)))
    for fault in faults:
        print(f"{Path(wheel).name}: {fault}")
    return int(bool(faults))


def faults_of_contents(names: list[str]) -> list[str]:
    expected = [f"mod_wsgi_rs/{name}" for name in HOLDS]
    expected.append("mod_wsgi_rs/mod_wsgi" + sysconfig.get_config_var("EXT_SUFFIX"))
    faults = [f"{name} is missing" for name in expected if name not in names]
    if not any(name.endswith(PROGRAM) for name in names):
        faults.append("wsgictl is missing")
    libraries = [name for name in names if ".so" in name and name != expected[-1]]
    return faults + [f"{name} does not belong here" for name in libraries]


def faults_of_module(path: Path, python: dict | None = None) -> list[str]:
    """What the module needs and may not. `python` are the variables of sysconfig, of this Python if not given."""
    variables = python or sysconfig.get_config_vars()
    library = variables["INSTSONAME"]
    faults = []
    for needed in dynamic(path, "NEEDED"):
        if needed != library and not ALLOWED.fullmatch(needed):
            faults.append(f"the module needs {needed}, which a system with httpd alone may not have")
    for directory in ":".join(dynamic(path, "RUNPATH") + dynamic(path, "RPATH")).split(":"):
        if directory and directory != variables["LIBDIR"]:
            faults.append(f"the module looks for libraries in {directory}")
    foreign = [name for name in undefined(path) if not OF_HOST.match(name)]
    return faults + [f"the module uses {name}, which neither httpd nor a library that it names has" for name in foreign]


def faults_of_program(path: Path) -> list[str]:
    """wsgictl does without Python: it runs where libpython is the very fault."""
    return [f"wsgictl needs {needed}" for needed in dynamic(path, "NEEDED") if not ALLOWED.fullmatch(needed)]


def facts(path: Path) -> str:
    directories = ", ".join(dynamic(path, "RUNPATH")) or "the system's directories"
    versions = re.findall(r"GLIBC_(\d+)\.(\d+)", readelf("-V", path))
    newest = ".".join(map(str, max((int(major), int(minor)) for major, minor in versions)))
    return f"needs {', '.join(dynamic(path, 'NEEDED'))}; libpython from {directories}; glibc {newest} or newer"


def dynamic(path: Path, kind: str) -> list[str]:
    return re.findall(rf"\({kind}\).*\[(.*)\]", readelf("-d", path))


def undefined(path: Path) -> list[str]:
    """Names that no version binds to a library."""
    rows = [row.split() for row in readelf("--dyn-syms", path).splitlines()]
    return [row[7] for row in rows if len(row) == 8 and row[6] == "UND" and row[4] == "GLOBAL" and "@" not in row[7]]


def readelf(option: str, path: Path) -> str:
    return subprocess.check_output(["readelf", "-W", option, path], text=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
