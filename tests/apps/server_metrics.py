"""Tells what mod_wsgi.server_metrics() says, by the query string.

shape: keys and types; busy: the threads that serve a request; leaving: those of children
that end; sums: what must agree; many: from several threads at once;
hold: reads the body of the request first; is_none: whether it says nothing; fork: whether it does in a forked process;
flood: talks for ever to the supervisor, and reads no answer.
"""

import mod_wsgi
import os
import socket
import threading
import time


def typed(values):
    return " ".join(f"{key}:{type(value).__name__}" for key, value in sorted(values.items()))


def shape(environ):
    metrics = mod_wsgi.server_metrics()
    processes = metrics["processes"]
    workers = [worker for process in processes for worker in process["workers"]]
    kinds = ({typed(metrics)}, {typed(process) for process in processes}, {typed(worker) for worker in workers})
    assert all(len(kind) == 1 for kind in kinds), kinds
    return [line for kind in kinds for line in kind]


def busy(environ, status="W"):
    metrics = mod_wsgi.server_metrics()
    return [
        f"{process['pid']} of {process['generation']}: {worker['client']} {worker['vhost']} {worker['request']}"
        for process in metrics["processes"]
        for worker in process["workers"]
        if worker["status"] == status
    ]


def sums(environ):
    before = time.time()
    metrics = mod_wsgi.server_metrics()
    processes = metrics["processes"]
    assert [process["process_num"] for process in processes] == list(range(metrics["server_limit"]))
    assert all(len(process["workers"]) == metrics["thread_limit"] for process in processes)
    assert before <= metrics["current_time"] <= time.time()
    assert before - 600 < metrics["restart_time"] <= before, (before, metrics["restart_time"])
    assert abs(metrics["current_time"] - metrics["restart_time"] - metrics["running_time"]) <= 1
    statuses = {worker["status"] for process in processes for worker in process["workers"]}
    assert statuses <= set("._SRWKLDCGI") and "W" in statuses, statuses
    accesses = sum(worker["access_count"] for process in processes for worker in process["workers"])
    served = sum(worker["bytes_served"] for process in processes for worker in process["workers"])
    for process in processes:
        for worker in process["workers"]:
            times = [worker[name] for name in ("start_time", "stop_time", "last_used")]
            assert all(then == 0.0 or before - 600 < then <= time.time() for then in times), worker
            if worker["access_count"]:
                assert min(times) > 0 and worker["thread_num"] // metrics["thread_limit"] == process["process_num"], worker
    return [f"{metrics['running_generation']} {accesses} {served > 0}"]


def many(environ):
    kinds = []

    def ask():
        for _ in range(20):
            kinds.append(type(mod_wsgi.server_metrics()).__name__)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(set(kinds)) + [str(len(kinds))]


def hold(environ):
    return [environ["wsgi.input"].read().decode()]


def leaving(environ):
    return busy(environ, "G")


def leaving_after_body(environ):
    environ["wsgi.input"].read()
    return busy(environ, "G")


def process(environ):
    return [os.getpid()]


def flood(environ):
    lines = []
    for name in sorted(map(int, os.listdir("/proc/self/fd"))):
        try:
            line = socket.socket(fileno=os.dup(name))
        except OSError:
            continue
        if line.type == socket.SOCK_SEQPACKET:
            lines.append(line)

    def ask():
        # Made first, the line for messages has the lower number: it says again and again that the process is ready.
        while True:
            for line, packet in zip(lines, [b"\x01", bytes(12)]):
                try:
                    line.send(packet)
                except OSError:
                    time.sleep(0.0001)

    threading.Thread(target=ask, daemon=True).start()
    return ["started" if len(lines) == 2 else f"{len(lines)} lines"]


def is_none(environ):
    return [str(mod_wsgi.server_metrics() is None)]


def fork(environ):
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.write(writing, str(mod_wsgi.server_metrics() is None).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        told = answer.read()
    os.waitpid(process, 0)
    return [told]


def application(environ, start_response):
    lines = globals()[environ["QUERY_STRING"]](environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{line}\n".encode() for line in lines]
