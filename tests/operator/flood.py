"""As many scrapes as wrk can make, while requests run: how many of each are answered, and whether any fails.

    MOD_WSGI_MODULE=... python3 tests/operator/flood.py [seconds]
"""

import re
import subprocess
import sys
import threading

from server import Httpd

CONF = """
WSGIDaemonProcess group processes=2 threads=4
WSGIScriptAlias / {root}/app.wsgi process-group=group application-group=%{{GLOBAL}}
"""


def wrk(httpd, path, seconds, found):
    command = ["wrk", "-t1", "-c8", f"-d{seconds}", f"http://127.0.0.1:{httpd.port}{path}"]
    found[path] = subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    httpd = Httpd(CONF, children=2, threads=16).start()
    failed = 0
    try:
        for path in ("/status?metrics", "/status?json", "/status", "/health/ready"):
            found = {}
            both = [threading.Thread(target=wrk, args=(httpd, one, seconds, found)) for one in (path, "/plain")]
            for thread in both:
                thread.start()
            for thread in both:
                thread.join()
            rates = {one: re.search(r"Requests/sec: +(\S+)", text)[1] for one, text in found.items()}
            bad = [line.strip() for text in found.values() for line in text.splitlines() if "Non-2xx" in line or "Socket errors" in line]
            failed += len(bad)
            print(f"{path:16} {rates[path]} a second, beside {rates['/plain']} requests to the application a second {bad or ''}")
        counts = httpd.status()["groups"][0]["counts"]["requests"]
        print(f"counted: {counts}")
        return 1 if failed else 0
    finally:
        httpd.remove()


if __name__ == "__main__":
    sys.exit(main())
