"""Which workloads and variants a run takes, and for how long: `--quick`, the usual one, `--full`."""

import dataclasses
import fnmatch

import measure
import workloads

ALL = "*"
# One mode of each server.
CONTENDERS = "null ours-ft ours-gil ours-daemon-ft mod_wsgi-ft mod_wsgi-daemon-ft granian-ft gunicorn-ft waitress-ft".split()
OURS = "ours-ft ours-gil ours-daemon-ft ours-daemon-gil".split()


@dataclasses.dataclass(frozen=True)
class Preset:
    """`choices` are pairs: names of workloads, names of variants."""

    help: str
    rounds: int
    seconds: float
    requests: int
    loads: list | None
    choices: tuple


PRESETS = {
    "quick": Preset(
        help="what the targets need, in about 6 minutes",
        rounds=3,
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
            ("overload", ["ours-ft"]),
            ("growth", ["ours-ft", "ours-daemon-ft"]),
        ),
    ),
    "usual": Preset(
        help="each workload with one mode of each server, in about 30 minutes (what is taken if nothing is said)",
        rounds=3,
        seconds=2,
        requests=500_000,
        loads=[0.7, 0.9, 2.0],
        choices=(
            ("hello", [*CONTENDERS, "null-worker", "ours-ft-worker", "ours-daemon-gil"]),
            (ALL, CONTENDERS),
            ("down-file", [*CONTENDERS, "static"]),
            ("growth memory", OURS),
        ),
    ),
    "full": Preset(
        help="everything with everything, in some hours",
        rounds=5,
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
    """Of all choices that fit: the more exact one first, so that `*` is for what no other names."""
    exact = [patterns for names, patterns in choices if name in names.split()]
    general = [patterns for names, patterns in choices if names == ALL]
    return sum(exact or general, [])


def matches(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def serves(name, variant):
    if name in measure.EXTRAS:
        return measure.EXTRAS[name].serves(variant)
    return workloads.BY_NAME[name].serves(variant)
