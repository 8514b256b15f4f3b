"""Results of every kind; the path names the function that answers."""

import threading

HEADERS = [("Content-Type", "text/plain")]
released = threading.Event()
seen = []


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if name not in ("start_late", "raise_with_close"):
        start_response("200 OK", HEADERS + extra_headers(environ))
    return globals()[name](environ)


def extra_headers(environ):
    length = environ.get("HTTP_X_LENGTH")
    return [("Content-Length", length)] if length else []


def one_item(environ):
    return [b"one"]


def a_list(environ):
    return [b"one", b"", b"three", b"5"]


def a_tuple(environ):
    return (b"one", b"three")


def a_generator(environ):
    yield b""
    yield b"one"
    yield b"three"


def a_dict(environ):
    return {b"one": 1, b"three": 3}


def a_sequence(environ):
    class Sequence:
        def __getitem__(self, index):
            return (b"one", b"three")[index]

    return Sequence()


def derived_bytes(environ):
    class Derived(bytes):
        pass

    return [Derived(b"one"), Derived(b"three")]


def nothing(environ):
    return []


def empty_items(environ):
    return [b"", b"", b""]


def counted(environ):
    for number in range(5):
        seen.append(str(number))
        yield b"%d" % number


def many(environ):
    return (b"%d," % number for number in range(20000))


def large(environ):
    return (bytes([number % 251]) * 65536 for number in range(128))


def step_by_step(environ):
    yield b"first"
    released.wait(10)
    yield b"second"


def release(environ):
    released.set()
    return [b"released"]


def what_was_seen(environ):
    answer = ",".join(seen)
    seen.clear()
    return [answer.encode()]


class Closing:
    """Iterates by another object, which has a close() of its own."""

    def __init__(self, items):
        self.items = items

    def __iter__(self):
        items = self.items

        class Iterator:
            def __iter__(self):
                return self

            def __next__(self):
                if not items:
                    raise StopIteration
                item = items.pop(0)
                if isinstance(item, Exception):
                    raise item
                return item

            def close(self):
                seen.append("iterator closed")

        return Iterator()

    def close(self):
        seen.append("closed")


def closing(environ):
    return Closing([b"one", b"three"])


def closing_after_error(environ):
    return Closing([b"one", ValueError("half-way")])


def closing_unstarted(environ):
    return Closing([])


def closing_generator(environ):
    try:
        yield b"one"
        yield "not bytes"
    except GeneratorExit:
        seen.append("GeneratorExit")
        raise
    finally:
        seen.append("finally")


def close_is_no_method(environ):
    class Body(list):
        close = None

    return Body([b"whole"])


def close_cannot_be_looked_up(environ):
    class Body(list):
        @property
        def close(self):
            raise ValueError("no close today")

    return Body([b"whole"])


def close_exits(environ):
    class Body(list):
        def close(self):
            raise SystemExit("from close()")

    return Body([b"whole"])


def raise_with_close(environ):
    class Body(list):
        def close(self):
            seen.append("closed")

    Body()
    raise ValueError("nothing was returned")
