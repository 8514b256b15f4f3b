"""What only a request through a process group can show; the path names the function that answers."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time

TEXT = ("Content-Type", "text/plain")
released = threading.Event()


def application(environ, start_response):
    name, _, rest = environ["PATH_INFO"].strip("/").partition("/")
    return globals()[name](environ, start_response, rest)


def answer(start_response, text, status="200 OK", *headers):
    start_response(status, [TEXT, *headers])
    return [text.encode()]


# Responses that something else may take the place of.


def status(environ, start_response, code):
    challenges = [("WWW-Authenticate", "Basic realm=a"), ("WWW-Authenticate", "Bearer")]
    return answer(start_response, "own words", f"{code} Own Reason", ("X-App", "1"), *challenges)


def status_then_error(environ, start_response, code):
    start_response(f"{code} Own Reason", [TEXT])
    yield b"so far"
    raise ValueError("half-way")


def redirect(environ, start_response, target):
    start_response("200 OK", [TEXT, ("X-App", "1"), ("Location", environ["QUERY_STRING"])])
    yield b"never seen"
    yield b"x" * 100_000


def describe(environ, start_response, rest):
    keys = ["REQUEST_METHOD", "QUERY_STRING", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "REDIRECT_URL"]
    body = environ["wsgi.input"].read().decode()
    return answer(start_response, " ".join(str(environ.get(key)) for key in keys) + f" [{body}]")


# Heads and blocks.


def header(environ, start_response, length):
    return answer(start_response, "fits", "200 OK", ("X-H", "x" * int(length)))


def long_status(environ, start_response, length):
    return answer(start_response, "fits", "200 " + "x" * int(length))


def block_and_wait(environ, start_response, size):
    start_response("200 OK", [TEXT])
    yield b"\0" * int(size)
    released.wait(30)
    yield b"after"


def release(environ, start_response, rest):
    released.set()
    return answer(start_response, "released")


def wait_and_answer(environ, start_response, rest):
    released.wait(30)
    return answer(start_response, "late")


def echo_lines(environ, start_response, rest):
    start_response("200 OK", [TEXT])
    for line in environ["wsgi.input"]:
        yield b"got " + line


def read_all(environ, start_response, rest):
    return answer(start_response, environ["wsgi.input"].read().decode())


def endless(environ, start_response, rest):
    start_response("200 OK", [TEXT])
    try:
        while True:
            yield b"x" * 65536
    finally:
        released.set()


def was_released(environ, start_response, rest):
    return answer(start_response, str(released.is_set()))


def includes(environ, start_response, rest):
    start_response("200 OK", [("Content-Type", "text/html")])
    yield b'before <!--#include virtual="/pid" --> after'


def send_buffers(environ, start_response, rest):
    sizes = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(number))) as copy:
                listens = copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if copy.family == socket.AF_UNIX and "/wsgi." in str(copy.getsockname()) and not listens:
                    sizes.add(copy.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
        except OSError:
            pass
    return answer(start_response, " ".join(map(str, sorted(sizes))))


# The process.


def pid(environ, start_response, rest):
    return answer(start_response, str(os.getpid()))


def flags(environ, start_response, rest):
    names = ["wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"]
    return answer(start_response, " ".join(str(environ[name]) for name in names))


def signals_of_a_program(environ, start_response, rest):
    what = environ["QUERY_STRING"]
    program = subprocess.run(["grep", f"^{what}", "/proc/self/status"], stdout=subprocess.PIPE, check=True)
    return answer(start_response, program.stdout.decode().split()[1])


def a_program_that_is_terminated(environ, start_response, rest):
    program = subprocess.Popen(["sleep", "600"])
    program.terminate()
    return answer(start_response, str(program.wait()))


def fork(environ, start_response, rest):
    copy = os.fork()
    if copy == 0:
        print("a word of the copy", file=sys.stderr)
        os._exit(7)
    return answer(start_response, str(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])))


def fork_and_return(environ, start_response, rest):
    copy = os.fork()
    if copy == 0:
        return answer(start_response, "the copy must not answer")
    return answer(start_response, str(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])))


def square(number):
    return number * number


def processes(environ, start_response, rest):
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    workers = [context.Process(target=lambda n: results.put(square(n)), args=(n,)) for n in range(3)]
    for worker in workers:
        worker.start()
    values = sorted(results.get() for _ in workers)
    for worker in workers:
        worker.join()
    return answer(start_response, f"{values} {[worker.exitcode for worker in workers]}")


def a_process_that_is_terminated(environ, start_response, rest):
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
    worker.start()
    worker.terminate()
    worker.join()
    return answer(start_response, "gone")


def fork_and_leave_it(environ, start_response, rest):
    copy = os.fork()
    if copy == 0:
        released.wait(600)
        os._exit(0)
    return answer(start_response, str(copy))


def kill_oneself(environ, start_response, rest):
    os.kill(os.getpid(), signal.SIGKILL)


def long_line(environ, start_response, rest):
    print("x" * 20_000_000, file=environ["wsgi.errors"])
    return answer(start_response, "written")


def log_afterwards(environ, start_response, rest):
    errors = environ["wsgi.errors"]

    def log():
        released.wait(30)
        print("a word of a thread", file=sys.stderr)
        try:
            print("too late", file=errors)
        except RuntimeError:
            print("the log of the request has ended", file=sys.stderr)

    threading.Thread(target=log).start()
    return answer(start_response, "answered")
