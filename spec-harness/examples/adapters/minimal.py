#!/usr/bin/env python3
"""A complete adapter for spec/1: the thread pool of Python's concurrent.futures, without frills."""

import json
import os
import queue
import socket
import threading
from concurrent.futures import ThreadPoolExecutor, TimeoutError

REQUESTS, REPLIES = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # whatever a task prints must not be read as a reply
ONE_AT_A_TIME = threading.Lock()
pools, handles, where = {}, {}, None


class Raised(Exception):
    """An error that a task was ordered to raise: its name, its text."""


# A task: says that it runs, then obeys.
def task(key):
    me = threading.current_thread()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(where)
        stream = connection.makefile("rw")
        begin = {"begin": key, "pid": os.getpid(), "tid": me.native_id, "name": me.name}
        stream.write(json.dumps(begin) + "\n")
        stream.flush()
        ((order, what),) = json.loads(stream.readline()).items()
    if order == "return":
        return what
    if order == "raise":
        raise Raised(what["kind"], what["text"])
    raise Raised("Panicked", what)  # what is left is "panic"


# Errors have names that are the same in every language.
def named(error):
    if isinstance(error, Raised):
        kind, text = error.args
    elif isinstance(error, TimeoutError):
        kind, text = "TimedOut", ""
    elif "after shutdown" in str(error):
        kind, text = "NotRunning", str(error)
    elif "max_workers must be greater than 0" in str(error):
        kind, text = "InvalidSize", str(error)
    else:
        kind, text = type(error).__name__, str(error)
    return {"error": {"kind": kind, "text": text}}


def hello(protocol, socket, kind):
    global where
    where = socket
    can = [command for command in COMMANDS if command != "hello"] + ["threads"]
    return {"name": "ThreadPoolExecutor", "version": "1", "kinds": ["thread"], "can": can, "declines": DECLINES}


# What is not so here, and is not meant to be: rows of the contract, each with the reason.
DECLINES = {
    "O2": "its map hands out every item by itself",
    "O4": "its map hands out every item by itself",
    "L3": "one call, shutdown, closes and waits",
    "L9": "the end of the program waits for everything that was submitted",
}


def new_pool(pool, size):
    pools[pool] = ThreadPoolExecutor(size)


def apply_async(pool, key, handle, callback, error_callback):
    handles[handle] = pools[pool].submit(task, key)


COMMANDS = {
    "hello": hello,
    "pool": new_pool,
    "apply": lambda pool, key: pools[pool].submit(task, key).result(),
    "apply_async": apply_async,
    "map": lambda pool, keys, chunksize: list(pools[pool].map(task, keys)),
    "get": lambda handle, timeout: handles[handle].result(timeout),
    "ready": lambda handle: handles[handle].done(),
    "close": lambda pool: pools[pool].shutdown(wait=False),
    "join": lambda pool, timeout: pools[pool].shutdown(wait=True),
}


# Each caller (`by`) makes its calls on a thread of its own and is answered when they return.
def perform(calls):
    while (request := calls.get())["cmd"] != "exit":
        number, _, command = request.pop("id"), request.pop("by"), COMMANDS[request.pop("cmd")]
        try:
            reply = {"ok": command(**request)}
        except Exception as error:
            reply = named(error)
        with ONE_AT_A_TIME:
            print(json.dumps({"id": number, **reply}), file=REPLIES, flush=True)


def read():
    for line in REQUESTS:
        request = json.loads(line)
        if request["by"] not in callers:
            callers[request["by"]] = calls = queue.SimpleQueue()
            threading.Thread(target=perform, args=(calls,), daemon=True).start()
        callers[request["by"]].put(request)


callers = {"main": queue.SimpleQueue()}
threading.Thread(target=read, daemon=True).start()
perform(callers["main"])  # until main is told to return: then the program ends as any other
