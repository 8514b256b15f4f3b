#!/usr/bin/python3
"""Makes what shows docs/performance/results.json: tables and pictures in docs/performance, and the figures that README.md and
docs/speed.md quote.

    python3 benches/plot.py            writes them (`make figures`)
    python3 benches/plot.py --check    ends with 1 if a file is not what would be written; a test asks for it

In documents the figures stand between `<!-- figures: NAME -->` and `<!-- end of figures -->`. Nothing is measured here.
"""

import argparse
import pathlib
import re
import sys

import charts
import report
import results
import targets

PROJECT = pathlib.Path(__file__).parent.parent
RESULTS = "docs/performance/results.json"
PAGE = "docs/performance/README.md"
QUOTING = ("README.md", "docs/speed.md")
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->\n)", re.DOTALL)
NOTHING = "No figures of this version are recorded yet.\n"
# What bars show, in their order; what a run has not measured is left out.
BARS = {
    "requests": ("Requests per second", "rate", ("hello", "browser", "flask", "django", "fib"), "more is better"),
    "cpu": ("Server CPU for a request, µs", "cpu_us", ("hello", "browser", "flask"), "less is better"),
    "transfer": ("Bodies per second", "rate", ("up", "down-block", "down-chunks", "down-file", "down-small-list"), "more is better"),
}
# The reader's first table: workloads, and variants as columns.
SUMMARY = ("hello", "browser", "flask", "django", "fib", "down-chunks")
SUMMARY_VARIANTS = ("ours-ft", "ours-gil", "ours-daemon-ft", "granian-ft", "mod_wsgi-ft", "gunicorn-ft", "waitress-ft")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, end with 1 if something would change")
    parser.add_argument("--project", type=pathlib.Path, default=PROJECT, help="the directory with README.md and docs")
    arguments = parser.parse_args()
    runs = [results.Run(run) for run in results.read(arguments.project / RESULTS)]
    made = made_from(runs, arguments.project)
    differing = [path for path, text in made.items() if not is_there(arguments.project / path, text)]
    if arguments.check:
        for path in differing:
            print(f"{path} is not what {RESULTS} says: run make figures")
        return 1 if differing else 0
    for path in differing:
        (arguments.project / path).parent.mkdir(parents=True, exist_ok=True)
        (arguments.project / path).write_text(made[path])
        print(f"wrote {path}")
    return 0


def is_there(path, text):
    return path.exists() and path.read_text() == text


def made_from(runs, project):
    """`{path: text}` of all files that show figures."""
    made = pictures(runs)
    made[PAGE] = page(runs, list(made))
    for name in QUOTING:
        path = project / name
        if path.exists():
            made[name] = BLOCK.sub(lambda found: found[1] + block(found[2], runs) + found[3], path.read_text())
    return made


def block(name, runs):
    """The text of a block in a document; the first run speaks for the project."""
    blocks = {"summary": summary, "targets": targets_block, "source": source}
    if name not in blocks:
        raise RuntimeError(f"there are no figures called {name}")
    return blocks[name](runs[0]) if runs else NOTHING


def source(run):
    return report.machine_line(run) + "\n"


def summary(run):
    """Requests per second, medians."""
    there = [
        name for name in SUMMARY_VARIANTS if any(run.record(workload, name) for workload in SUMMARY)
    ]
    rows = []
    for name in SUMMARY:
        rates = [run.median(name, variant, "rate") for variant in there]
        if any(rate is not None for rate in rates):
            rows.append([report.workloads.BY_NAME[name].title, *(report.number(rate) for rate in rates)])
    table = report.Table("", ["requests/s", *map(run.title, there)], rows)
    return body_of(table)


def targets_block(run):
    return body_of(report.targets_table([figure for figure in targets.figures(run) if figure.measured is not None]))


def body_of(table):
    """The table without its title."""
    return "\n".join(table.markdown().split("\n")[2:])


def page(runs, drawn):
    lines = [
        "# Measured",
        "",
        f"Made from `{RESULTS}` by `benches/plot.py`. [speed.md](../speed.md) says what is measured, and how.",
        "A cell is the median of the rounds, with the lowest and the highest in parentheses.",
        "",
    ]
    if not runs:
        lines += [NOTHING]
    for run in runs:
        lines += [f"## Python {run.run['label']}", "", report.machine_line(run), ""]
        for path in drawn:
            name = pathlib.Path(path).name
            if name.endswith(f"-{run.run['label']}.svg"):
                lines += [f"![{title_of(name)}]({name})", ""]
        lines += [report.targets_table(targets.figures(run)).markdown()]
        lines += [table.markdown() for table in report.tables(run)]
        for record in run.errors():
            error = record["error"].splitlines()[0].replace("|", "\\|")
            lines += [f"No result: {record['workload']}, {run.title(record['variant'])}, {record['load']} loop: {error}", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def title_of(name):
    kind = name.partition("-")[0]
    return BARS[kind][0] if kind in BARS else "Latency against load"


def pictures(runs):
    made = {}
    for run in runs:
        for kind, (title, field, names, better) in BARS.items():
            groups = bar_groups(run, field, names)
            if groups:
                made[picture(kind, run)] = charts.bars(f"{title} ({better})", groups)
        lines = latency_lines(run)
        if lines:
            title = "fib(17), open loop: p99 from the moment a request was due"
            made[picture("latency", run)] = charts.lines(title, "requests/s asked for", "p99, ms", lines)
    return made


def picture(kind, run):
    return f"docs/performance/{kind}-{run.run['label']}.svg"


def bar_groups(run, field, names):
    """`[(workload, [(variant, median, lowest, highest)])]`."""
    groups = []
    for name in names:
        bars = []
        for record in report.records(run, name):
            samples = run.samples(name, record["variant"], field) if record["load"] == results.CLOSED else []
            if samples:
                middle = run.median(name, record["variant"], field)
                bars.append((run.title(record["variant"]), middle, min(samples), max(samples)))
        if bars:
            groups.append((report.workloads.BY_NAME[name].title, bars))
    return groups


def latency_lines(run):
    """`{variant: [(asked rate, p99)]}` of those with several loads."""
    found = {}
    for record in report.records(run, "overload"):
        if record["load"] != results.CLOSED and run.record("overload", record["variant"], record["load"]):
            point = [run.median("overload", record["variant"], name, record["load"]) for name in ("asked_rate", "p99_ms")]
            found.setdefault(run.title(record["variant"]), []).append(tuple(point))
    return {name: sorted(points) for name, points in found.items() if len(points) > 1}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, OSError) as error:
        sys.exit(f"plot: {error}")
