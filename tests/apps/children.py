"""Starts child processes; the path names the function that does. The answer says what became of the child."""

import concurrent.futures
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

HEADERS = [("Content-Type", "text/plain; charset=utf-8")]
SHOW = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]
FIND = "/bin/grep"


def answer(start_response, text):
    start_response("200 OK", HEADERS)
    return [str(text).encode()]


def application(environ, start_response):
    action = globals()[environ["PATH_INFO"].rpartition("/")[2]]
    process = os.getpid()
    try:
        return action(environ, start_response)
    except Exception as error:
        if os.getpid() != process:
            raise
        return answer(start_response, f"{type(error).__name__}: {error}")


def exit_code(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def words(output):
    return " ".join(output.decode().split())


def from_pipe(start):
    """What a child writes that has a pipe as its standard output."""
    read, write = os.pipe()
    start(write)
    os.close(write)
    with open(read, "rb") as output:
        return words(output.read())


# Signals of programs


def signals_of_popen(environ, start_response):
    return answer(start_response, words(subprocess.check_output(SHOW)))


def signals_of_popen_by_spawn(environ, start_response):
    # Without close_fds and with a full path subprocess uses posix_spawn().
    return answer(start_response, words(subprocess.check_output([FIND, *SHOW[1:]], close_fds=False)))


def signals_of_popen_in_a_session(environ, start_response):
    return answer(start_response, words(subprocess.check_output(SHOW, start_new_session=True, cwd="/")))


def signals_of_posix_spawn(environ, start_response):
    def start(write):
        actions = [(os.POSIX_SPAWN_DUP2, write, 1)]
        exit_code(os.posix_spawn(FIND, SHOW, os.environ, file_actions=actions))

    return answer(start_response, from_pipe(start))


def signals_of_posix_spawnp(environ, start_response):
    def start(write):
        actions = [(os.POSIX_SPAWN_DUP2, write, 1)]
        exit_code(os.posix_spawnp("grep", SHOW, os.environ, file_actions=actions))

    return answer(start_response, from_pipe(start))


def signals_of_system(environ, start_response):
    def start(write):
        os.set_inheritable(write, True)
        assert os.system(f"{' '.join(SHOW[:2])} '{SHOW[2]}' {SHOW[3]} >/dev/fd/{write}") == 0

    return answer(start_response, from_pipe(start))


def signals_of_os_popen(environ, start_response):
    with os.popen(f"{' '.join(SHOW[:2])} '{SHOW[2]}' {SHOW[3]}") as output:
        return answer(start_response, " ".join(output.read().split()))


def signals_of_fork_and_exec(environ, start_response):
    def start(write):
        child = os.fork()
        if child == 0:
            os.dup2(write, 1)
            os.execv(FIND, SHOW)
        exit_code(child)

    return answer(start_response, from_pipe(start))


def status_of_system(environ, start_response):
    return answer(start_response, (os.system("exit 3") >> 8, os.system(b"true"), os.system("kill -9 $$") & 127))


def terminate(environ, start_response):
    child = subprocess.Popen(["sleep", "60"])
    child.terminate()
    return answer(start_response, child.wait(30))


# Copies of the process


def fork_and_leave(environ, start_response):
    child = os.fork()
    if child == 0:
        os._exit(7)
    return answer(start_response, exit_code(child))


def fork_and_exit(environ, start_response):
    child = os.fork()
    if child == 0:
        sys.exit(3)
    return answer(start_response, exit_code(child))


def fork_and_raise(environ, start_response):
    child = os.fork()
    if child == 0:
        raise KeyError("of the copy")
    return answer(start_response, exit_code(child))


def fork_and_return(environ, start_response):
    child = os.fork()
    if child == 0:
        return answer(start_response, "the copy must not answer")
    return answer(start_response, exit_code(child))


def fork_and_write(environ, start_response):
    write = start_response("200 OK", HEADERS)
    write(b"before ")
    child = os.fork()
    if child == 0:
        write(b"the copy must not write")
        return [b"the copy must not answer"]
    return [str(exit_code(child)).encode()]


def fork_and_yield(environ, start_response):
    start_response("200 OK", HEADERS)

    def blocks():
        yield b"before "
        child = os.fork()
        if child == 0:
            yield b"the copy must not answer"
            os._exit(9)
        yield str(exit_code(child)).encode()

    return blocks()


def fork_and_read(environ, start_response):
    child = os.fork()
    if child == 0:
        try:
            environ["wsgi.input"].read()
        except OSError:
            os._exit(5)
        os._exit(6)
    return answer(start_response, (exit_code(child), environ["wsgi.input"].read()))


def fork_and_run_threads(environ, start_response):
    child = os.fork()
    if child == 0:
        done = []
        thread = threading.Thread(target=done.append, args=(1,))
        thread.start()
        thread.join()
        print("a word of the copy", file=sys.stderr)
        os._exit(len(done))
    return answer(start_response, exit_code(child))


def fork_and_end_a_thread(environ, start_response):
    """The copy's only thread is one of the application, and ends."""
    children = []
    thread = threading.Thread(target=lambda: children.append(os.fork()))
    thread.start()
    thread.join()
    return answer(start_response, exit_code(children[0]))


def fork_and_terminate(environ, start_response):
    child = os.fork()
    if child == 0:
        threading.Event().wait(60)
        os._exit(1)
    os.kill(child, signal.SIGTERM)
    return answer(start_response, exit_code(child))


def forkpty(environ, start_response):
    child, terminal = os.forkpty()
    if child == 0:
        os._exit(7)
    code = exit_code(child)
    os.close(terminal)
    return answer(start_response, code)


# multiprocessing


def processes(environ, start_response):
    context = multiprocessing.get_context(environ["QUERY_STRING"] or None)
    workers = [context.Process(target=os._exit, args=(code,)) for code in (0, 3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    sleeper = context.Process(target=time.sleep, args=(60,))
    sleeper.start()
    sleeper.terminate()
    sleeper.join(30)
    return answer(start_response, [worker.exitcode for worker in [*workers, sleeper]])


def pool(environ, start_response):
    context = multiprocessing.get_context(environ["QUERY_STRING"] or None)
    with context.Pool(2) as workers:
        result = workers.map_async(abs, [-1, 2, -3]).get(60)
    return answer(start_response, result)


def executor(environ, start_response):
    context = multiprocessing.get_context(environ["QUERY_STRING"] or None)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as workers:
        result = workers.submit(pow, 2, 5).result(60)
    return answer(start_response, result)


def preexec(environ, start_response):
    return answer(start_response, subprocess.call(["true"], preexec_fn=os.setsid))


def pid(environ, start_response):
    return answer(start_response, os.getpid())
