"""Figures, their targets, and the tables that show them."""

import dataclasses
import os
import platform
import statistics
import subprocess


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number with its unit and, where the project has promised one, its limit."""

    name: str
    measured: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def ok(self):
        if self.at_most is not None:
            return self.measured <= self.at_most
        if self.at_least is not None:
            return self.measured >= self.at_least
        return None

    def row(self):
        target = "-"
        if self.at_most is not None:
            target = f"at most {self.at_most:g}{self.unit}"
        if self.at_least is not None:
            target = f"at least {self.at_least:g}{self.unit}"
        verdict = {True: "yes", False: "NO", None: "-"}[self.ok]
        return [self.name, f"{self.measured:.2f}{self.unit}", target, verdict]


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


def summary(figures):
    return Table("Summary", ["figure", "measured", "target", "ok"], [figure.row() for figure in figures])


def median_and_spread(samples, digits=1):
    """`median (lowest to highest)`."""
    shown = [f"{value:.{digits}f}" for value in (statistics.median(samples), min(samples), max(samples))]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def machine(python, httpd):
    """One line that says where the figures come from, and how busy it was with other things before."""
    python_version = first_line([python, "-c", "import sys; print('Python', sys.version)"])
    httpd_version = first_line([httpd, "-v"]).removeprefix("Server version: ")
    busy = f"load {os.getloadavg()[0]:.2f} before"
    return ", ".join(
        [processor(), f"{os.cpu_count()} cores", f"Linux {platform.release()}", python_version, httpd_version, busy]
    )


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def first_line(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]
