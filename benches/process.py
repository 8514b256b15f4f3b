"""What the kernel says about processes: time on the processor, memory, system calls.

Everything is read from /proc or from strace; no process is asked to cooperate.
"""

import collections
import contextlib
import os
import re
import signal
import subprocess
import tempfile

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
TRACER_LIMIT = 60


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def descendants(pid):
    below = []
    for child in children(pid):
        below += [child, *descendants(child)]
    return below


def command_line(pid):
    """The words of the command line, with blanks between them; empty if there is no such process."""
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read().replace("\0", " ")
    except OSError:
        return ""


def start_time(pid):
    """Tells a process from a later one with the same id; `None` if there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[19])
    except OSError:
        return None


def cpu_seconds(pids):
    """User and system time that the processes have used so far."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            # The program's name, in parentheses, may hold blanks: count from behind it.
            fields = file.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


def memory_kib(pid, field):
    """A line of /proc/<pid>/status: `VmRSS` is resident now, `VmHWM` the highest since the last reset."""
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise LookupError(f"process {pid} has no {field}")


def pss_kib(pids):
    """The memory of the processes together; a page that several of them share counts once among them."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total


def reset_peak_memory(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


@contextlib.contextmanager
def traced(pids, *options):
    """Lets strace watch all threads of `pids` inside the block.

    Hands out a list; when the block has ended it holds the lines that strace wrote.
    """
    lines = []
    with tempfile.NamedTemporaryFile("r", prefix="bench-strace-", errors="replace") as output:
        tracer = subprocess.Popen(
            ["strace", "-f", *options, "-o", output.name, *(word for pid in pids for word in ("-p", str(pid)))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            for pid in pids:
                said = tracer.stderr.readline()
                if "attached" not in said:
                    raise RuntimeError(f"strace could not attach to process {pid}: {said.strip()}")
            yield lines
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=TRACER_LIMIT)
        finally:
            if tracer.poll() is None:
                tracer.kill()
                tracer.communicate()
        lines.extend(output)


def system_calls(summary):
    """How often each system call was made, from the table that `strace -c` writes.

    A row: % time, seconds, usecs/call, calls, errors (or blank), name.
    """
    calls = collections.Counter()
    for line in summary:
        row = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
        if row and row[2] != "total":
            calls[row[2]] = int(row[1])
    return calls


def system_calls_below(objects, stacks):
    """How often each system call was made by a function of one of `objects`, or by what it called.

    `objects` are parts of names of files that hold code; `stacks` is what `strace -k` writes: a line for
    the call, then a line ` > file(function+offset) [address]` for each frame, the innermost first. A call
    that was interrupted by another thread's has its frames behind the line that says it is resumed.
    """
    calls = collections.Counter()
    name = None
    for line in stacks:
        if not line.startswith(" > "):
            begun = re.match(r"\d+\s+(?:<\.\.\. )?(\w+)", line)
            name = begun and begun[1]
        elif name and any(code in line for code in objects):
            calls[name] += 1
            name = None
    return calls
