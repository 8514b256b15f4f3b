"""What the module mod_wsgi has for those who want to know of events and of requests."""

import sys
import traceback


def subscribe_events(callback, /):
    """Has callback(name, **payload) called for every event of this interpreter. Returns the callback."""
    event_callbacks.append(callback)
    return callback


def subscribe_shutdown(callback, /):
    """Has callback('process_stopping', **payload) called when the process is about to end. Returns the callback."""
    shutdown_callbacks.append(callback)
    return callback


def subscribe_signals(callback, /):
    """Has callback('process_signal', **payload) called for SIGHUP and SIGUSR2. Returns the callback."""
    if in_process_group:
        signal_callbacks.append(callback)
    else:
        log("subscribe_signals() has no effect here: only a process of a process group passes signals on")
        for line in "".join(traceback.format_stack(sys._getframe(1))).splitlines():
            log(line)
    return callback
