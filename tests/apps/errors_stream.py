"""Ways to write to the error log; the path names the function that answers."""

import logging
import sys
import threading
import traceback

logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
print("printed at import")
released = threading.Event()
kept = []


def application(environ, start_response):
    globals()[environ["PATH_INFO"].strip("/")](environ, environ["wsgi.errors"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]


def lines(environ, errors):
    errors.write("plain line\n")
    errors.write("line one\nline two\n")
    errors.write("joined ")
    errors.write("from ")
    errors.write("parts\n")
    errors.writelines(["listed 1\n", "listed 2\n"])
    errors.write("flushed")
    errors.flush()
    errors.write("unfinished at the end")


def printed(environ, errors):
    print("printed to stdout")
    print("printed to stderr", file=sys.stderr)
    print("printed to errors", file=errors)
    sys.stdout.write("half of it, ")
    print("and the rest")
    logging.warning("logged")


def odd_text(environ, errors):
    errors.write("surrogate \udc80 end\n")
    errors.write("accent \xe9 end\n")
    errors.write("tab\tend\n")
    errors.write("x" * 5000 + " long\n")


def handled(environ, errors):
    try:
        raise ValueError("handled")
    except ValueError:
        traceback.print_exc(file=errors)


def in_a_thread(environ, errors):
    thread = threading.Thread(target=print, args=("printed in a thread",))
    thread.start()
    thread.join()


def half_a_line(environ, errors):
    print("first half,", end=" ")
    released.wait(10)
    print("second half")


def other_line(environ, errors):
    print("line of the other request")
    released.set()


def keep(environ, errors):
    kept.append(errors)


def use_what_was_kept(environ, errors):
    late = kept[0]
    outcome = []
    for call in (lambda: late.write("late\n"), lambda: late.writelines(["late\n"]), late.flush, late.close):
        try:
            outcome.append(repr(call()))
        except Exception as error:
            outcome.append(type(error).__name__)
    print("outcome:", *outcome)
