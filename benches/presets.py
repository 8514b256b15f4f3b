"""Which workloads and variants a run takes, and for how long: `--quick`, the usual one, `--full`."""

import dataclasses
import fnmatch

import measure
import workloads

ALL = "*"
# One mode of each server.
CONTENDERS = "ours-ft ours-gil ours-daemon-ft mod_wsgi-ft mod_wsgi-daemon-ft granian-ft gunicorn-ft waitress-ft".split()
OURS = "ours-ft ours-gil ours-daemon-ft ours-daemon-gil".split()
BEST = "ours-ft ours-gil ours-daemon-ft mod_wsgi-ft granian-ft gunicorn-ft".split()
NULLS = ["null", "null-worker", "static"]


@dataclasses.dataclass(frozen=True)
class Preset:
    """`choices` are pairs: names of workloads, names of variants; a workload takes what the first pair with its name says.

    `opened` names the workloads that run in the open loop too, `traced` those whose system calls are counted.
    """

    help: str
    rounds: int
    open_rounds: int
    seconds: float
    requests: int
    loads: list | None
    choices: tuple
    opened: str = ALL
    traced: str = ALL


PRESETS = {
    "quick": Preset(
        help="what the targets need, in about 6 minutes",
        rounds=3,
        open_rounds=1,
        seconds=2,
        requests=200_000,
        loads=[0.7, 0.9, 2.0],
        choices=(
            ("hello", ["null", "null-worker", *OURS, "ours-ft-worker", "granian-ft"]),
            ("browser", ["null", "ours-ft", "granian-ft"]),
            ("flask django", ["ours-ft", "granian-ft", "mod_wsgi-ft"]),
            ("fib", ["ours-ft", "ours-gil"]),
            ("down-small-one down-small-list", ["ours-ft"]),
            ("down-chunks", ["null", "ours-ft"]),
            ("overload", ["ours-ft", "ours-daemon-ft-shed"]),
            ("growth", ["ours-ft", "ours-daemon-ft"]),
        ),
        opened="flask django overload",
        traced="hello",
    ),
    "usual": Preset(
        help="the main workloads with one mode of each server, in about 15 minutes (what is taken if nothing is said)",
        rounds=3,
        open_rounds=1,
        seconds=2,
        requests=300_000,
        loads=[0.7, 0.9, 2.0],
        choices=(
            ("hello", ["null", "null-worker", *OURS, "ours-ft-worker", "mod_wsgi-ft", "granian-ft", "gunicorn-ft", "waitress-ft"]),
            ("browser flask django", ["null", *BEST]),
            ("fib", BEST),
            ("down-small-one down-small-list", ["ours-ft", "granian-ft", "mod_wsgi-ft"]),
            ("down-chunks", ["null", "ours-ft", "ours-daemon-ft", "granian-ft", "mod_wsgi-ft"]),
            ("down-file", ["static", "ours-ft", "granian-ft", "mod_wsgi-ft"]),
            ("mixed", ["ours-ft", "ours-gil", "granian-ft"]),
            ("overload", ["ours-ft", "ours-daemon-ft", "ours-daemon-ft-shed", "granian-ft"]),
            ("waits memory", ["ours-ft"]),
            ("growth", OURS),
        ),
        opened="flask django mixed overload",
        traced="hello",
    ),
    "long": Preset(
        help="each workload with one mode of each server, in about an hour",
        rounds=3,
        open_rounds=2,
        seconds=2,
        requests=1_000_000,
        loads=None,
        choices=(
            ("hello", [*NULLS, *CONTENDERS, *OURS, "ours-ft-worker", "ours-build", "proxy-*-ft"]),
            ("growth memory", OURS),
            ("overload", [*CONTENDERS, "ours-daemon-ft-shed", "ours-daemon-gil-shed"]),
            (ALL, [*NULLS, *CONTENDERS]),
        ),
        traced="hello browser flask",
    ),
    "full": Preset(
        help="everything with everything, in a night",
        rounds=5,
        open_rounds=3,
        seconds=3,
        requests=2_000_000,
        loads=None,
        choices=((ALL, [ALL]),),
    ),
}


def plan(preset, workload_patterns, variant_patterns, there):
    """`[(name of a workload, its variants)]`, in the order in which they are to be measured."""
    choices = PRESETS[preset].choices
    has_free_threading = any(variant.name == "ours-ft" for variant in there)
    found = []
    for name in [*workloads.BY_NAME, *measure.EXTRAS]:
        if workload_patterns and not matches(name, workload_patterns):
            continue
        patterns = variant_patterns or patterns_for(name, choices) or (CONTENDERS if workload_patterns else [])
        if not has_free_threading:
            patterns = [pattern.replace("-ft", "-gil") for pattern in patterns]
        chosen = [variant for variant in there if matches(variant.name, patterns) and serves(name, variant)]
        if chosen:
            found.append((name, chosen))
    unknown = [word for word in workload_patterns or [] if not any(fnmatch.fnmatch(name, word) for name, _ in found)]
    if unknown or not found:
        raise RuntimeError(f"nothing to measure for {', '.join(unknown) or 'these names'}: see --list")
    return found


def patterns_for(name, choices):
    return next((patterns for names, patterns in choices if matches(name, names.split())), [])


def matches(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def serves(name, variant):
    if name in measure.EXTRAS:
        return measure.EXTRAS[name].serves(variant)
    return workloads.BY_NAME[name].serves(variant)
