"""Shows what requests cost at /metrics, in the text format that Prometheus reads.

    make serve APP=examples/metrics/app.wsgi
    curl http://127.0.0.1:8000/work; curl http://127.0.0.1:8000/metrics

Each process counts for itself, so this is for one process: with more, a reader meets now one of them and now another.
"""

import threading
import time

import mod_wsgi

mod_wsgi.start_recording_metrics()


class Totals:
    """Adds up the windows of request_metrics(): whoever reads a window has it alone, and Prometheus wants what only grows."""

    PHASES = ("server", "queue", "daemon", "application", "request")

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = dict.fromkeys(("request_count", "input_bytes", "output_bytes", "gil_wait_count"), 0)
        self.statuses = dict.fromkeys(("1xx", "2xx", "3xx", "4xx", "5xx"), 0)
        self.buckets = {phase: [0] * 65 for phase in self.PHASES}
        self.sums = dict.fromkeys(self.PHASES, 0.0)
        self.busy = 0.0

    def add(self, window):
        for name in self.counts:
            self.counts[name] += window[name]
        for status in self.statuses:
            self.statuses[status] += window[f"status_{status}"]
        for phase in self.PHASES:
            buckets = window[f"{phase}_time_buckets"]
            self.buckets[phase] = [sum(pair) for pair in zip(self.buckets[phase], buckets)]
            # There is a mean, of as many requests as are in the buckets; none of what a process does not do.
            self.sums[phase] += (window[f"{phase}_time"] or 0.0) * sum(buckets)
        self.busy += sum(window["request_threads_busy_time"])

    def lines(self):
        for name, count in self.counts.items():
            yield f"# TYPE wsgi_{name.removesuffix('_count')}_total counter"
            yield f"wsgi_{name.removesuffix('_count')}_total {count}"
        yield "# TYPE wsgi_responses_total counter"
        for status, count in self.statuses.items():
            yield f'wsgi_responses_total{{class="{status}"}} {count}'
        yield "# TYPE wsgi_busy_seconds_total counter"
        yield f"wsgi_busy_seconds_total {self.busy:.6f}"
        yield "# TYPE wsgi_seconds histogram"
        for phase in self.PHASES:
            yield from self.histogram(phase)

    def histogram(self, phase):
        buckets = self.buckets[phase]
        # Four buckets are an octave: octave k ends at 2 ** (k + 1) milliseconds.
        for octave in range(16):
            below = sum(buckets[: 4 * octave + 4])
            yield f'wsgi_seconds_bucket{{phase="{phase}",le="{2 ** (octave + 1) / 1000}"}} {below}'
        yield f'wsgi_seconds_bucket{{phase="{phase}",le="+Inf"}} {sum(buckets)}'
        yield f'wsgi_seconds_sum{{phase="{phase}"}} {self.sums[phase]:.6f}'
        yield f'wsgi_seconds_count{{phase="{phase}"}} {sum(buckets)}'


totals = Totals()


def process_lines():
    process = mod_wsgi.process_metrics()
    gauges = {
        "wsgi_threads": mod_wsgi.threads_per_process,
        "wsgi_active_requests": process["active_requests"],
        "process_resident_memory_bytes": process["memory_rss"],
        "process_start_time_seconds": process["restart_time"],
    }
    for name, value in gauges.items():
        yield f"# TYPE {name} gauge"
        yield f"{name} {value}"
    yield "# TYPE process_cpu_seconds_total counter"
    yield f"process_cpu_seconds_total {process['cpu_time']:.6f}"


def metrics():
    with totals.lock:
        totals.add(mod_wsgi.request_metrics())
        lines = list(totals.lines())
    return "".join(f"{line}\n" for line in [*lines, *process_lines()])


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/metrics":
        body = metrics()
    else:
        if path == "/work":
            time.sleep(0.05)
        body = "done\n"
    body = body.encode()
    start_response("200 OK", [("Content-Type", "text/plain; version=0.0.4"), ("Content-Length", str(len(body)))])
    return [body]
