"""What a benchmark needs beside httpd: a virtual environment for each Python, the programs in C, the applications' data.

Environments are kept outside the tree for the next run; everything else goes into the run's own directory.
"""

import functools
import importlib.metadata
import pathlib
import shutil
import sqlite3
import subprocess

HERE = pathlib.Path(__file__).parent
SETUP = HERE.parent / "setup"
LARGE = 10 * 1024 * 1024
BOOKS_A_YEAR = 40
YEARS = range(2000, 2025)


@functools.cache
def virtual_environment(python):
    """The path of one with benches/requirements.txt in it; makes it if it is not there yet."""
    files = [HERE / "requirements.txt", HERE / "requirements-if-wheel.txt"]
    done = subprocess.run([SETUP / "venv.sh", python, *files], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"no virtual environment for {python}:\n{done.stderr}")
    return pathlib.Path(done.stdout.strip())


def has_program(python, name):
    return (virtual_environment(python) / "bin" / name).exists()


def package_versions(python):
    """`{"flask": "3.1.3", ...}` of what benches/requirements.txt names, as it is installed for this Python."""
    (packages,) = virtual_environment(python).glob("lib/python*/site-packages")
    wanted = ("django", "flask", "granian", "gunicorn", "waitress")
    found = importlib.metadata.distributions(path=[str(packages)])
    versions = {distribution.metadata["Name"].lower(): distribution.version for distribution in found}
    return {name: versions[name] for name in wanted if name in versions}


def build_null_handler(root):
    place = root / "null"
    place.mkdir()
    shutil.copy(HERE / "null_handler.c", place)
    run(["apxs", "-c", "null_handler.c"], place)
    return place / ".libs" / "null_handler.so"


def build_generator(root):
    program = root / "generator"
    run(["cc", "-O2", "-o", program, HERE / "generator.c", "-lm"], root)
    return program


def run(command, place):
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def copy_applications(root):
    """The applications with what they read; httpd's children may be another user, who has to read them as well."""
    place = root / "apps"
    shutil.copytree(HERE / "apps", place, copy_function=shutil.copy, ignore=shutil.ignore_patterns("__pycache__"))
    (place / "large.bin").write_bytes(bytes(LARGE))
    make_library(place / "library.sqlite3")
    place.chmod(0o755)
    for file in place.iterdir():
        file.chmod(0o644)
    return place


def make_library(path):
    """The two tables of benches/apps/django_page.py."""
    database = sqlite3.connect(path)
    database.execute("create table author (id integer primary key, name text not null)")
    database.execute(
        "create table book (id integer primary key, title text not null, year integer not null, price real not null,"
        " author_id integer not null references author (id))"
    )
    database.execute("create index book_of_year on book (year, title)")
    database.executemany("insert into author (name) values (?)", [(f"Author {number}",) for number in range(100)])
    books = [
        (f"book {number} of {year}", year, 5 + number / 4, 1 + (year + number * 7) % 100)
        for year in YEARS
        for number in range(BOOKS_A_YEAR)
    ]
    database.executemany("insert into book (title, year, price, author_id) values (?, ?, ?, ?)", books)
    database.commit()
    database.close()
