"""A rolling restart of two httpd behind a HAProxy, under load: no request fails.

    MOD_WSGI_MODULE=... python3 tests/operator/haproxy.py [rounds]

HAProxy asks /health/ready as docs/more-than-one-machine.md has it. Clients keep their connections (HTTP/1.1) and count
every answer that is not the one they expect. Each instance in turn is told to stop gracefully (WSGIDrainTime), waited for,
and started again.
"""

import collections
import http.client
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from server import Httpd, free_port, wait_for

CONF = """
WSGIDrainTime 6
WSGIDaemonProcess group processes=2 threads=4
WSGIScriptAlias / {root}/app.wsgi process-group=group application-group=%{{GLOBAL}}
"""

HAPROXY = """
global
    maxconn 1000
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend site
    bind 127.0.0.1:{front}
    default_backend wsgi
frontend statistics
    bind 127.0.0.1:{statistics}
    stats enable
    stats uri /
backend wsgi
    option httpchk
    http-check send meth GET uri /health/ready ver HTTP/1.1 hdr Host health
    http-check expect status 200
    default-server check inter 1s fall 2 rise 2
    option redispatch
    retry-on conn-failure empty-response
    server one 127.0.0.1:{one}
    server two 127.0.0.1:{two}
"""

CLIENTS = 8


class Client(threading.Thread):
    """Asks again and again over one connection."""

    def __init__(self, port, over):
        super().__init__()
        self.port, self.over = port, over
        self.tally, self.failures = collections.Counter(), []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.over.is_set():
            # Slow ones too, which are under way when an instance stops.
            path = "/sleep/0.5" if self.tally["answers"] % 50 == 49 else "/plain"
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                body = response.read()
                if response.status != 200 or body != b"done\n":
                    self.failures.append(f"{response.status} {body[:80]!r}")
                self.tally["answers"] += 1
                if response.will_close:
                    self.tally["connections closed by the answer"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                connection.close()


def servers(port):
    """What HAProxy says of each server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/;csv")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    names = lines[0].lstrip("# ").split(",")
    rows = [dict(zip(names, line.split(","))) for line in lines[1:]]
    return {row["svname"]: row for row in rows if row["pxname"] == "wsgi" and row["svname"] in ("one", "two")}


def restart(name, httpd, statistics):
    """Takes an instance out and in again, and tells how long each step took."""
    began = time.monotonic()
    httpd.signal("WINCH")
    wait_for("HAProxy to see it", lambda: not servers(statistics)[name]["status"].startswith("UP"))
    seen = time.monotonic() - began
    httpd.parent.wait(60)
    gone = time.monotonic() - began
    httpd.start()
    wait_for("HAProxy to take it in", lambda: servers(statistics)[name]["status"] == "UP")
    print(f"{name}: out of HAProxy after {seen:.1f} s, gone after {gone:.1f} s, back after {time.monotonic() - began:.1f} s")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    instances = {"one": Httpd(CONF), "two": Httpd(CONF)}
    front, statistics = free_port(), free_port()
    haproxy = None
    try:
        for httpd in instances.values():
            httpd.start()
        with tempfile.TemporaryDirectory() as directory:
            conf = pathlib.Path(directory) / "haproxy.cfg"
            ports = {name: httpd.port for name, httpd in instances.items()}
            conf.write_text(HAPROXY.format(front=front, statistics=statistics, **ports))
            haproxy = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

            def all_up():
                try:
                    return all(row["status"] == "UP" for row in servers(statistics).values())
                except OSError:
                    return False

            wait_for("HAProxy to see both", all_up)
            over = threading.Event()
            clients = [Client(front, over) for _ in range(CLIENTS)]
            for client in clients:
                client.start()
            for _ in range(rounds):
                for name, httpd in instances.items():
                    restart(name, httpd, statistics)
            over.set()
            for client in clients:
                client.join()
            retries = {name: f"{row['wretr']} retries, {row['wredis']} sent to the other" for name, row in servers(statistics).items()}
            haproxy.terminate()
            haproxy.wait(10)
        failures = [failure for client in clients for failure in client.failures]
        tally = sum((client.tally for client in clients), collections.Counter())
        print(f"{CLIENTS} clients: {tally['answers']} answers, {len(failures)} failures; "
              f"{tally['connections closed by the answer']} connections closed by an answer")
        print(f"HAProxy: {retries}")
        print("\n".join(failures[:10]))
        return 1 if failures else 0
    finally:
        if haproxy and haproxy.poll() is None:
            haproxy.kill()
        for httpd in instances.values():
            httpd.remove()


if __name__ == "__main__":
    sys.exit(main())
