def prepare(note, may_interrupt):
    import signal

    def end(number, frame):
        note()
        if may_interrupt():
            raise SystemExit

    def absorb(number, frame):
        pass

    def stop_loading(number, frame):
        note()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, stop_loading)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        signal.signal(number, absorb)


def wait():
    """As at the end of any Python, where threads end that wait for work, too."""
    import sys
    import threading

    show = sys.unraisablehook

    def show_others(unraisable):
        # Since 3.13 what a signal's handler raises is shown, and the wait is over.
        if unraisable.exc_type is not SystemExit or unraisable.object is not None:
            show(unraisable)

    sys.unraisablehook = show_others
    try:
        threading._shutdown()
    finally:
        sys.unraisablehook = show
