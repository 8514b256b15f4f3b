"""The measurements. Each takes the bench and writes what it finds into the run's results.

Whatever is compared is measured in rotation: one window for every variant, then the next round, so that
a machine that changes its speed meanwhile changes it for all of them. Medians are compared.

A window with a failed request is no result: the variant is left out of the workload from then on, and the reason is kept.
"""

import collections
import dataclasses
import os
import pathlib
import re
import statistics
import subprocess
import tempfile

import load
import process
import workloads
from results import CLOSED

HERE = pathlib.Path(__file__).parent
KIB_PER_MIB = 1024
MIB = 1024 * 1024

UPLOAD = 64 * MIB
DOWNLOAD = 200 * MIB
FIRST_TRANSFER = MIB
GROWTH_POINTS = 10
CLIENTS_OF_WAITS = (1, 4, 16, 64)
# The first stack of a thread takes long.
SECONDS_OF_WAITS = 4
TRACED_SECONDS = 1
THREADS_OF_ADAPTER = (1, 2, 4, 16, 64)
ADAPTER_REQUESTS = 100_000
ADAPTER_TEST = "wsgi::tests::scaling::threads_of_one_interpreter_serve_side_by_side"
# Above this part of the capacity a server may refuse.
FULL = 1.0


def rotation(variants, rounds):
    """Every variant once in each round, with the round's number; each round begins with another one."""
    for number in range(rounds):
        begin = number % len(variants)
        for variant in variants[begin:] + variants[:begin]:
            yield number, variant


def one_workload(bench, workload, variants):
    """Closed loop for all variants, then the open loop, whose rates are parts of what the closed loop has reached."""
    for number, variant in rotation(variants, bench.rounds):
        bench.attempt(workload, variant, closed, number == 0 and bench.is_traced(workload))
    for _, variant in rotation(variants, bench.open_rounds):
        loads = bench.loads_of(workload)
        if loads and bench.capacity(workload, variant):
            bench.attempt(workload, variant, opened, load=open_at(loads[0]))


def closed(bench, workload, variant, traced):
    record = bench.results.record(workload.name, variant.name, CLOSED)
    record["connections"] = workload.connections
    with bench.serve(variant, workload) as server:
        at_rest = process.pss_kib(server.processes())
        load.closed(workload, server.port, bench.warm_up)
        before = process.cpu_seconds(server.processes())
        window = load.closed(workload, server.port, bench.seconds)
        used = process.cpu_seconds(server.processes()) - before
        sample = {
            "rate": window.rate,
            "cpu_us": used / window.requests * 1e6,
            "p50_ms": window.p50,
            "p99_ms": window.p99,
            "p999_ms": window.p999,
            "pss_at_rest_kib": at_rest,
            "pss_after_kib": process.pss_kib(server.processes()),
        }
        bench.results.add(record, sample)
        if traced:
            record["system_calls"] = system_calls(server, workload)


def system_calls(server, workload):
    """How often each was made for a request, by the processes that serve."""
    with process.traced(server.serving, "-c") as summary:
        window = load.closed(workload, server.port, TRACED_SECONDS)
    calls = per_request(process.system_calls(summary), window)
    return {name: round(count, 3) for name, count in calls.most_common() if count >= 0.005}


def open_at(part):
    return f"open {part:g}"


def opened(bench, workload, variant):
    """At each part of the capacity, from the lowest on. Above it a server may refuse, below it must not."""
    capacity = bench.capacity(workload, variant)
    with bench.serve(variant, workload) as server:
        load.closed(workload, server.port, bench.warm_up)
        for part in bench.loads_of(workload):
            record = bench.results.record(workload.name, variant.name, open_at(part))
            before = process.cpu_seconds(server.processes())
            rate = part * capacity
            result = load.open_loop(bench.generator, workload, server.port, rate, bench.warm_up, bench.seconds)
            used = process.cpu_seconds(server.processes()) - before
            fast = result["kinds"][0]
            if part < FULL and not all_served(result, variant):
                # Higher loads may still be served, for what refuses at once.
                record["error"] = f"not every request was served: {fast['statuses']}"
            bench.results.add(record, open_sample(bench, rate, result, used))


def all_served(result, variant):
    served = ("200", "503", "504") if variant.may_refuse else ("200",)
    return all(status in served for kind in result["kinds"] for status in kind["statuses"])


def open_sample(bench, rate, result, used):
    good = sum(kind["good"]["count"] for kind in result["kinds"])
    everything = good + sum(kind["bad"]["count"] for kind in result["kinds"])
    fast = result["kinds"][0]
    sample = {
        "asked_rate": rate,
        "rate": good / result["took"],
        # The warm-up is a part of what was used.
        "cpu_us": used / max(1, everything * (1 + bench.warm_up / bench.seconds)) * 1e6,
        "p50_ms": fast["good"]["p50"] * 1e3,
        "p99_ms": fast["good"]["p99"] * 1e3,
        "p999_ms": fast["good"]["p999"] * 1e3,
        "refused": sum(count for status, count in fast["statuses"].items() if status in ("503", "504")),
        "failed": sum(count for status, count in fast["statuses"].items() if status not in ("200", "503", "504")),
        "refused_p99_ms": fast["bad"]["p99"] * 1e3,
        "generator_lag_p99_ms": result["lag_p99"] * 1e3,
    }
    if len(result["kinds"]) > 1:
        sample["slow_p99_ms"] = result["kinds"][1]["good"]["p99"] * 1e3
    return sample


def waits(bench, variants):
    """Waits of the module for a lock, per request, where there is no GIL to wait for, with ever more clients, each of which
    keeps a worker thread busy.

    Stacks tell them from httpd's own waits. Unwinding them is slow: locks are held longer than they ever are without it,
    which hides no wait.
    """
    hello = workloads.BY_NAME["hello"]
    for variant in variants:
        for clients in CLIENTS_OF_WAITS:
            # httpd closes connections when its last thread is taken.
            workload = dataclasses.replace(hello, connections=clients, threads=clients + 8)
            bench.attempt(workload, variant, waits_of, name="waits")


def waits_of(bench, workload, variant):
    record = bench.results.record("waits", variant.name, CLOSED)
    with bench.serve(variant, workload) as server:
        load.closed(workload, server.port, bench.warm_up)
        with process.traced(server.serving, "-k", "-e", "trace=futex,sched_yield") as stacks:
            window = load.closed(workload, server.port, max(bench.seconds, SECONDS_OF_WAITS))
    calls = process.system_calls_below([variant.python.module.resolve().name, "libpython"], stacks)
    found = per_request(calls, window)
    bench.results.add(record, {"clients": workload.connections} | {name: float(found[name]) for name in ("futex", "sched_yield")})


def per_request(calls, window):
    return collections.Counter({name: count / window.requests for name, count in calls.items()})


def adapter(bench, variants):
    """The adapter of WSGI by itself, without httpd: ever more threads serve from one interpreter."""
    for variant in variants:
        for threads in THREADS_OF_ADAPTER:
            bench.attempt(workloads.BY_NAME["hello"], variant, adapter_of, threads, name="adapter")


def adapter_of(bench, workload, variant, threads):
    del workload
    record = bench.results.record("adapter", variant.name, CLOSED)
    calls, _ = run_adapter(variant, threads, 0, traced=True)
    more, _ = run_adapter(variant, threads, ADAPTER_REQUESTS, traced=True)
    _, started = run_adapter(variant, threads, 0)
    _, took = run_adapter(variant, threads, ADAPTER_REQUESTS)
    sample = {"threads": threads, "rate": ADAPTER_REQUESTS / (took - started)}
    sample |= {name: max(0.0, (more[name] - calls[name]) / ADAPTER_REQUESTS) for name in ("futex", "sched_yield")}
    bench.results.add(record, sample)


def run_adapter(variant, threads, requests, traced=False):
    """How often the program of src/wsgi/tests/scaling.rs made system calls, and how many seconds it took."""
    with tempfile.NamedTemporaryFile("r", prefix="bench-strace-") as summary:
        tracer = ["strace", "-f", "-c", "-e", "trace=futex,sched_yield", "-o", summary.name] if traced else ["env"]
        command = [HERE.parent / "setup" / "cargo.sh", variant.python.program, "--config", f"target.'cfg(all())'.runner={tracer}"]
        command += ["test", "--quiet", "--release", "--lib", "--", "--ignored", "--exact", ADAPTER_TEST, "--nocapture"]
        numbers = {"BENCH_THREADS": str(threads), "BENCH_REQUESTS": str(requests)}
        done = subprocess.run(command, env=os.environ | numbers, capture_output=True, text=True)
        found = re.search(r"^bench: ([\d.]+) s$", done.stdout, re.MULTILINE)
        if done.returncode != 0 or not found:
            raise RuntimeError(f"the adapter's program failed:\n{done.stdout}{done.stderr}")
        return process.system_calls(summary), float(found[1])


def memory(bench, variants):
    """How much the serving processes grow together while large bodies pass through them."""
    transfers = {"upload_mib": (load.upload, UPLOAD), "download_mib": (load.download, DOWNLOAD)}
    for variant in variants:
        bench.attempt(workloads.BY_NAME["down-chunks"], variant, memory_of, transfers, name="memory")


def memory_of(bench, workload, variant, transfers):
    record = bench.results.record("memory", variant.name, CLOSED)
    sample = {}
    for name, (transfer, size) in transfers.items():
        with bench.serve(variant, workload) as server:
            transfer(server.port, FIRST_TRANSFER)
            sample[name] = peak_growth_mib(server.serving, lambda: transfer(server.port, size))
    bench.results.add(record, sample)


def peak_growth_mib(pids, work):
    before = sum(process.memory_kib(pid, "VmRSS") for pid in pids)
    for pid in pids:
        process.reset_peak_memory(pid)
    work()
    return (sum(process.memory_kib(pid, "VmHWM") for pid in pids) - before) / KIB_PER_MIB


def growth(bench, variants):
    """The memory of all processes at ten moments of many requests. Buffers and caches are full at the first."""
    for variant in variants:
        bench.attempt(workloads.BY_NAME["hello"], variant, growth_of, name="growth")


def growth_of(bench, workload, variant):
    record = bench.results.record("growth", variant.name, CLOSED)
    # One process after the other would hide what a request leaves behind, so there are no rounds here.
    done, samples = 0, []
    with bench.serve(variant, workload) as server:
        rate = load.closed(workload, server.port, bench.warm_up).rate
        while done < bench.requests:
            window = load.closed(workload, server.port, bench.requests / GROWTH_POINTS / rate)
            done += window.requests
            samples.append({"requests": done, "pss_kib": process.pss_kib(server.processes())})
    for sample in samples:
        bench.results.add(record, sample)


@dataclasses.dataclass(frozen=True)
class Extra:
    """A measurement that is no workload; `serves` says of which variants."""

    name: str
    title: str
    measure: object
    serves: object


def is_module(variant):
    return variant.is_module and not variant.may_refuse


def has_an_adapter(variant):
    return variant.name == "ours-ft"


def has_no_gil_to_wait_for(variant):
    return variant.is_module and variant.kind == "ours" and variant.mode == "ft" and not variant.daemon


EXTRAS = {
    extra.name: extra
    for extra in (
        Extra("waits", "waits of the module per request, without the GIL", waits, has_no_gil_to_wait_for),
        Extra("adapter", "the adapter without httpd, threads of one interpreter", adapter, has_an_adapter),
        Extra("memory", "memory that large bodies add", memory, is_module),
        Extra("growth", "memory over many requests", growth, is_module),
    )
}


def capacity(record):
    return statistics.median(sample["rate"] for sample in record["samples"])
