def prepare(note):
    import signal

    def end(number, frame):
        if note():
            raise SystemExit

    def absorb(number, frame):
        pass

    def stop_loading(number, frame):
        note()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, stop_loading)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        signal.signal(number, absorb)
