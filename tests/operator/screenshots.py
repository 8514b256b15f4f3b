"""The status page as a browser shows it, into a directory: a phone, a screen, and dark.

    MOD_WSGI_MODULE=... python3 tests/operator/screenshots.py [docs/screenshots]

Debian's chromium without a window. The server runs requests in every phase, and a process of it has been killed.
"""

import contextlib
import http.client
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from server import Httpd, wait_for

CONF = """
WSGIFreeThreading On
WSGIDaemonProcess shop processes=2 threads=2 listen-backlog=10
WSGIDaemonProcess reports processes=1 threads=1
WSGIScriptAlias /shop {root}/app.wsgi process-group=shop application-group=%{{GLOBAL}}
WSGIScriptAlias /reports {root}/app.wsgi process-group=reports application-group=%{{GLOBAL}}
WSGIScriptAlias /site {root}/app.wsgi application-group=%{{GLOBAL}}
"""

SHOTS = {
    "status-360": ["--window-size=360,4300"],
    "status-1280": ["--window-size=1280,1520"],
    "status-dark": ["--window-size=1280,1520", "--force-dark-mode", "--blink-settings=preferredColorScheme=0"],
}


def slow(httpd, path):
    """A request that runs for a while; what becomes of it does not matter."""
    connection = http.client.HTTPConnection("127.0.0.1", httpd.port, timeout=60)
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        connection.getresponse().read()


def prepare(httpd):
    for number in range(120):
        httpd.get(f"/shop/{'missing' if number % 15 == 0 else 'plain'}")
        httpd.get("/site/plain")
    httpd.get("/reports/die")
    wait_for("the successor", lambda: any(one["state"] == "ready" for one in httpd.status()["groups"][1]["processes"]))
    for path in ["/shop/sleep/45"] * 5 + ["/reports/sleep/40", "/site/sleep/45", "/site/a/longer/path/of/a/page/that/takes/its/time/sleep/45"]:
        threading.Thread(target=slow, args=(httpd, path), daemon=True).start()
    wait_for("the requests", lambda: len(httpd.status()["requests"]) >= 8)
    # The parent looks at CPU times every ten seconds.
    time.sleep(2)


def main():
    directory = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "docs/screenshots").resolve()
    directory.mkdir(parents=True, exist_ok=True)
    httpd = Httpd(CONF).start()
    try:
        prepare(httpd)
        for name, options in SHOTS.items():
            with tempfile.TemporaryDirectory() as profile:
                subprocess.run(
                    ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                     f"--user-data-dir={profile}", f"--screenshot={directory}/{name}.png", *options,
                     f"http://127.0.0.1:{httpd.port}/status"],
                    check=True, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # Few colours: the files are a third as large.
            if shutil.which("pngquant"):
                subprocess.run(["pngquant", "--force", "--output", directory / f"{name}.png", "64", directory / f"{name}.png"], check=True)
            print(f"{name}.png: {(directory / f'{name}.png').stat().st_size} bytes")
    finally:
        httpd.kill()
        httpd.remove()


if __name__ == "__main__":
    main()
