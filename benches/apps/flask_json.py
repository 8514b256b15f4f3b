"""Flask: a route with a converter, a query parameter, an answer in JSON."""

import sys

from flask import Flask, jsonify, request

# Once per interpreter, into the error log: the benchmark checks the mode it measures.
print("bench: gil", getattr(sys, "_is_gil_enabled", lambda: True)(), file=sys.stderr, flush=True)

application = Flask(__name__)


@application.get("/api/items/<int:number>")
def item(number):
    page = request.args.get("page", 1, type=int)
    tags = [{"id": tag, "name": f"tag {tag}"} for tag in range(10)]
    return jsonify(id=number, page=page, name="An item", price=12.5, available=True, tags=tags)
