"""Says in each way there is what JSON and httpd would escape, and fails."""

import logging

print("loaded")


def application(environ, start_response):
    print('printed "quotes" \\ caf\xe9')
    logging.getLogger("app").warning('first "line"\n\tsecond %s', "\\line")
    logging.getLogger("app").warning("%s", "\n".join(f"line {number}" for number in range(2000)))
    raise ValueError('of a "request" \\ \u20ac')
