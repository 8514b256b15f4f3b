"""A pinboard in Flask: a page with a form, and the same as an API with JSON.

    make serve APP=examples/flask/app.wsgi
    curl http://127.0.0.1:8000/api/notes
    curl http://127.0.0.1:8000/api/notes --json '{"text": "buy milk"}'

The notes live in the memory of one process, so this wants one httpd child (make serve has one).
Requests run at the same time there: what they share and change stands behind a lock.
"""

import itertools
import sys
import threading

from flask import Flask, abort, jsonify, redirect, render_template, request, url_for

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 64 * 1024

LONGEST = 200
MOST = 100


class Pinboard:
    """The newest notes, oldest first."""

    def __init__(self):
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._notes = {}

    def pin(self, text):
        with self._lock:
            number = next(self._numbers)
            self._notes[number] = text
            if len(self._notes) > MOST:
                del self._notes[min(self._notes)]
        return number

    def unpin(self, number):
        with self._lock:
            return self._notes.pop(number, None)

    def all(self):
        with self._lock:
            return dict(self._notes)


board = Pinboard()


def text_of(value):
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST:
        abort(400, f"a note is a text of 1 to {LONGEST} characters")
    return value.strip()


def pin(value):
    text = text_of(value)
    number = board.pin(text)
    app.logger.info("note %d is pinned", number)
    return number, text


@app.get("/")
def page():
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return render_template("page.html", notes=board.all(), gil=gil, thread=threading.get_native_id())


@app.post("/")
def pin_from_form():
    pin(request.form.get("text"))
    return redirect(url_for("page"), 303)


@app.post("/<int:number>/unpin")
def unpin_from_form(number):
    board.unpin(number)
    return redirect(url_for("page"), 303)


@app.get("/api/notes")
def list_notes():
    return jsonify([{"number": number, "text": text} for number, text in board.all().items()])


@app.post("/api/notes")
def pin_from_json():
    document = request.get_json()
    if not isinstance(document, dict):
        abort(400, 'expected {"text": "..."}')
    number, text = pin(document.get("text"))
    return jsonify(number=number, text=text), 201


@app.delete("/api/notes/<int:number>")
def unpin(number):
    if board.unpin(number) is None:
        app.logger.warning("there is no note %d", number)
        abort(404)
    return "", 204
