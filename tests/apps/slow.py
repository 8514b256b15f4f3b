"""Requests that are slow for as long as the test wants: until it makes a file beside this script."""

import os
import time

RELEASE = os.path.join(os.path.dirname(__file__), "release")


def hold_on():
    while not os.path.exists(RELEASE):
        time.sleep(0.02)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/hold":
        hold_on()
    start_response("202 Accepted" if environ["PATH_INFO"] == "/hold" else "200 OK", [])
    return [b"done"]
