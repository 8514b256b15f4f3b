"""Orders of a small shop, in FastAPI.

    make serve APP=examples/fastapi/app.wsgi
    curl http://127.0.0.1:8000/orders --json '{"article": "tea", "count": 2}'
    curl http://127.0.0.1:8000/orders/1
"""

import asyncio
import itertools
import sys
import threading

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

app = FastAPI(title="Orders", docs_url=None, redoc_url=None)


class Order(BaseModel):
    article: str = Field(min_length=1, max_length=100)
    count: int = Field(ge=1, le=1000)


orders: dict[int, Order] = {}
numbers = itertools.count(1)


@app.post("/orders", status_code=201)
async def place(order: Order):
    number = next(numbers)
    orders[number] = order
    return {"number": number, **order.model_dump()}


@app.get("/orders/{number}")
async def show(number: int):
    if number not in orders:
        raise HTTPException(404, "there is no such order")
    return orders[number]


@app.get("/slow")
async def slow():
    # All `async def` share one thread: while this one waits, the others go on.
    await asyncio.sleep(0.2)
    return {"thread": threading.current_thread().name}


@app.get("/where")
def where():
    # FastAPI runs a plain `def` in a thread pool: without the GIL these run on all cores.
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return {"thread": threading.current_thread().name, "gil": gil}
