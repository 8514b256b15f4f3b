"""How soon probes and the status page are answered while every Python thread is blocked.

    MOD_WSGI_MODULE=... python3 tests/operator/blocked.py

First all threads of a process group are blocked and its queue is full. Then all threads of httpd are blocked by requests in
embedded mode: all but one, and all. Last, a HAProxy sends one request less at a time than httpd has threads.
"""

import contextlib
import http.client
import subprocess
import sys
import tempfile
import threading
import time

from server import Httpd, free_port, wait_for

GROUP = """
WSGIDaemonProcess group processes=2 threads=2 listen-backlog=6
WSGIScriptAlias / {root}/app.wsgi process-group=group application-group=%{{GLOBAL}}
"""
EMBEDDED = """
WSGIScriptAlias / {root}/app.wsgi application-group=%{{GLOBAL}}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout queue 60s
frontend site
    bind 127.0.0.1:{front}
    default_backend wsgi
backend wsgi
    option httpchk
    http-check send meth GET uri /health/ready ver HTTP/1.1 hdr Host health
    http-check expect status 200
    server one 127.0.0.1:{port} check inter 200ms fall 1 rise 1 maxconn 7
"""
BLOCKED = "/sleep/25"
ASKED = 300


def block(port, count):
    """Requests that block; what becomes of them does not matter."""

    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", BLOCKED)
            connection.getresponse().read()

    for _ in range(count):
        threading.Thread(target=ask, daemon=True).start()


def measure(httpd, path):
    """Each over a connection of its own, as probes are."""
    times, statuses = [], set()
    for _ in range(ASKED):
        began = time.monotonic()
        statuses.add(httpd.get(path)[0])
        times.append((time.monotonic() - began) * 1000)
    times.sort()
    print(f"    {path:16} {sorted(statuses)}: median {times[ASKED // 2]:.1f} ms, 99 of 100 within {times[ASKED * 99 // 100]:.1f} ms, longest {times[-1]:.1f} ms")


def behind_haproxy():
    """Twenty requests that block come by HAProxy, which keeps what is too much to itself."""
    httpd, front = Httpd(EMBEDDED, children=2, threads=4).start(), free_port()
    haproxy = None
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".cfg") as conf:
            conf.write(HAPROXY.format(front=front, port=httpd.port))
            conf.flush()
            command = ["/usr/sbin/haproxy", "-db", "-f", conf.name]
            haproxy = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            time.sleep(2)
            block(front, 20)
            wait_for("the requests", lambda: len(httpd.status()["requests"]) == 7)
            print("20 requests that block by HAProxy with maxconn 7, 8 threads of httpd:")
            measure(httpd, "/health/ready")
            time.sleep(3)
            haproxy.terminate()
            said = haproxy.communicate()[0]
            print("    HAProxy has taken the server out" if "DOWN" in said else "    HAProxy has found the server up all the time")
    finally:
        if haproxy and haproxy.poll() is None:
            haproxy.kill()
        httpd.kill()
        httpd.remove()


def main():
    httpd = Httpd(GROUP, children=2, threads=12).start()
    try:
        block(httpd.port, 10)
        wait_for("the queue to be full", lambda: httpd.status()["groups"][0]["queue"]["length"] == 6)
        print("4 of 4 threads of the group blocked, 6 of 6 requests in its queue, 24 threads of httpd:")
        for path in ("/health/live", "/health/startup", "/health/ready", "/status?json", "/status?metrics"):
            measure(httpd, path)
    finally:
        httpd.kill()
        httpd.remove()
    httpd = Httpd(EMBEDDED, children=2, threads=4).start()
    try:
        block(httpd.port, 7)
        wait_for("the requests", lambda: len(httpd.status()["requests"]) == 7)
        print("7 of 8 threads of httpd blocked in embedded mode:")
        measure(httpd, "/health/live")
        block(httpd.port, 1)
        time.sleep(1)
        began = time.monotonic()
        try:
            httpd.get("/health/live", timeout=5)
            print(f"8 of 8: answered after {time.monotonic() - began:.1f} s")
        except OSError:
            print("8 of 8: no answer within 5 s")
    finally:
        httpd.kill()
        httpd.remove()
    behind_haproxy()


if __name__ == "__main__":
    sys.exit(main())
