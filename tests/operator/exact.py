"""Counters against the access log: many requests, while processes are killed and replaced.

    MOD_WSGI_MODULE=... python3 tests/operator/exact.py [requests]

wrk asks an application in httpd's own processes and one in a process group. Meanwhile daemon processes and child processes
of httpd are killed with signal 9, the script changes, and httpd is restarted gracefully. At the end the counters of
wsgi-status must say what the access log says; what has died is compared with the log of mod_log_forensic, which names each
request when it comes and when it has been logged.
"""

import collections
import itertools
import os
import signal
import subprocess
import sys
import threading
import time

from server import Httpd, wait_for

CONF = """
WSGIDaemonProcess group processes=2 threads=4
WSGIScriptAlias /here {root}/app.wsgi application-group=%{{GLOBAL}}
WSGIScriptAlias /there {root}/app.wsgi process-group=group application-group=%{{GLOBAL}}
ForensicLog {root}/forensic.log
"""
MOUNTS = ("/here", "/there")


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def disturb(httpd, over, done):
    """Kills and replaces processes until it is over, in turn."""

    def daemon():
        kill(httpd.status()["groups"][0]["processes"][0]["pid"])

    def child():
        kill(httpd.status()["embedded"]["processes"][0]["pid"])

    def script():
        (httpd.root / "app.wsgi").touch()

    def graceful():
        httpd.signal("USR1")

    for what in itertools.cycle([daemon, child, daemon, script, child, graceful]):
        if over.wait(0.7):
            return
        try:
            what()
            done[what.__name__] += 1
        except (OSError, LookupError, ValueError):
            # It was asked while a process was being replaced.
            pass


def load(httpd, mount, requests):
    """Asks until so many requests have been logged, over connections that are made anew where they break."""
    address = f"http://127.0.0.1:{httpd.port}{mount}"
    logged = 0
    while logged < requests:
        subprocess.run(["wrk", "-t1", "-c8", "-d10", f"{address}/plain"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["wrk", "-t1", "-c2", "-d1", f"{address}/missing"], check=True, stdout=subprocess.DEVNULL)
        logged = lines(httpd, mount).total()


def lines(httpd, mount):
    """The statuses in the access log, by class."""
    statuses = collections.Counter()
    with open(httpd.root / "access.log") as log:
        for line in log:
            if f" {mount}/" in line:
                statuses[f"{line[0]}xx"] += 1
    return statuses


def unfinished(httpd, mount):
    """How many requests came and were never logged."""
    begun = set()
    with open(httpd.root / "forensic.log", errors="replace") as log:
        for line in log:
            if line.startswith("+") and f"|GET {mount}/" in line:
                begun.add(line[1:].split("|", 1)[0])
            elif line.startswith("-"):
                begun.discard(line[1:].strip())
    return len(begun)


def counts(status, mount):
    return status["embedded"]["counts"] if mount == "/here" else status["groups"][0]["counts"]


def main():
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    httpd = Httpd(CONF, children=2, threads=16).start()
    try:
        over, done = threading.Event(), collections.Counter()
        disturber = threading.Thread(target=disturb, args=(httpd, over, done))
        began = time.monotonic()
        disturber.start()
        loads = [threading.Thread(target=load, args=(httpd, mount, requests // 2)) for mount in MOUNTS]
        for thread in loads:
            thread.start()
        for thread in loads:
            thread.join()
        over.set()
        disturber.join()
        wait_for("httpd to be ready", httpd.is_ready)

        def quiet():
            status = httpd.status()
            return status if not any(counts(status, mount)["requests_running"] for mount in MOUNTS) else None

        status = wait_for("the last requests", quiet)
        kills = ", ".join(f"{count} {name}" for name, count in sorted(done.items()))
        print(f"{time.monotonic() - began:.0f} s; disturbed by: {kills}")
        wrong = 0
        for mount in MOUNTS:
            counted, logged = counts(status, mount), lines(httpd, mount)
            by_class = counted["requests"]
            print(f"{mount}: counted {counted['requests_total']}, logged {logged.total()}, died {by_class['died']}, "
                  f"came and were never logged {unfinished(httpd, mount)}, cut {by_class['cut']}")
            for name in ("1xx", "2xx", "3xx", "4xx", "5xx"):
                number = by_class[name] + (by_class["cut"] if name == "2xx" else 0)
                difference = number - logged[name]
                wrong += abs(difference)
                print(f"    {name}: counted {number}, logged {logged[name]}" + (f", DIFFERENCE {difference}" if difference else ""))
        print("the sums are those of the access log" if wrong == 0 else f"they differ by {wrong}")
        # A child that is killed just when it has logged a request, and has not counted it: that one has died.
        return 1 if wrong > done["child"] // 100 else 0
    finally:
        httpd.remove()


if __name__ == "__main__":
    sys.exit(main())
