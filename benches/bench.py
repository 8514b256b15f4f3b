#!/usr/bin/python3
"""Measures the module against a C handler that answers from memory (and, with --peer, against mod_wsgi).

Needs apxs, wrk and strace, and in the environment MOD_WSGI_MODULE (the shared object) and MOD_WSGI_PYTHON (the
interpreter it was built against); `make bench` sets them. Servers listen on 127.0.0.1 only and are stopped at the end
of each window. Ends with 1 if something broke, or if a target was missed and --check was given.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import load
import measure
import peer
import report
import variants
from server import Httpd, httpd_program

MEASUREMENTS = {
    "hello": measure.hello,
    "syscalls": measure.syscalls,
    "cpu-bound": measure.cpu_bound,
    "memory": measure.memory,
    "file": measure.file,
}

HERE = pathlib.Path(__file__).parent


class Bench:
    """What every measurement needs: the variants, how long to look at them, and a way to serve one."""

    def __init__(self, root, chosen, rounds, seconds):
        self.root = root
        self.variants = chosen
        self.rounds = rounds
        self.seconds = seconds

    def wsgi_variants(self):
        return [variant for variant in self.variants if variant.name != variants.NULL]

    @contextlib.contextmanager
    def serve(self, variant, application, path="/"):
        """A running httpd of that variant that has answered one request for `path`, in the right GIL mode."""
        lines = variant.configuration(self.root / "apps" / application)
        with Httpd(self.root / "server", lines, variant.processes) as server:
            try:
                load.get(server.port, path)
                if not variant.shows_its_mode_in(server.error_log()):
                    raise RuntimeError("the application did not run in the GIL mode that was configured")
                yield server
            except Exception as error:
                raise RuntimeError(f"{variant.name}, {application}: {error}\n{server.error_log()}") from error


def main():
    arguments = parse_arguments()
    # A polite end stops the servers as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    machine = report.machine(arguments.python, httpd_program())
    with tempfile.TemporaryDirectory(prefix="mod_wsgi-bench-") as directory:
        root = pathlib.Path(directory)
        # As root, httpd's children are another user: they must be able to read the applications.
        root.chmod(0o755)
        shutil.copytree(HERE / "apps", root / "apps", copy_function=shutil.copy)
        (root / "apps" / measure.FILE).write_bytes(bytes(measure.MIB))
        make_readable(root / "apps")
        bench = Bench(root, choose_variants(root, arguments), arguments.rounds, arguments.seconds)
        tables, figures = measured(bench, arguments.only or list(MEASUREMENTS))

    show = report.Table.markdown if arguments.markdown else report.Table.text
    print(machine, end="\n\n")
    for table in [*tables, report.summary(figures)]:
        print(show(table))
    missed = [figure.name for figure in figures if figure.ok is False]
    return 1 if arguments.check and missed else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="windows per variant (default 5)")
    parser.add_argument("--seconds", type=int, default=3, help="length of a window (default 3)")
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="this measurement only; may be repeated")
    parser.add_argument("--peer", action="store_true", help=f"also {peer.NAME.strip()}, built by pip on first use")
    parser.add_argument("--subinterpreter", action="store_true", help="also in a sub-interpreter")
    parser.add_argument("--markdown", action="store_true", help="tables in Markdown")
    parser.add_argument("--check", action="store_true", help="end with 1 if a target is missed")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.seconds < 1:
        parser.error("--rounds and --seconds must be at least 1")
    for name in ("module", "python"):
        path = os.environ.get(f"MOD_WSGI_{name.upper()}")
        if not path or not os.path.exists(path):
            parser.error(f"MOD_WSGI_{name.upper()} must name an existing file ('make bench' sets it)")
        setattr(arguments, name, pathlib.Path(path))
    return arguments


def choose_variants(root, arguments):
    chosen = [variants.Null(build_null_handler(root))]
    chosen += variants.of_module(arguments.module, arguments.python, subinterpreter=arguments.subinterpreter)
    if arguments.peer:
        module = peer.module(arguments.python)
        chosen += variants.of_module(module, arguments.python, peer.NAME, arguments.subinterpreter, supervisor=0)
    return chosen


def build_null_handler(root):
    place = root / "null"
    place.mkdir()
    shutil.copy(HERE / "null_handler.c", place)
    built = subprocess.run(["apxs", "-c", "null_handler.c"], cwd=place, capture_output=True, text=True)
    if built.returncode != 0:
        raise RuntimeError(f"apxs could not build the null handler:\n{built.stdout}{built.stderr}")
    return place / ".libs" / "null_handler.so"


def make_readable(directory):
    directory.chmod(0o755)
    for file in directory.iterdir():
        file.chmod(0o644)


def measured(bench, names):
    tables, figures = [], []
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        more_tables, more_figures = MEASUREMENTS[name](bench)
        tables += more_tables
        figures += more_figures
    return tables, figures


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error}")
