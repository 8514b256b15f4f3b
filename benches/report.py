"""Results as tables, for a terminal and in Markdown."""

import dataclasses
import statistics

import measure
import workloads
from results import CLOSED


@dataclasses.dataclass(frozen=True)
class Table:
    title: str
    head: list
    rows: list

    def markdown(self):
        rule = ["---"] + ["---:"] * (len(self.head) - 1)
        lines = [f"| {' | '.join(row)} |" for row in [self.head, rule, *self.rows]]
        return "\n".join([f"### {self.title}", "", *lines, ""])

    def text(self):
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        ruled = [self.head, ["-" * width for width in widths], *self.rows]
        lines = ["  ".join(self.aligned(row, widths)).rstrip() for row in ruled]
        return "\n".join([self.title, *("  " + line for line in lines), ""])

    @staticmethod
    def aligned(row, widths):
        return [cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(zip(row, widths))]


def tables(run):
    """Of each workload its closed and its open loop; then what is no workload."""
    found = []
    for workload in workloads.ALL:
        found += [closed_table(run, workload), open_table(run, workload), calls_table(run, workload)]
    found += [extra_table(run, extra) for extra in measure.EXTRAS.values()]
    return [table for table in found if table.rows]


def records(run, name):
    return [record for record in run.run["records"] if record["workload"] == name]


def closed_table(run, workload):
    rows = []
    for record in records(run, workload.name):
        if record["load"] == CLOSED and run.record(workload.name, record["variant"]):
            rows.append([run.title(record["variant"]), *closed_cells(run, workload.name, record["variant"])])
        elif record["load"] == CLOSED:
            rows.append([run.title(record["variant"]), "no result", *[""] * 6])
    head = ["", "requests/s", "server CPU, µs/request", "p50, ms", "p99, ms", "p99.9, ms", "memory at rest, MiB", "after, MiB"]
    return Table(f"{workload.title}: {workload.connections} connections, closed loop", head, rows)


def closed_cells(run, workload, variant):
    shown = ("rate", "cpu_us", "p50_ms", "p99_ms", "p999_ms")
    cells = [median_and_spread(run.samples(workload, variant, name)) for name in shown]
    memory = [run.median(workload, variant, name) / 1024 for name in ("pss_at_rest_kib", "pss_after_kib")]
    return cells + [number(value) for value in memory]


def open_table(run, workload):
    rows = []
    for record in records(run, workload.name):
        load = record["load"]
        if load != CLOSED and run.record(workload.name, record["variant"], load):
            rows.append([run.title(record["variant"]), load.removeprefix("open "), *open_cells(run, record)])
    head = ["", "x capacity", "asked/s", "served/s", "p50, ms", "p99, ms", "p99.9, ms", "refused", "p99 of refusals, ms"]
    slow = ", the short requests" if workload.slow_every else ""
    return Table(f"{workload.title}: open loop{slow}", head, rows)


def open_cells(run, record):
    key = record["workload"], record["variant"]
    shown = ("asked_rate", "rate", "p50_ms", "p99_ms", "p999_ms")
    cells = [median_and_spread(run.samples(*key, name, record["load"])) for name in shown]
    refused = sum(run.samples(*key, "refused", record["load"])) + sum(run.samples(*key, "failed", record["load"]))
    return [*cells, str(refused), number(run.median(*key, "refused_p99_ms", record["load"])) if refused else "-"]


def calls_table(run, workload):
    traced = [record for record in records(run, workload.name) if "system_calls" in record]
    names = sorted({name for record in traced for name in record["system_calls"]})
    rows = []
    for name in sorted(names, key=lambda name: -max(record["system_calls"].get(name, 0) for record in traced)):
        counts = [record["system_calls"].get(name, 0) for record in traced]
        if max(counts) >= 0.01:
            rows.append([name, *(f"{count:.2f}" for count in counts)])
    if rows:
        rows.append(["all", *(f"{sum(record['system_calls'].values()):.2f}" for record in traced)])
    return Table(f"{workload.title}: system calls per request", ["", *(record["variant"] for record in traced)], rows)


def extra_table(run, extra):
    found = [record for record in records(run, extra.name) if run.record(extra.name, record["variant"])]
    if not found:
        return Table(extra.title, [], [])
    if extra.name == "growth":
        rows = [[run.title(record["variant"]), *growth_cells(record["samples"])] for record in found]
        return Table(f"{extra.title}, MiB", ["", "requests", "after a tenth", "in the middle", "at the end"], rows)
    if extra.name == "waits":
        rows = [
            [f"{run.title(record['variant'])}, {sample['clients']} clients", f"{sample['futex']:.3f}", f"{sample['sched_yield']:.3f}"]
            for record in found
            for sample in record["samples"]
        ]
        return Table(extra.title, ["", "futex", "sched_yield"], rows)
    if extra.name == "adapter":
        rows = [
            [str(sample["threads"]), number(sample["rate"]), f"{sample['futex']:.3f}", f"{sample['sched_yield']:.3f}"]
            for record in found
            for sample in record["samples"]
        ]
        return Table(extra.title, ["threads", "requests/s", "futex per request", "sched_yield per request"], rows)
    names = list(found[0]["samples"][0])
    rows = [
        [run.title(record["variant"]), *(number(run.median(extra.name, record["variant"], name)) for name in names)]
        for record in found
    ]
    return Table(extra.title, ["", *names], rows)


def growth_cells(samples):
    moments = (samples[0], samples[len(samples) // 2], samples[-1])
    return [f"{samples[-1]['requests']:,}", *(f"{sample['pss_kib'] / 1024:.2f}" for sample in moments)]


def targets_table(figures):
    return Table("Targets", ["", "measured", "target", "reached"], [figure.row() for figure in figures])


def number(value):
    """Three digits that count, and no more of them than the spread of a window deserves."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def median_and_spread(samples):
    """`median (lowest to highest)`."""
    middle, low, high = (number(value) for value in (statistics.median(samples), min(samples), max(samples)))
    return f"{middle} ({low} to {high})" if len(samples) > 1 else middle


def machine_line(run):
    machine = run.run["machine"]
    pythons = "; ".join(
        f"Python {python['version'].split()[0]} ({label}) with {packages(python)}"
        for label, python in run.run["pythons"].items()
    )
    return (
        f"{run.run['when']}, commit {run.run['commit']}: {machine['processor']}, {machine['cores']} cores,"
        f" Linux {machine['kernel']}, {machine['httpd']}, load {machine['load_before']:.2f} before; {pythons};"
        f" {run.run['rounds']} rounds of {run.run['seconds']:g} s: {run.run['command']}"
    )


def packages(python):
    return ", ".join(f"{name} {version}" for name, version in python["packages"].items())
