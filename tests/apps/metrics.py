"""Tells what mod_wsgi.request_metrics() and process_metrics() say; the query string says what a request does.

With RECORDED in the environment, recording starts when the script is loaded.
"""

import os
import threading
import time

import mod_wsgi

PHASES = ["server", "queue", "daemon", "application", "request", "gil_wait", "input_read", "output_write"]
released = threading.Event()

if os.environ.get("RECORDED") == "when loaded":
    mod_wsgi.start_recording_metrics()


def start(environ):
    return repr(mod_wsgi.start_recording_metrics())


def plain(environ):
    return "done"


def silent(environ):
    """Whether nothing is told."""
    return f"{mod_wsgi.request_metrics() is None} {mod_wsgi.process_metrics() is None}"


def strict(environ):
    """Whether the functions take no arguments, of either kind."""
    functions = [mod_wsgi.start_recording_metrics, mod_wsgi.request_metrics, mod_wsgi.process_metrics]
    refused = 0
    for function in functions:
        for call in [lambda: function(1), lambda: function(x=1)]:
            try:
                call()
            except TypeError:
                refused += 1
    return str(refused)


def sleep(environ):
    time.sleep(0.3)
    return "done"


def burn(environ):
    until = time.thread_time() + 0.2
    while time.thread_time() < until:
        pass
    return "done"


def fail(environ):
    raise ValueError("spam")


def block(environ):
    assert released.wait(30)
    return "done"


def release(environ):
    released.set()
    return "done"


def typed(values):
    def kind(value):
        if type(value) is not list:
            return type(value).__name__
        return f"{'/'.join(sorted({type(item).__name__ for item in value}))}[{len(value)}]"

    return " ".join(f"{key}:{kind(value)}" for key, value in sorted(values.items()))


def request_shape(environ):
    return typed(mod_wsgi.request_metrics())


def process_shape(environ):
    metrics = mod_wsgi.process_metrics()
    (thread,) = {typed(thread) for thread in metrics["threads"]}
    return f"{typed(metrics)}; {thread}"


def forget(environ):
    """Begins a new window."""
    mod_wsgi.request_metrics()
    return "done"


def totals(environ):
    """What was counted, after this has been shown to make sense."""
    window = mod_wsgi.request_metrics()
    check(window)
    names = ["input_bytes", "input_reads", "output_bytes", "output_writes"]
    statuses = "/".join(str(window[f"status_{digit}xx"]) for digit in range(1, 6))
    return f"{window['request_count']} {statuses} " + " ".join(str(window[name]) for name in names)


def count(environ):
    return str(mod_wsgi.request_metrics()["request_count"])


def active(environ):
    return str(mod_wsgi.process_metrics()["active_requests"])


last = None


def check(window):
    """What holds for every window."""
    global last
    now = time.time()
    assert window["pid"] == os.getpid()
    assert window["start_time"] <= window["stop_time"] <= now
    assert last is None or window["start_time"] == last, (last, window["start_time"])
    last = window["stop_time"]
    assert abs(window["stop_time"] - window["start_time"] - window["sample_period"]) < 1
    assert window["request_throughput"] == window["request_count"] / window["sample_period"]
    assert 0 <= window["capacity_utilization"] <= 1
    check_threads(window)
    runs = sum(window[f"status_{digit}xx"] for digit in range(1, 6))
    for phase in PHASES:
        check_phase(window, phase, runs)
    mean = sum(window[f"{phase}_time"] or 0 for phase in ["server", "queue", "daemon", "application"])
    assert abs(window["request_time"] - mean) < 1e-6, window
    for name in ["cpu_user", "cpu_system", "cpu"]:
        assert window[f"{name}_utilization"] == window[f"{name}_time"] >= 0
    # The kernel counts the peak with some delay.
    assert 1 << 20 < window["memory_rss"] <= window["memory_max_rss"]


def check_threads(window):
    maximum = window["request_threads_maximum"]
    assert maximum == (mod_wsgi.threads_per_process), maximum
    completed = window["request_threads_completed"]
    assert window["request_threads_buckets"] == completed and sum(completed) == window["request_count"]
    busy, elapsed = window["request_threads_busy_time"], window["request_threads_current_elapsed"]
    assert window["request_threads_active"] == sum(
        1 for thread in range(maximum) if completed[thread] or elapsed[thread]
    )
    assert window["request_threads_active"] <= window["request_threads_started"] <= maximum
    for name in ["busy_time", "cpu_time", "current_elapsed", "max_duration"]:
        assert len(window[f"request_threads_{name}"]) == maximum
    # The request that asks is under way.
    assert elapsed.count(0.0) < maximum
    assert all(busy[thread] > 0 for thread in range(maximum) if elapsed[thread])
    assert sum(busy) <= maximum * window["sample_period"] + 0.5


def check_phase(window, phase, runs):
    name = f"{phase}_time"
    least, most = window[f"{name}_min_us"], window[f"{name}_max_us"]
    if phase in ("queue", "daemon") and not mod_wsgi.process_group:
        assert window[name] is least is most is None and set(window[f"{name}_buckets"]) == {0}
        return
    assert sum(window[f"{name}_buckets"]) == runs, phase
    if not runs:
        assert window[name] == 0.0 and least is most is None
        return
    assert 0 <= least <= window[name] * 1e6 + 1 and window[name] * 1e6 <= most + 1, (phase, window[name], least, most)


def slow(environ):
    """What is known of requests that have slept, at least so long."""
    window = mod_wsgi.request_metrics()
    check(window)
    buckets = window["application_time_buckets"]
    # 256 ms and more, where 300 ms is in the first quarter of its octave.
    long = sum(buckets[32:])
    assert window["application_time_max_us"] >= 300_000 and window["request_time_max_us"] >= 300_000
    assert max(window["request_threads_max_duration"]) >= 0.3
    assert sum(window["request_threads_busy_time"]) >= 0.3
    return f"{long} {window['application_time_min_us'] < 300_000}"


def burnt(environ):
    window = mod_wsgi.request_metrics()
    check(window)
    cpu = window["cpu_utilization"] * window["sample_period"]
    return f"{sum(window['request_threads_cpu_time']) >= 0.15} {cpu >= 0.15}"


def waits(environ):
    """How often requests came back to Python, and that it took time of theirs."""
    window = mod_wsgi.request_metrics()
    check(window)
    assert 0 <= window["gil_wait_time"] and window["gil_wait_time_max_us"] is not None
    return str(window["gil_wait_count"])


def under_way(environ):
    """How many other requests are, and that they have been for some time."""
    time.sleep(0.1)
    window = mod_wsgi.request_metrics()
    check(window)
    elapsed = [time for time in window["request_threads_current_elapsed"] if time]
    assert window["capacity_utilization"] > 0
    time.sleep(0.1)
    later = mod_wsgi.request_metrics()
    check(later)
    assert later["request_count"] == 0 and sum(later["request_threads_busy_time"]) >= 0.1 * len(elapsed)
    process = mod_wsgi.process_metrics()
    assert process["active_requests"] == len(elapsed) and process["request_busy_time"] >= 0.2 * len(elapsed)
    return str(len(elapsed) - 1)


def process(environ):
    """What does not change is no window: this looks twice."""
    before = time.time()
    first, second = mod_wsgi.process_metrics(), mod_wsgi.process_metrics()
    assert first["pid"] == second["pid"] == os.getpid()
    assert first["restart_time"] == second["restart_time"] <= before <= first["current_time"] <= time.time()
    assert abs(first["current_time"] - first["restart_time"] - first["running_time"]) <= 1
    assert first["request_count"] == second["request_count"]
    assert 0 < first["request_busy_time"] <= second["request_busy_time"]
    assert 0 < first["cpu_time"] <= second["cpu_time"]
    assert abs(first["cpu_user_time"] + first["cpu_system_time"] - first["cpu_time"]) < 1e-6
    assert first["request_threads"] == len(first["threads"]) >= 1
    assert sum(thread["request_count"] for thread in first["threads"]) == first["request_count"]
    ids = [thread["thread_id"] for thread in first["threads"]]
    assert environ["mod_wsgi.thread_id"] in ids and len(set(ids)) == len(ids)
    return str(first["request_count"])


def windows(environ):
    """Threads read until it is told to end; how many requests there were in all of their windows."""
    sums = []

    def read():
        mine = 0
        while not released.is_set():
            mine += mod_wsgi.request_metrics()["request_count"]
        sums.append(mine)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return str(sum(sums) + mod_wsgi.request_metrics()["request_count"])


def fork(environ):
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.write(writing, silent(environ).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        told = answer.read()
    os.waitpid(process, 0)
    return told


def echo(environ, start_response):
    data = environ["wsgi.input"].read()
    write = start_response("201 Created", [("Content-Type", "text/plain")])
    for byte in data:
        write(bytes([byte]))
    write(b"")
    return []


def redirect(environ, start_response):
    start_response("302 Found", [("Location", "/elsewhere")])
    return []


def application(environ, start_response):
    what = globals()[environ["QUERY_STRING"]]
    if what in (echo, redirect):
        return what(environ, start_response)
    body = what(environ).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
