"""mod_wsgi itself, built by pip for the same Python and kept outside the tree for the next run."""

import os
import pathlib
import subprocess
import sys

VERSION = "6.1.1"
NAME = f"mod_wsgi {VERSION} "
PREFIX = pathlib.Path(__file__).parent.parent / "setup" / "prefix.sh"


def module(python):
    """The path of mod_wsgi's shared object; builds it if this Python has none yet."""
    tag = subprocess.run(
        [python, "-c", "import sys; print(sys.implementation.cache_tag + getattr(sys, 'abiflags', ''))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    prefix = subprocess.run([PREFIX], check=True, capture_output=True, text=True).stdout.strip()
    place = pathlib.Path(prefix) / f"peer-{VERSION}-{tag}"
    if not list(place.glob("mod_wsgi/server/*.so")):
        build(python, place)
    (found,) = place.glob("mod_wsgi/server/*.so")
    return found


def build(python, place):
    """Into a directory of its own rather than an environment: only the shared object is of use here.

    The Python built from source has no pip, and Debian's is too old for it, so pip comes first, as a
    directory on the import path.
    """
    print(f"building {NAME}into {place}", file=sys.stderr)
    pip = place / "pip"
    install([sys.executable, "-m", "pip"], {}, "--target", pip, "pip")
    install([python, "-m", "pip"], {"PYTHONPATH": str(pip)}, "--target", place, f"mod_wsgi=={VERSION}")


def install(pip, environment, *words):
    done = subprocess.run(
        [*pip, "install", "--quiet", "--disable-pip-version-check", *words],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"pip could not install {words[-1]}:\n{done.stdout}{done.stderr}")
