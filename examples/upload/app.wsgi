"""Uploads whose progress another request can see.

    make serve APP=examples/upload/app.wsgi
    curl 'http://127.0.0.1:8000/upload?id=1' --limit-rate 1M -T /usr/bin/python3 &
    curl 'http://127.0.0.1:8000/progress?id=1'

The body is read block by block, so an upload of any size needs little memory. A real application would write the blocks to a
file; this one computes their SHA-256.
"""

import hashlib
import json
import os
import threading
from urllib.parse import parse_qs

BLOCK = 64 * 1024
LONGEST_NAME = 100

lock = threading.Lock()
under_way = {}


def upload(environ, name):
    announced = int(environ.get("CONTENT_LENGTH") or 0) or None
    with lock:
        if name in under_way:
            return "409 Conflict", {"error": "there is an upload of this name"}
        under_way[name] = {"received": 0, "of": announced}
    try:
        digest, received, body = hashlib.sha256(), 0, environ["wsgi.input"]
        # If the client goes away, read() raises an OSError, and the upload is forgotten.
        while block := body.read(BLOCK):
            digest.update(block)
            received += len(block)
            with lock:
                under_way[name]["received"] = received
        return "200 OK", {"received": received, "sha256": digest.hexdigest()}
    finally:
        with lock:
            del under_way[name]


def progress(name):
    with lock:
        found = under_way.get(name)
        return ("200 OK", dict(found)) if found else ("404 Not Found", {"error": "no upload of this name is under way"})


def application(environ, start_response):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    name = parse_qs(environ["QUERY_STRING"]).get("id", [""])[0][:LONGEST_NAME]
    if path == "/":
        return page(environ, start_response)
    if path == "/upload" and method in ("POST", "PUT") and name:
        status, answer = upload(environ, name)
    elif path == "/progress" and name:
        status, answer = progress(name)
    else:
        status, answer = "404 Not Found", {"error": "there are /, /upload?id=... and /progress?id=..."}
    body = json.dumps(answer).encode() + b"\n"
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def page(environ, start_response):
    file = open(os.path.join(os.path.dirname(__file__), "page.html"), "rb")
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return environ["wsgi.file_wrapper"](file)
