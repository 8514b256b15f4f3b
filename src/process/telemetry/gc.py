"""What Python's collector of garbage does in an interpreter, for telemetry."""

import collections
import gc
import time

MOST_EVENTS = 256
MOST_AT_ONCE = 64


def install():
    events = collections.deque()
    started = None
    dropped = 0

    def _gc_callback(phase, info):
        nonlocal started, dropped
        if phase == "start":
            started = (time.time(), time.perf_counter())
        elif started is not None:
            stamp, begin = started
            started = None
            events.append(
                (
                    stamp,
                    time.perf_counter() - begin,
                    info["generation"],
                    info["collected"],
                    info["uncollectable"],
                )
            )
            if len(events) > MOST_EVENTS:
                events.popleft()
                dropped += 1

    def drain():
        """Numbers, and what has happened since the last time."""
        stats = [[one[key] for one in gc.get_stats()] for key in ("collections", "collected", "uncollectable")]
        numbers = [*gc.get_count(), *gc.get_threshold(), *(value for row in stats for value in row)]
        numbers += [int(gc.isenabled()), gc.get_freeze_count(), dropped]
        taken = []
        while events and len(taken) < MOST_AT_ONCE:
            taken.append(events.popleft())
        return numbers, taken

    _gc_callback.drain = drain
    gc.callbacks.append(_gc_callback)
