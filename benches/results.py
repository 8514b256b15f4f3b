"""The results of a run, as they are written to a file: JSON with the machine, the versions, the command, all samples.

A file holds several runs, one for each label (`3.13t`): a new run takes the place of the one with its label.
"""

import contextlib
import json
import os
import pathlib
import platform
import statistics
import subprocess

FORMAT = 1
CLOSED = "closed"
DIGITS = 4


class Results:
    """What one run has found: a record for each workload, variant and kind of load."""

    def __init__(self, head):
        self.head = head
        self.records = {}

    def record(self, workload, variant, load):
        key = workload, variant, load
        if key not in self.records:
            self.records[key] = {"workload": workload, "variant": variant, "load": load, "samples": []}
        return self.records[key]

    @staticmethod
    def add(record, sample):
        record["samples"].append({name: rounded(value) for name, value in sample.items()})

    def as_json(self):
        return self.head | {"records": list(self.records.values())}


def rounded(value):
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


class Run:
    """A run out of a file, to look things up in."""

    def __init__(self, run):
        self.run = run
        self.records = {(each["workload"], each["variant"], each["load"]): each for each in run["records"]}

    def record(self, workload, variant, load=CLOSED):
        """The record if it is a result: it has samples, and no request failed."""
        record = self.records.get((workload, variant, load))
        return record if record and record["samples"] and "error" not in record else None

    def samples(self, workload, variant, name, load=CLOSED):
        record = self.record(workload, variant, load)
        return [sample[name] for sample in record["samples"]] if record else []

    def median(self, workload, variant, name, load=CLOSED):
        """`None` if it was not measured."""
        samples = self.samples(workload, variant, name, load)
        return statistics.median(samples) if samples else None

    def errors(self):
        return [record for record in self.run["records"] if "error" in record]

    def title(self, variant):
        return self.run["variants"].get(variant, variant)


def read(path):
    """The runs of a file; none if it does not exist."""
    path = pathlib.Path(path)
    if not path.exists():
        return []
    content = json.loads(path.read_text())
    if content["format"] != FORMAT:
        raise RuntimeError(f"{path} has format {content['format']}, this is for {FORMAT}")
    return content["runs"]


def write(path, run, keeps_others=False):
    """Puts the run into the file, in the place of the one with its label, or of that one's workloads that it has measured too.

    What is compared is of one workload, so records of one workload stay together.
    """
    path = pathlib.Path(path)
    runs = read(path)
    at = next((number for number, other in enumerate(runs) if other["label"] == run["label"]), len(runs))
    if keeps_others and at < len(runs):
        run = merged(runs[at], run)
    runs[at : at + 1] = [run]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dumped(runs))


def merged(old, new):
    measured = {record["workload"] for record in new["records"]}
    kept = [record for record in old["records"] if record["workload"] not in measured]
    if not kept:
        return new
    return new | {
        "command": f"{old['command']}; {new['command']}",
        "variants": old["variants"] | new["variants"],
        "pythons": old["pythons"] | new["pythons"],
        "records": kept + new["records"],
    }


def dumped(runs):
    """A record on a line: the file is to be compared with the one before."""
    written = []
    for run in runs:
        head = json.dumps({name: value for name, value in run.items() if name != "records"}, indent=1)
        records = ",\n".join("  " + json.dumps(record) for record in run["records"])
        written.append(head.removesuffix("}").rstrip() + ',\n "records": [\n' + records + "\n ]\n}")
    return '{"format": %d, "runs": [\n%s\n]}\n' % (FORMAT, ",\n".join(written))


def machine(httpd):
    """Where the figures come from, and how busy it was with other things before."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "kernel": platform.release(),
        "httpd": first_line([httpd, "-v"]).removeprefix("Server version: "),
        "load_before": round(os.getloadavg()[0], 2),
    }


def python_version(program):
    return first_line([program, "-c", "import sys; print(sys.version)"])


def label_of(program):
    """`3.13t` for a free-threaded Python 3.13."""
    script = (
        "import sys, sysconfig; print('%d.%d' % sys.version_info[:2]"
        " + ('t' if sysconfig.get_config_var('Py_GIL_DISABLED') else ''))"
    )
    return first_line([program, "-c", script])


def commit(directory):
    """Of the project, with a mark if there are changes; `None` outside of a repository."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return first_line(["git", "-C", directory, "describe", "--always", "--dirty"])
    return None


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def first_line(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]
