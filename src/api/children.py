"""Child processes that applications start get nothing that is the server's: its blocked and ignored signals, its handlers.

All but one of the threads of httpd's children block all signals, and a program inherits what the thread that starts it
blocks. SIGPIPE and SIGXFSZ are ignored; subprocess gives those back to programs by itself (restore_signals).
"""

import functools
import os
import posix
import sys
from _signal import SIG_DFL, SIG_SETMASK, SIGINT, SIGPIPE, SIGQUIT, SIGXFSZ
from _signal import getsignal, pthread_sigmask, signal, valid_signals

try:
    import _posixsubprocess
except ImportError:
    _posixsubprocess = None

VALID = valid_signals()
IGNORED = (SIGPIPE, SIGXFSZ)
NO_FORK = (
    "%s is possible only in the main interpreter of a process that has no others, because CPython cannot fork with "
    "several: serve all applications of this process there (WSGIApplicationGroup %%{GLOBAL}), or start a program "
    "(subprocess; multiprocessing with the start method 'spawn' or 'forkserver')"
)
# The position of preexec_fn among the arguments of fork_exec().
PREEXEC = 21


def replace(name, make):
    """Replaces a function of os, under both names of its module."""
    real = getattr(os, name, None)
    if real is not None:
        function = functools.wraps(real)(make(real))
        setattr(os, name, function)
        setattr(posix, name, function)


def for_programs(fork_exec, may_fork):
    """fork_exec(), during which its thread blocks nothing. No signal of httpd's is for it: httpd's main thread takes them."""

    @functools.wraps(fork_exec)
    def call(*arguments):
        if len(arguments) > PREEXEC and arguments[PREEXEC] is not None and not may_fork():
            raise RuntimeError(NO_FORK % "preexec_fn")
        blocked = pthread_sigmask(SIG_SETMASK, ())
        try:
            return fork_exec(*arguments)
        finally:
            pthread_sigmask(SIG_SETMASK, blocked & VALID)

    return call


def with_signals(spawn):
    def call(*arguments, **options):
        options.setdefault("setsigmask", ())
        options.setdefault("setsigdef", IGNORED)
        return spawn(*arguments, **options)

    return call


def system_by_spawn(_):
    def system(command):
        command = os.fsencode(command)
        sys.audit("os.system", command)
        defaults = (SIGINT, SIGQUIT, *IGNORED)
        try:
            child = os.posix_spawn("/bin/sh", [b"sh", b"-c", command], os.environ, setsigdef=defaults)
            return os.waitpid(child, 0)[1]
        except OSError:
            return -1

    return system


def where_possible(may_fork):
    def make(fork):
        def call():
            if not may_fork():
                raise RuntimeError(NO_FORK % f"os.{fork.__name__}()")
            # A signal to the copy waits until its handlers are none of the server's.
            blocked = pthread_sigmask(SIG_SETMASK, VALID) & VALID
            try:
                result = fork()
            except BaseException:
                pthread_sigmask(SIG_SETMASK, blocked)
                raise
            # In the copy become_copy() has unblocked all.
            if result not in (0, (0, -1)):
                pthread_sigmask(SIG_SETMASK, blocked)
            return result

        return call

    return make


def become_copy():
    """In a process that the application has forked: signals have the effect that they have in a program."""
    for number in VALID:
        # None is a handler that was not set from Python: httpd's or this module's.
        if getsignal(number) is None:
            signal(number, SIG_DFL)
    pthread_sigmask(SIG_SETMASK, ())


def prepare(may_fork):
    """`may_fork` tells whether the process could be forked from the interpreter of the caller."""
    if _posixsubprocess is not None:
        _posixsubprocess.fork_exec = for_programs(_posixsubprocess.fork_exec, may_fork)
    replace("posix_spawn", with_signals)
    replace("posix_spawnp", with_signals)
    replace("system", system_by_spawn)
    replace("fork", where_possible(may_fork))
    replace("forkpty", where_possible(may_fork))
    os.register_at_fork(after_in_child=become_copy)
