"""Server-sent events: what one client says, all others see at once.

    make serve APP=examples/sse/app.wsgi
    curl -N http://127.0.0.1:8000/events &
    curl http://127.0.0.1:8000/say -d hello
"""

import queue
import threading
import time
from urllib.parse import parse_qs

import mod_wsgi

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Events</title></head>
<body>
<h1>Events</h1>
<form onsubmit="fetch('say', {method: 'POST', body: this.text.value}); this.reset(); return false">
<input name="text" aria-label="text" autofocus> <button>Say</button>
</form>
<ul id="said"></ul>
<script>
new EventSource("events").onmessage = (event) => {
  const line = document.createElement("li");
  line.textContent = event.data;
  document.getElementById("said").prepend(line);
};
</script>
</body>
</html>
"""
LONGEST = 1000
# A comment this often finds out that a client has gone, and keeps proxies from closing the connection.
KEEP_ALIVE = 15
# Then a stream ends, and the browser asks for the next one: a process that is replaced waits for streams that run.
LIFETIME = 60

lock = threading.Lock()
listeners = set()


def say(text):
    """Passes a text on to all open streams; None ends them."""
    with lock:
        for listener in listeners:
            listener.put(text)


class Stream:
    """The body of /events: a block for each event. The server sends a block before it asks for the next one."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds
        self.events = queue.SimpleQueue()
        with lock:
            listeners.add(self.events)

    def __iter__(self):
        yield b": welcome\n\n"
        while (rest := self.end - time.monotonic()) > 0:
            try:
                text = self.events.get(timeout=min(rest, KEEP_ALIVE))
            except queue.Empty:
                yield b": still here\n\n"
                continue
            if text is None:
                return
            lines = text.splitlines() or [""]
            yield "".join([*(f"data: {line}\n" for line in lines), "\n"]).encode()

    def close(self):
        # The server calls this however the response ends, also when the client has gone.
        with lock:
            listeners.discard(self.events)


@mod_wsgi.subscribe_shutdown
def end(name, **event):
    # The process is told to exit: so are the threads that wait for events.
    say(None)


def application(environ, start_response):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if path == "/events" and method == "DELETE":
        # All streams end, before a restart for one; browsers come back by themselves.
        say(None)
        start_response("204 No Content", [])
        return []
    if path == "/events":
        start_response("200 OK", [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")])
        wanted = parse_qs(environ["QUERY_STRING"]).get("seconds", [""])[0][:4]
        return Stream(min(int(wanted), LIFETIME) if wanted.isascii() and wanted.isdigit() else LIFETIME)
    if path == "/say" and method == "POST":
        say(environ["wsgi.input"].read(LONGEST).decode(errors="replace"))
        start_response("204 No Content", [])
        return []
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(PAGE)))])
    return [PAGE.encode()]
