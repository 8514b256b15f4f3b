"""Work in pure Python, to see what free-threading gives: two requests at once take as long as one.

    make serve APP=examples/cpu/app.wsgi
    curl 'http://127.0.0.1:8000/?n=32'                                                      # alone
    curl --parallel --parallel-immediate --no-progress-meter 'http://127.0.0.1:8000/?n=32&request=[1-2]'  # two at once

With `make serve APP=examples/cpu/app.wsgi FREE_THREADING=Off` each of the two is at work for half of its time only.
"""

import threading
import time
from urllib.parse import parse_qs

LARGEST = 35


def application(environ, start_response):
    n = parse_qs(environ["QUERY_STRING"]).get("n", ["32"])[-1]
    if not (n.isascii() and n.isdigit() and int(n) <= LARGEST):
        return answer(start_response, "400 Bad Request", f"n is a whole number up to {LARGEST}\n")

    begin, worked = time.time(), time.thread_time()
    result = fib(int(n))
    end, worked = time.time(), time.thread_time() - worked
    text = (
        f"fib({n}) = {result}: {clock(begin)} to {clock(end)}, "
        f"{end - begin:.3f} s, of which {worked:.3f} s at work, thread {threading.get_native_id()}\n"
    )
    return answer(start_response, "200 OK", text)


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def clock(seconds):
    return time.strftime("%H:%M:%S", time.localtime(seconds)) + f".{int(seconds % 1 * 1000):03}"


def answer(start_response, status, text):
    body = text.encode()
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
