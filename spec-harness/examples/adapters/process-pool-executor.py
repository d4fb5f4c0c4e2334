#!/usr/bin/env python3
"""CPython's concurrent.futures.ProcessPoolExecutor (by fork) behind spec/1."""

import json
import multiprocessing
import os
import platform
import queue
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, ProcessPoolExecutor, TimeoutError, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial

REQUESTS, REPLIES = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)  # whatever a task prints must not be read as a reply
# A worker that kept these would hide the end of this program.
os.register_at_fork(after_in_child=lambda: [os.close(stream.fileno()) for stream in (REQUESTS, REPLIES)])
ONE_AT_A_TIME = threading.Lock()
pools, handles, iterators, closing, where = {}, {}, {}, {}, None


class Raised(Exception):
    """An error that a task was ordered to raise; it travels between processes."""

    def __init__(self, kind, text):
        super().__init__(kind, text)
        self.kind, self.text = kind, text


BY_TEXT = {
    "cannot schedule new futures after": "NotRunning",
    "max_workers must be greater than 0": "InvalidSize",
    "chunksize must be >= 1": "InvalidChunksize",
    "cannot pickle": "Encode",
}


def named(error):
    text = str(error)
    if isinstance(error, Raised):
        return {"kind": error.kind, "text": error.text}
    for sort, kind in {TimeoutError: "TimedOut", CancelledError: "Cancelled", StopIteration: "StopIteration"}.items():
        if isinstance(error, sort):
            return {"kind": kind, "text": text}
    if isinstance(error, BrokenProcessPool):
        return {"kind": "WorkerLost", "text": "the pool is broken"}
    for words, kind in BY_TEXT.items():
        if words in text:
            return {"kind": kind, "text": words}
    return {"kind": type(error).__name__, "text": text}


# --- puppets: tasks in the workers, callbacks in the program


def task(key):
    return act({"begin": key})


def callback(ok, failed, future):
    """The executor has one callback for both outcomes."""
    error = None if future.cancelled() else future.exception()
    if future.cancelled() or error is not None:
        if failed is not None:
            act({"begin": failed, "callback": True, "error": named(error or CancelledError())})
    elif ok is not None:
        act({"begin": ok, "callback": True, "value": future.result()})


def act(begin):
    parent = multiprocessing.parent_process() is None
    me = threading.current_thread() if parent else multiprocessing.current_process()
    begin.update(pid=os.getpid(), tid=threading.get_native_id(), name=me.name)
    kept = []
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(where)
        with connection.makefile("rw") as stream:
            while True:
                stream.write(json.dumps(begin) + "\n")
                stream.flush()
                if not (line := stream.readline()):
                    os._exit(70)
                ((order, what),) = json.loads(line).items()
                if order == "call":
                    begin = call(what)
                    continue
                if (order, what) == ("signal", "STOP"):
                    os.kill(os.getpid(), signal.SIGSTOP)
                    return None
                if order not in MEANWHILE:
                    break
                kept.append(MEANWHILE[order](what))
                begin = {"done": True}
    return LAST[order](what)


def fail(error):
    raise error


MEANWHILE = {
    "spawn_child": lambda _: subprocess.Popen(["sleep", "infinity"]),
    "ignore_sigterm": lambda _: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "allocate": lambda mib: b"x" * (mib << 20),
}
LAST = {
    "return": lambda value: value,
    "raise": lambda what: fail(Raised(what["kind"], what["text"])),
    "panic": lambda text: fail(Raised("Panicked", text)),
    "return_unsendable": lambda _: threading.Lock(),
    "raise_unsendable": lambda _: fail(Raised("Unsendable", threading.Lock())),
    "exit": os._exit,  # sys.exit is an exception like any other here
    "signal": lambda name: os.kill(os.getpid(), getattr(signal, "SIG" + name)),
    "close_fds": lambda _: os.closerange(0, os.sysconf("SC_OPEN_MAX")),
}


# --- requests


def hello(protocol, socket, kind):
    global where
    where = socket
    can = [command for command in COMMANDS if command != "hello"]
    can += ["callback", "threads", "call_from_callback", "spawn_child", "allocate", "exit_self", "kill_self"]
    can += ["stop_self", "ignore_sigterm", "close_fds", "return_unsendable", "raise_unsendable"]
    return {
        "name": "ProcessPoolExecutor (fork)",
        "version": platform.python_version(),
        "kinds": ["process"],
        "can": can,
        "declines": DECLINES,
    }


DECLINES = {
    "L3": "one call, shutdown, closes and waits",
    "L9": "the end of the program waits for everything that was submitted",
    "O2": "the default size of chunks is 1",
    "R1": "a future is done before its callback runs",
    "R5": "a future is done before its callback runs",
}


def new_pool(pool, size):
    pools[pool] = ProcessPoolExecutor(size, mp_context=multiprocessing.get_context("fork"))


def apply_async(pool, key, handle, callback=None, error_callback=None):
    future = handles[handle] = pools[pool].submit(task, key)
    if callback is not None or error_callback is not None:
        future.add_done_callback(partial(globals()["callback"], callback, error_callback))


def results(pool, keys, chunksize, **_):
    return pools[pool].map(task, keys, chunksize=1 if chunksize is None else chunksize)


def imap(iterator, endless=False, **call):
    iterators[iterator] = results(**call)


def close(pool):
    # A shutdown that does not wait takes from a later one that does the chance to wait: this one waits aside.
    closing[pool] = threading.Thread(target=pools[pool].shutdown)
    closing[pool].start()


def join(pool, timeout):
    if pool in closing:
        closing[pool].join()
    else:
        pools[pool].shutdown()


def successful(handle):
    future = handles[handle]
    if not future.done():
        raise Raised("NotReady", "not ready")
    return not future.cancelled() and future.exception() is None


COMMANDS = {
    "hello": hello,
    "pool": new_pool,
    "apply": lambda pool, key: pools[pool].submit(task, key).result(),
    "apply_async": apply_async,
    "map": lambda **call: list(results(**call)),
    "imap": imap,
    "next": lambda iterator, timeout: next(iterators[iterator]),
    "get": lambda handle, timeout: handles[handle].result(timeout),
    "wait": lambda handle, timeout: bool(wait([handles[handle]], timeout)) and None,
    "ready": lambda handle: handles[handle].done(),
    "successful": successful,
    "close": close,
    "join": join,
    "drop": lambda pool: pools.pop(pool) and None,
}


def call(request):
    try:
        return {"ok": COMMANDS[request.pop("cmd")](**request)}
    except Exception as error:
        return {"error": named(error)}


def perform(calls):
    while (request := calls.get())["cmd"] != "exit":
        number, _ = request.pop("id"), request.pop("by")
        reply = call(request)
        with ONE_AT_A_TIME:
            print(json.dumps({"id": number, **reply}), file=REPLIES, flush=True)


def read():
    for line in REQUESTS:
        request = json.loads(line)
        if request["by"] not in callers:
            callers[request["by"]] = calls = queue.SimpleQueue()
            threading.Thread(target=perform, args=(calls,), daemon=True).start()
        is_last = request["cmd"] == "exit"
        callers[request["by"]].put(request)  # it is that thread's from here on
        if is_last:
            return
    os._exit(70)


callers = {"main": queue.SimpleQueue()}
threading.Thread(target=read, daemon=True).start()
perform(callers["main"])
