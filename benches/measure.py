"""The measurements. Each takes the bench and returns its tables and its figures.

Whatever is compared is measured in rotation: one window for every variant, then the next round, so that
a machine that changes its speed meanwhile changes it for all of them. The medians are compared.
"""

import collections
import statistics

import load
import process
from report import Figure, Table, median_and_spread
from variants import FREE_THREADED, GIL, IN_DAEMON, NULL, STATIC, Static

KIB_PER_MIB = 1024
MIB = 1024 * 1024

HELLO = "hello.wsgi"
FIB = "fib.wsgi"
TRANSFER = "transfer.wsgi"
SEND_FILE = "file.wsgi"
# What that one sends, of one MiB.
FILE = "one-mib.bin"

WARM_UP = 1

# Server CPU per request, against the null handler.
CPU_LIMITS = {FREE_THREADED: 1.45, GIL: 1.8, FREE_THREADED + IN_DAEMON: 2.3, GIL + IN_DAEMON: 2.7}
EXTRA_SYSTEM_CALLS = {FREE_THREADED: 1, FREE_THREADED + IN_DAEMON: 12, GIL + IN_DAEMON: 12}
# How often httpd's own threads wait for each other and for the network depends on when requests arrive, more
# than on the handler. They are shown, and waits of the module are told apart by their stacks.
HTTPD_WAITS = {"futex", "epoll_wait"}
# "None": what a garbage collection now and then may cost, and no more.
WAITS_PER_REQUEST = 0.05
SPEEDUP = 1.9

# Requests per second of a large file, against httpd's own handler.
FILE_RATE = 0.9

UPLOAD = 64 * MIB
DOWNLOAD = 200 * MIB
FIRST_TRANSFER = MIB
# Flat: buffers of the connection and the allocator's slack, not a part of the body.
MEMORY_LIMIT_MIB = 8


def rotation(variants, rounds):
    """Every variant once in each round; each round begins with another one."""
    for number in range(rounds):
        begin = number % len(variants)
        yield from variants[begin:] + variants[:begin]


def hello(bench):
    """Server CPU and requests per second of a 13-byte answer."""
    costs, rates = collections.defaultdict(list), collections.defaultdict(list)
    for variant in rotation(bench.variants, bench.rounds):
        with bench.serve(variant, HELLO) as server:
            load.wrk(server.port, WARM_UP)
            before = process.cpu_seconds(server.processes())
            window = load.wrk(server.port, bench.seconds)
            used = process.cpu_seconds(server.processes()) - before
        costs[variant.name].append(used / window.requests * 1e6)
        rates[variant.name].append(window.rate)

    median = {name: statistics.median(samples) for name, samples in costs.items()}
    ratio = {name: cost / median[NULL] for name, cost in median.items()}
    rows = [
        [name, median_and_spread(costs[name]), f"{ratio[name]:.2f}", median_and_spread(rates[name], digits=0)]
        for name in costs
    ]
    table = Table("13-byte answer", ["variant", "server CPU, µs/request", "x null", "requests/s"], rows)
    figures = [
        Figure(f"CPU per request, {name}, x null", ratio[name], at_most=CPU_LIMITS.get(name))
        for name in costs
        if name != NULL
    ]
    return [table], figures


def syscalls(bench):
    """System calls per request, and who waits."""
    calls = {variant.name: calls_per_request(bench, variant) for variant in bench.variants}
    total = {name: sum(count.values()) for name, count in calls.items()}
    work = {name: total[name] - sum(count[wait] for wait in HTTPD_WAITS) for name, count in calls.items()}
    figures = []
    for variant in bench.wsgi_variants():
        name, ours = variant.name, variant.name in CPU_LIMITS
        extra = EXTRA_SYSTEM_CALLS.get(name)
        figures.append(Figure(f"system calls per request, {name}, beyond null", round(work[name] - work[NULL], 1), at_most=extra))
        never = WAITS_PER_REQUEST if ours else None
        figures.append(Figure(f"sched_yield per request, {name}", calls[name]["sched_yield"], at_most=never))
        # Who shares a GIL has to wait for it. With a daemon there are processes that wait for each other.
        if variant.free_threading and not variant.daemon:
            waits = futexes_per_request(bench, variant)
            figures.append(Figure(f"futex of the module per request, {name}", waits, at_most=never))
    return [system_call_table(calls, total)], figures


def calls_per_request(bench, variant):
    with bench.serve(variant, HELLO) as server:
        load.wrk(server.port, WARM_UP)
        with process.traced(server.serving, "-c") as summary:
            window = load.wrk(server.port, bench.seconds)
    return per_request(process.system_calls(summary), window)


def futexes_per_request(bench, variant):
    """httpd waits too (its listener hands connections to its workers), so the stacks tell whose wait it is.

    Unwinding the stacks is slow: locks are held longer than they ever are without it, which hides no wait.
    """
    with bench.serve(variant, HELLO) as server:
        load.wrk(server.port, WARM_UP)
        with process.traced(server.serving, "-k", "-e", "trace=futex") as stacks:
            window = load.wrk(server.port, bench.seconds)
    calls = process.system_calls_below([variant.module.resolve().name, "libpython"], stacks)
    return per_request(calls, window)["futex"]


def per_request(calls, window):
    return collections.Counter({name: count / window.requests for name, count in calls.items()})


def system_call_table(calls, total):
    shown = sorted(
        {name for count in calls.values() for name in count if count[name] >= 0.01},
        key=lambda name: -max(count[name] for count in calls.values()),
    )
    rows = [[name, *(f"{count[name]:.2f}" for count in calls.values())] for name in shown]
    rows.append(["all", *(f"{count:.2f}" for count in total.values())])
    return Table("System calls per request, 8 connections", ["call", *calls], rows)


def cpu_bound(bench):
    """What a second core is worth to an application that is all Python."""
    rates = collections.defaultdict(list)
    embedded = [variant for variant in bench.wsgi_variants() if not variant.daemon]
    for variant in rotation(embedded, bench.rounds):
        with bench.serve(variant, FIB) as server:
            load.wrk(server.port, WARM_UP)
            rates[variant.name].append(load.wrk(server.port, bench.seconds).rate)

    table = Table(
        "Recursive fib(17)", ["variant", "requests/s"], [[name, median_and_spread(rates[name], 0)] for name in rates]
    )
    figures = []
    for name in rates:
        if FREE_THREADED in name:
            gil = statistics.median(rates[name.replace(FREE_THREADED, GIL)])
            speedup = statistics.median(rates[name]) / gil
            limit = SPEEDUP if name == FREE_THREADED else None
            figures.append(Figure(f"fib(17) requests/s, {name}, x GIL", speedup, at_least=limit))
    return [table], figures


def memory(bench):
    """How much the serving processes grow together while large bodies pass through them."""
    transfers = {
        f"{UPLOAD // MIB} MiB upload": (load.upload, UPLOAD),
        f"{DOWNLOAD // MIB} MiB download": (load.download, DOWNLOAD),
    }
    figures = []
    for variant in bench.wsgi_variants():
        for title, (transfer, size) in transfers.items():
            with bench.serve(variant, TRANSFER, path="/?1") as server:
                transfer(server.port, FIRST_TRANSFER)
                growth = peak_growth_mib(server.serving, lambda: transfer(server.port, size))
            limit = MEMORY_LIMIT_MIB if variant.name in CPU_LIMITS else None
            figures.append(Figure(f"peak growth, {title}, {variant.name}", growth, " MiB", at_most=limit))
    return [], figures


def peak_growth_mib(pids, work):
    before = sum(process.memory_kib(pid, "VmRSS") for pid in pids)
    for pid in pids:
        process.reset_peak_memory(pid)
    work()
    return (sum(process.memory_kib(pid, "VmHWM") for pid in pids) - before) / KIB_PER_MIB


def file(bench):
    """A file of one MiB through wsgi.file_wrapper, against httpd's own handler."""
    rates = collections.defaultdict(list)
    for variant in rotation([Static(), *bench.wsgi_variants()], bench.rounds):
        path = f"/{FILE}" if variant.name == STATIC else "/"
        with bench.serve(variant, SEND_FILE, path) as server:
            load.wrk(server.port, WARM_UP, path)
            rates[variant.name].append(load.wrk(server.port, bench.seconds, path).rate)

    rows = [[name, median_and_spread(rates[name], 0)] for name in rates]
    static = statistics.median(rates[STATIC])
    figures = []
    for name in (name for name in rates if name != STATIC):
        limit = FILE_RATE if name in CPU_LIMITS else None
        share = statistics.median(rates[name]) / static
        figures.append(Figure(f"1 MiB file, {name}, x static", share, at_least=limit))
    return [Table("File of 1 MiB", ["variant", "requests/s"], rows)], figures
