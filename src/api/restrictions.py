"""What WSGIRestrictStdin, WSGIRestrictStdout and WSGIRestrictSignal put in the place of the real things."""

import atexit
import io
import os
import signal
import sys
import traceback


class Restricted:
    """A stream that must not be used: reading any attribute of it is an error.

    For fileno it is the error that streams without a descriptor raise, so that its callers fall back.
    """

    def __init__(self, name):
        object.__setattr__(self, "_Restricted__name", name)

    def __getattribute__(self, attribute):
        if attribute in ("__class__", "_Restricted__name"):
            return object.__getattribute__(self, attribute)
        name = object.__getattribute__(self, "_Restricted__name")
        error = io.UnsupportedOperation if attribute == "fileno" else OSError
        raise error(f"{name} access is restricted by the configuration of the server")

    def __setattr__(self, attribute, value):
        raise AttributeError(f"attribute {attribute!r} cannot be set")


class SignalIntercept:
    """signal.signal() that installs nothing: signals of this process belong to the server.

    In a process that the application has forked it is the real function.
    """

    def __init__(self, real, log):
        self.__real, self.__log, self.__pid = real, log, os.getpid()

    def __call__(self, signalnum, handler, /):
        if os.getpid() != self.__pid:
            return self.__real(signalnum, handler)
        if not isinstance(signalnum, int):
            raise TypeError(f"signal number must be int, not {type(signalnum).__name__}")
        self.__log(f"signal handler for signal {int(signalnum)} is not installed (WSGIRestrictSignal On)")
        for line in "".join(traceback.format_stack(sys._getframe(1))).splitlines():
            self.__log(line)
        return handler


def restrict(stdin, stdout, signals, log):
    if stdin:
        sys.stdin = Restricted("sys.stdin")
    if stdout:
        sys.stdout = Restricted("sys.stdout")
        # Python flushes its streams at the end. What is registered first runs last.
        atexit.register(setattr, sys, "stdout", None)
    if signals:
        signal.signal = SignalIntercept(signal.signal, log)
