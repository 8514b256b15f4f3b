#!/usr/bin/python3
"""Measures this module against a C handler that answers from memory, against mod_wsgi and against other servers.

Needs apxs, cc, wrk, h2load, curl and strace, and in the environment MOD_WSGI_MODULE (the shared object) and MOD_WSGI_PYTHON
(the interpreter it was built against), MOD_WSGI_GIL_MODULE and MOD_WSGI_GIL_PYTHON for the build with the GIL; `make bench`
sets them. Servers listen on 127.0.0.1 only and are stopped at the end of each window. Ends with 1 if something broke, or if
a target was missed and --check was given.

docs/speed.md says what is measured and how.
"""

import argparse
import datetime
import functools
import itertools
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile

import environment
import load
import measure
import peer
import presets
import report
import results
import targets
import variants
import workloads
from server import httpd_program

HERE = pathlib.Path(__file__).parent


class Bench:
    """What every measurement needs: how long to look, a way to serve a variant, and where results go."""

    def __init__(self, root, settings, head):
        self.root = root
        self.rounds = settings.rounds
        self.seconds = settings.seconds
        self.warm_up = min(1, settings.seconds)
        self.open_rounds = settings.open_rounds
        self.traced = settings.traced
        self.opened = settings.opened
        self.requests = settings.requests
        self.loads = settings.loads
        self.results = results.Results(head)
        self.generator = environment.build_generator(root)
        self.applications = environment.copy_applications(root)
        self.broken = set()
        self.served = itertools.count(1)

    def serve(self, variant, workload):
        """A running server that has proved its answers."""
        return variants.serving(variant, self.root / f"server{next(self.served)}", self.applications, workload, functools.partial(load.check, workload))

    def loads_of(self, workload):
        if not presets.matches(workload.name, self.opened):
            return []
        return [part for part in workload.loads if self.loads is None or part in self.loads]

    def is_traced(self, workload):
        return presets.matches(workload.name, self.traced)

    def capacity(self, workload, variant):
        record = self.results.records.get((workload.name, variant.name, "closed"))
        return measure.capacity(record) if record and record["samples"] and "error" not in record else None

    def attempt(self, workload, variant, measurement, *arguments, name=None, load=results.CLOSED):
        """A variant that breaks is no result, and the others are measured on. `name` is that of what is no workload."""
        key = name or workload.name, variant.name, measurement
        if key in self.broken:
            return
        try:
            measurement(self, workload, variant, *arguments)
        except (RuntimeError, OSError, subprocess.SubprocessError, ValueError) as error:
            self.broken.add(key)
            self.results.record(name or workload.name, variant.name, load)["error"] = str(error)
            print(f"  no result for {variant.name}: {error}", file=sys.stderr, flush=True)


def main():
    arguments = parse_arguments()
    # A polite end stops the servers as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="mod_wsgi-bench-") as directory:
        root = pathlib.Path(directory)
        # As root, httpd's children are another user: they must be able to read the applications.
        root.chmod(0o755)
        there = all_variants(root, arguments)
        plan = presets.plan(arguments.preset, arguments.workloads, arguments.variants, there)
        if arguments.list:
            print("\n".join(f"{name}: {' '.join(variant.name for variant in chosen)}" for name, chosen in plan))
            return 0
        bench = Bench(root, arguments, head_of(arguments, there))
        carry_out(bench, plan)
    run = bench.results.as_json()
    if arguments.out:
        results.write(arguments.out, run, arguments.add)
    return show(results.Run(run), arguments)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    choice = parser.add_mutually_exclusive_group()
    for name, preset in presets.PRESETS.items():
        choice.add_argument(f"--{name}", dest="preset", action="store_const", const=name, help=preset.help)
    parser.set_defaults(preset="usual")
    parser.add_argument("--workloads", help="names with * and ?, separated by commas, in the place of the preset's")
    parser.add_argument("--variants", help="names with * and ?, separated by commas, in the place of the preset's")
    parser.add_argument("--rounds", type=int, help="windows of each variant")
    parser.add_argument("--open-rounds", type=int, help="windows of each variant and rate in the open loop")
    parser.add_argument("--seconds", type=float, help="length of a window (wrk and h2load take whole seconds)")
    parser.add_argument("--requests", type=int, help="how many the measurement of growth makes")
    parser.add_argument("--loads", help="parts of the capacity for the open loop, separated by commas; 0 for none")
    parser.add_argument("--no-trace", dest="trace", action="store_false", help="do not count system calls")
    parser.add_argument("--out", type=pathlib.Path, help="a file for the results, in the place of those of the same Python")
    parser.add_argument("--add", action="store_true", help="with --out: keep the file's workloads that this run does not measure")
    parser.add_argument("--markdown", action="store_true", help="tables in Markdown")
    parser.add_argument("--check", action="store_true", help="end with 1 if a target is missed")
    parser.add_argument("--list", action="store_true", help="say what would be measured, and end")
    arguments = parser.parse_args()
    preset = presets.PRESETS[arguments.preset]
    for name in ("rounds", "open_rounds", "seconds", "requests"):
        if getattr(arguments, name) is None:
            setattr(arguments, name, getattr(preset, name))
        if getattr(arguments, name) <= 0:
            parser.error(f"--{name.replace('_', '-')} must be more than 0")
    # A workload that is asked for by its name is measured in every way.
    arguments.opened = [presets.ALL] if arguments.workloads or arguments.loads else preset.opened.split()
    arguments.traced = ([presets.ALL] if arguments.workloads else preset.traced.split()) if arguments.trace else []
    arguments.loads = [float(part) for part in arguments.loads.split(",")] if arguments.loads else preset.loads
    for name in ("workloads", "variants"):
        words = getattr(arguments, name)
        setattr(arguments, name, words.split(",") if words else None)
    arguments.python, arguments.gil_python = pythons(parser)
    return arguments


def pythons(parser):
    found = []
    for kind in ("", "GIL_"):
        program, module = (os.environ.get(f"MOD_WSGI_{kind}{name}") for name in ("PYTHON", "MODULE"))
        if not program or not module or not os.path.exists(program) or not os.path.exists(module):
            if not kind:
                parser.error("MOD_WSGI_PYTHON and MOD_WSGI_MODULE must name existing files ('make bench' sets them)")
            found.append(None)
        else:
            found.append(variants.Python.of(pathlib.Path(program), pathlib.Path(module)))
    # PYTHON may be the one with the GIL itself.
    return found[0], found[1] if found[1] and found[1].module != found[0].module else None


def all_variants(root, arguments):
    return variants.all_of(environment.build_null_handler(root), arguments.python, arguments.gil_python)


def head_of(arguments, there):
    """What a reader has to know of a run beside its figures."""
    pythons_there = [python for python in (arguments.python, arguments.gil_python) if python]
    return {
        "label": results.label_of(arguments.python.program),
        "when": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": f'make bench BENCH_ARGS="{shlex.join(without_out(sys.argv[1:]))}"',
        "commit": results.commit(HERE),
        "machine": results.machine(httpd_program()),
        "pythons": {
            results.label_of(python.program): {
                "version": results.python_version(python.program),
                "packages": environment.package_versions(python.program) | {"mod_wsgi": peer.VERSION},
            }
            for python in pythons_there
        },
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "variants": {variant.name: variant.title for variant in there},
    }


def without_out(words):
    """Where the results went says nothing of them."""
    kept = [word for word in words if word != "--add" and not word.startswith("--out=")]
    if "--out" in kept:
        at = kept.index("--out")
        del kept[at : at + 2]
    return kept


def carry_out(bench, plan):
    for number, (name, chosen) in enumerate(plan, 1):
        print(f"{number} of {len(plan)}: {name}, {len(chosen)} variants", file=sys.stderr, flush=True)
        if name in measure.EXTRAS:
            measure.EXTRAS[name].measure(bench, chosen)
        else:
            measure.one_workload(bench, workloads.BY_NAME[name], chosen)


def show(run, arguments):
    text = report.Table.markdown if arguments.markdown else report.Table.text
    print(report.machine_line(run), end="\n\n")
    figures = targets.figures(run)
    for table in [*report.tables(run), report.targets_table(figures)]:
        print(text(table))
    for record in run.errors():
        print(f"no result: {record['workload']}, {record['variant']}: {record['error'].splitlines()[0]}")
    missed = any(figure.ok is False for figure in figures)
    return 1 if run.errors() or (arguments.check and missed) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error}")
