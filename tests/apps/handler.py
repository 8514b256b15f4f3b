"""A handler script that answers str() of the environ key that the query names, and of the resource by default."""

served = []


def handle_request(environ, start_response):
    served.append(1)
    key = environ["QUERY_STRING"] or "SCRIPT_FILENAME"
    answer = len(served) if key == "served" else environ.get(key)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(answer).encode()]
