"""Notes each load of itself in the folder NOTES; as an application, tells where and how it was loaded."""

import os
import sys
import threading

import mod_wsgi

loaded_by_main_thread = threading.current_thread() is threading.main_thread()
script = os.path.basename(__file__)

with open(os.path.join(os.environ["NOTES"], "loads"), "a") as loads:
    loads.write(f"{script} in {mod_wsgi.application_group or 'main'} of {os.getpid()}\n")

failing = os.path.join(os.environ["NOTES"], "failing")
if os.path.exists(failing):
    exec(open(failing).read())


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    group = environ["mod_wsgi.application_group"]
    return [f"{script} in {group or 'main'}, loaded by main thread: {loaded_by_main_thread}".encode()]
