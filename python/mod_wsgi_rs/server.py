"""Runs httpd in the foreground, by the apachectl of its server root.

Where nobody watches (standard output is no terminal) the process becomes httpd, so that its pid and exit status are
httpd's. On a terminal httpd is a child, so that a resized window does not stop it.
"""

import os
import signal
import subprocess
import sys

from .settings import Settings

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


def run(settings: Settings) -> int:
    """Returns httpd's exit status, or does not return."""
    command = [str(settings.root / "apachectl"), "start", "-DFOREGROUND"]
    sys.stdout.flush()
    if settings.debug or not sys.stdout.isatty():
        os.execv(command[0], command)
    return _run_as_child(command)


def _run_as_child(command: list[str]) -> int:
    # Signals that come before httpd is there wait for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    child = subprocess.Popen(
        command,
        process_group=0,
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, ()),
    )
    for number in PASSED_ON:
        # Ctrl-C stops at once, as SIGTERM does.
        to_child = signal.SIGTERM if number == signal.SIGINT else number
        signal.signal(number, lambda *_, to_child=to_child: child.send_signal(to_child))
    signal.signal(signal.SIGWINCH, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    status = child.wait()
    return status if status >= 0 else 128 - status
