"""How many processes and threads httpd gets, from the number that runs the application.

Formulas of mod_wsgi-express 6.1; `configuration` writes the result.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Threaded:
    """Sizes of the event and worker MPM."""

    server_limit: int
    threads_per_child: int
    start_servers: int
    min_spare_threads: int
    max_spare_threads: int

    @property
    def max_request_workers(self) -> int:
        return self.server_limit * self.threads_per_child


@dataclass(frozen=True)
class Prefork:
    """Sizes of the prefork MPM."""

    max_request_workers: int
    start_servers: int
    min_spare_servers: int
    max_spare_servers: int


@dataclass(frozen=True)
class Fractions:
    """Parts of the capacity, each from 0 to 1, or None for the default of the MPM."""

    initial: float | None = None
    minimum: float | None = None
    maximum: float | None = None


def clients(processes: int, threads: int, max_clients: int | None) -> int:
    """Connections that httpd serves at the same time: more than the application has threads, for those that wait."""
    base = processes * threads
    if max_clients is not None:
        return max(max_clients, base)
    return 10 + max(10, int(1.5 * base))


def threaded(most: int, parts: Fractions) -> Threaded:
    per_child = 10 if most <= 20 else int(most / (int(most / 20) + 1))
    children = math.ceil(most / per_child)
    initial = 0.2 if parts.initial is None else parts.initial
    least = initial if parts.minimum is None else parts.minimum
    highest = 0.6 if parts.maximum is None else parts.maximum
    return Threaded(
        server_limit=children,
        threads_per_child=per_child,
        start_servers=max(1, int(initial * children)),
        min_spare_threads=max(per_child, int(least * children) * per_child),
        max_spare_threads=max(per_child, int(highest * children) * per_child),
    )


def prefork(most: int, parts: Fractions) -> Prefork:
    initial = 0.05 if parts.initial is None else parts.initial
    least = initial if parts.minimum is None else parts.minimum
    highest = 0.1 if parts.maximum is None else parts.maximum
    return Prefork(
        max_request_workers=most,
        start_servers=max(1, int(initial * most)),
        min_spare_servers=max(1, int(least * most)),
        max_spare_servers=max(1, int(highest * most)),
    )


def embedded_threaded(processes: int, threads: int) -> Threaded:
    """The application runs in httpd's own worker threads. All of them are kept; httpd wants the least number of spare
    threads to be below their sum."""
    return Threaded(processes, threads, processes, min_spare_threads=1, max_spare_threads=processes * threads)


def embedded_prefork(processes: int, threads: int) -> Prefork:
    return Prefork(*[processes * threads] * 4)
