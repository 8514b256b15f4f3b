"""What the project wants to reach, as figures out of the results of one run."""

import dataclasses

import results


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number and its limit; `measured` is `None` where the run has not measured it."""

    name: str
    measured: float | None
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def ok(self):
        if self.measured is None:
            return None
        return self.measured <= self.at_most if self.at_most is not None else self.measured >= self.at_least

    @property
    def target(self):
        return f"at most {self.at_most:g}{self.unit}" if self.at_most is not None else f"at least {self.at_least:g}{self.unit}"

    def row(self):
        measured = "not measured" if self.measured is None else f"{self.measured:.2f}{self.unit}"
        return [self.name, measured, self.target, {True: "yes", False: "no", None: "-"}[self.ok]]


def figures(run: results.Run):
    return [
        *cpu_against_null(run),
        *waits(run),
        *against_others(run),
        *bodies(run),
        *cores(run),
        *overload(run),
        *memory(run),
    ]


def ratio(above, below):
    return above / below if above is not None and below else None


def cpu_against_null(run):
    """Server CPU per request, against the null handler of the same MPM."""
    limits = {
        "ours-ft": 1.15,
        "ours-ft-worker": 1.15,
        "ours-gil": 1.35,
        "ours-daemon-ft": 1.6,
        "ours-daemon-gil": 1.75,
    }
    for variant, limit in limits.items():
        null = "null-worker" if variant.endswith("-worker") else "null"
        measured = ratio(run.median("hello", variant, "cpu_us"), run.median("hello", null, "cpu_us"))
        yield Figure(f"server CPU per request, 13 bytes, {run.title(variant)}, against the null handler", measured, at_most=limit)


def waits(run):
    """"None": what a garbage collection now and then may cost, and no more; of 1 to 64 clients the worst."""
    for call in ("futex", "sched_yield"):
        worst = max(run.samples("waits", "ours-ft", call), default=None)
        yield Figure(f"{call} of the module per request, without the GIL", worst, at_most=0.05)


def against_others(run):
    for workload in ("hello", "browser"):
        measured = ratio(run.median(workload, "ours-ft", "rate"), run.median(workload, "granian-ft", "rate"))
        yield Figure(f"requests/s, {workload}, event MPM, against granian", measured, at_least=1.1)
    for workload in ("flask", "django"):
        for other, limit in (("granian-ft", 1.1), ("mod_wsgi-ft", 1.3)):
            measured = ratio(run.median(workload, "ours-ft", "rate"), run.median(workload, other, "rate"))
            yield Figure(f"requests/s, {workload}, against {run.title(other)}", measured, at_least=limit)
            ours, theirs = (run.median(workload, variant, "p99_ms", "open 0.7") for variant in ("ours-ft", other))
            yield Figure(f"p99 at 70 % load, {workload}, against {run.title(other)}", ratio(ours, theirs), at_most=1)


def bodies(run):
    listed, one = (run.median(name, "ours-ft", "rate") for name in ("down-small-list", "down-small-one"))
    yield Figure("requests/s, a list of 20,000 blocks of 50 bytes, against one block", ratio(listed, one), at_least=0.5)
    ours, null = (run.median("down-chunks", variant, "rate") for variant in ("ours-ft", "null"))
    yield Figure("requests/s, 10 MiB in pieces of 64 KiB, against a C handler", ratio(ours, null), at_least=0.9)
    ours, static = (run.median("down-file", variant, "rate") for variant in ("ours-ft", "static"))
    yield Figure("requests/s, 10 MiB by wsgi.file_wrapper, against httpd's own file", ratio(ours, static), at_least=0.9)


def cores(run):
    free, locked = (run.median("fib", variant, "rate") for variant in ("ours-ft", "ours-gil"))
    yield Figure("requests/s, fib(17), free-threaded against the GIL", ratio(free, locked), at_least=1.95)


def overload(run):
    for variant in ("ours-ft", "ours-daemon-ft", "ours-daemon-ft-shed"):
        twice, full = (run.median("overload", variant, "p99_ms", f"open {part:g}") for part in (2.0, 0.9))
        yield Figure(f"p99 of what is served at twice the capacity, {run.title(variant)}, against 90 %", ratio(twice, full), at_most=2)


def memory(run):
    for variant in ("ours-ft", "ours-gil", "ours-daemon-ft", "ours-daemon-gil"):
        yield Figure(f"growth over many requests, {run.title(variant)}", growth(run, variant), " MiB", at_most=0.5)
    for name in ("upload_mib", "download_mib"):
        measured = run.median("memory", "ours-ft", name)
        yield Figure(f"memory that a large {name.partition('_')[0]} adds", measured, " MiB", at_most=8)


def growth(run, variant):
    """From the middle to the end: what is filled once is full by then."""
    samples = run.samples("growth", variant, "pss_kib")
    return (samples[-1] - samples[len(samples) // 2]) / 1024 if len(samples) > 2 else None
