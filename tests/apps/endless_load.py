"""A script that never comes to its application."""

import time

while True:
    time.sleep(0.05)
