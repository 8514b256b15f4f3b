"""What an extension module finds in apache.request_rec, while the request runs and later.

/keep   the request line by httpd's own record, read at the call, while the response is iterated and in its close()
/late   what the capsule of the last /keep is worth now
else    whether the environ has a record
"""

import ctypes

get_name = ctypes.pythonapi.PyCapsule_GetName
get_name.restype = ctypes.c_char_p
get_name.argtypes = [ctypes.py_object]
get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
get_pointer.restype = ctypes.c_void_p
get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]

# Six pointers stand before the_request in request_rec.
THE_REQUEST = 6 * ctypes.sizeof(ctypes.c_void_p)

kept = []


def request_line(capsule, name=None):
    return ctypes.c_char_p.from_address(get_pointer(capsule, name) + THE_REQUEST).value


class Lines:
    def __init__(self, capsule):
        self.capsule = capsule

    def __iter__(self):
        yield request_line(self.capsule) + b"\n"

    def close(self):
        kept[:] = [self.capsule, request_line(self.capsule)]


def late():
    capsule, line = kept
    name = get_name(capsule)
    try:
        pointer = get_pointer(capsule, None)
    except ValueError:
        pointer = "ValueError"
    return repr((line, name, pointer, request_line(capsule, name))).encode()


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/keep":
        capsule = environ["apache.request_rec"]
        assert get_name(capsule) is None
        assert request_line(capsule).startswith(b"GET ")
        return Lines(capsule)
    if environ["PATH_INFO"] == "/late":
        return [late()]
    return [type(environ.get("apache.request_rec")).__name__.encode()]
