"""CPython's multiprocessing.Pool (by fork) and multiprocessing.pool.ThreadPool behind the adapter protocol spec/1.

Requests come on stdin and replies go to stdout, one JSON object per line. Every task and every callback is a
puppet: it connects to the harness's socket, says who it is, and does as it is told.
"""

import json
import multiprocessing
import multiprocessing.dummy
import multiprocessing.pool
import os
import platform
import queue
import signal
import socket
import subprocess
import sys
import threading
from functools import partial

REQUESTS, REPLIES = os.dup(0), os.dup(1)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)  # what workers print must not be read as a reply


def leave_the_harness():
    """A worker that kept these would hide the end of this program from the harness."""
    os.close(REQUESTS)
    os.close(REPLIES)


os.register_at_fork(after_in_child=leave_the_harness)

FORK = multiprocessing.get_context("fork")
BY_MESSAGE = {
    "Pool not running": "NotRunning",
    "Pool is still running": "StillRunning",
    "not ready": "NotReady",
    "Number of processes must be at least 1": "InvalidSize",
    "Chunksize must be 1+": "InvalidChunksize",
    "cannot join current thread": "WouldDeadlock",
    "cannot start a process twice": "AlreadyStarted",
    "threads can only be started once": "AlreadyStarted",
    "can only join a started process": "NotStarted",
    "cannot join thread before it is started": "NotStarted",
}

where = None  # path of the harness's socket
kind = None  # "process" or "thread"
pools, handles, iterators, processes = {}, {}, {}, {}


# --- puppets -------------------------------------------------------------------------------------------------


class Raised(Exception):
    """An error that a task was ordered to raise, by name; it travels between processes."""

    def __init__(self, kind, text):
        super().__init__(kind, text)
        self.kind, self.text = kind, text


def named(error):
    """An error by its portable name."""
    if isinstance(error, Raised):
        return {"kind": error.kind, "text": error.text}
    text = str(error)
    if isinstance(error, multiprocessing.TimeoutError):
        return {"kind": "TimedOut", "text": text}
    if isinstance(error, multiprocessing.pool.MaybeEncodingError):
        return {"kind": "Encode", "text": "the outcome cannot travel to the program"}
    for words, kind in BY_MESSAGE.items():
        if words in text:
            return {"kind": kind, "text": words}  # without what changes from run to run, as addresses do
    return {"kind": type(error).__name__, "text": text}


def puppet(key, *more):
    """The body of every task."""
    return act({"begin": key, "args": 1 + len(more)})


def initialize(number):
    """What a worker runs before its first task."""
    act({"begin": number, "initializer": True})


def callback(key, value):
    act({"begin": key, "callback": True, "value": value})


def error_callback(key, error):
    act({"begin": key, "callback": True, "error": named(error)})


def act(begin):
    """Says who begins, then obeys until an order ends it."""
    is_worker = multiprocessing.parent_process() is not None
    me = multiprocessing.current_process() if is_worker else threading.current_thread()
    begin.update(pid=os.getpid(), tid=threading.get_native_id(), name=me.name)
    kept = []  # memory and children live as long as the task
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(where)
        with connection.makefile("rw") as stream:
            while True:
                stream.write(json.dumps(begin) + "\n")
                stream.flush()
                line = stream.readline()
                if not line:
                    os._exit(70)  # the harness has gone
                ((order, what),) = json.loads(line).items()
                if order == "call":
                    begin = call(what)
                    continue
                if order == "signal" and what == "STOP":
                    os.kill(os.getpid(), signal.SIGSTOP)  # who is stopped has not ended
                    return None
                if order not in MEANWHILE:
                    break
                kept.append(MEANWHILE[order](what))
                begin = {"done": True}
    return LAST[order](what)


def raise_named(what):
    raise Raised(what["kind"], what["text"])


def raise_unsendable():
    raise Raised("Unsendable", threading.Lock())


def panic(text):
    raise Raised("Panicked", text)


MEANWHILE = {
    "spawn_child": lambda _: subprocess.Popen(["sleep", "infinity"]),  # pause(): a timed wait is not rest
    "ignore_sigterm": lambda _: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "allocate": lambda mib: b"x" * (mib << 20),
}
LAST = {
    "return": lambda value: value,
    "return_unsendable": lambda _: threading.Lock(),  # pickle refuses it
    "raise_unsendable": lambda _: raise_unsendable(),
    "raise": raise_named,
    "panic": panic,
    "exit": sys.exit,
    "signal": lambda name: os.kill(os.getpid(), getattr(signal, "SIG" + name)),
    "close_fds": lambda _: os.closerange(0, os.sysconf("SC_OPEN_MAX")),
}


# --- requests ------------------------------------------------------------------------------------------------


class ProtocolError(Exception):
    """A request that makes no sense."""


def the(table, name):
    try:
        return table[name]
    except KeyError:
        raise ProtocolError(f"there is no {name!r}") from None


def hello(protocol, socket, kind):
    if protocol != 1 or kind not in ("process", "thread"):
        raise ProtocolError(f"protocol {protocol} for {kind} is not spoken here")
    globals().update(where=socket, kind=kind)
    by_signal = {"pid", "kill", "terminate_process"}
    can = set(COMMANDS) - {"hello"} - (by_signal if kind == "thread" else set())
    of_threads, of_processes = {"call_from_task"}, BY_PROCESSES_ALONE
    more = {"callback", "call_from_callback", "initializer", "worker_name", "threads", "spawn_child", "allocate"}
    more |= of_processes if kind == "process" else of_threads
    return {
        "name": "multiprocessing.Pool (fork)" if kind == "process" else "multiprocessing.pool.ThreadPool",
        "version": platform.python_version(),
        "kinds": [kind],
        "can": sorted(can | more),
        "declines": {},
        "polls": None,
    }


def new_pool(pool, size, maxtasksperchild=None, initializer=None):
    start = (None, ()) if initializer is None else (initialize, (initializer,))
    if kind == "process":
        pools[pool] = FORK.Pool(size, *start, maxtasksperchild)
    else:
        pools[pool] = multiprocessing.pool.ThreadPool(size, *start)


def callbacks(ok, error):
    return {
        "callback": None if ok is None else partial(callback, ok),
        "error_callback": None if error is None else partial(error_callback, error),
    }


def apply_async(pool, key, handle, callback=None, error_callback=None):
    handles[handle] = the(pools, pool).apply_async(puppet, (key,), **callbacks(callback, error_callback))


def many(method, pool, keys, chunksize=None):
    items = [(key, "arg2") for key in keys] if method.startswith("starmap") else keys
    return partial(getattr(the(pools, pool), method), puppet, items, chunksize)


def many_async(method, pool, keys, handle, chunksize=None, callback=None, error_callback=None):
    handles[handle] = many(method, pool, keys, chunksize)(**callbacks(callback, error_callback))


def endlessly(keys):
    yield from keys
    threading.Event().wait()  # who reads further waits for ever


def imap(method, pool, keys, iterator, chunksize=None, read_ahead=None, endless=False):
    # The whole input is read at once here: there is nothing that `read_ahead` could bound.
    chunks = {} if chunksize is None else {"chunksize": chunksize}
    iterators[iterator] = getattr(the(pools, pool), method)(puppet, endlessly(keys) if endless else keys, **chunks)


def next_result(iterator, timeout=None):
    results = the(iterators, iterator)
    return next(results) if timeout is None else results.next(timeout)


def join(pool, timeout=None):
    if timeout is not None:
        raise ProtocolError("join takes no timeout here")
    the(pools, pool).join()


def drop(pool):
    the(pools, pool)
    del pools[pool]


def new_process(process, key, daemon=False):
    make = FORK.Process if kind == "process" else multiprocessing.dummy.Process
    processes[process] = make(target=puppet, args=(key,))
    processes[process].daemon = daemon


BY_PROCESSES_ALONE = {
    "exit_self",
    "kill_self",
    "stop_self",
    "ignore_sigterm",
    "close_fds",
    "return_unsendable",
    "raise_unsendable",
    "maxtasksperchild",
}
COMMANDS = {
    "hello": hello,
    "pool": new_pool,
    "apply": lambda pool, key: the(pools, pool).apply(puppet, (key,)),
    "apply_async": apply_async,
    "map": lambda **call: many("map", **call)(),
    "starmap": lambda **call: many("starmap", **call)(),
    "map_async": partial(many_async, "map_async"),
    "starmap_async": partial(many_async, "starmap_async"),
    "imap": partial(imap, "imap"),
    "imap_unordered": partial(imap, "imap_unordered"),
    "next": next_result,
    "get": lambda handle, timeout=None: the(handles, handle).get(timeout),
    "wait": lambda handle, timeout=None: the(handles, handle).wait(timeout),
    "ready": lambda handle: the(handles, handle).ready(),
    "successful": lambda handle: the(handles, handle).successful(),
    "close": lambda pool: the(pools, pool).close(),
    "terminate": lambda pool: the(pools, pool).terminate(),
    "join": join,
    "drop": drop,
    "process": new_process,
    "start": lambda process: the(processes, process).start(),
    "join_process": lambda process, timeout=None: the(processes, process).join(timeout),
    "is_alive": lambda process: the(processes, process).is_alive(),
    "exitcode": lambda process: the(processes, process).exitcode,
    "pid": lambda process: the(processes, process).pid,
    "kill": lambda process: the(processes, process).kill(),
    "terminate_process": lambda process: the(processes, process).terminate(),
}


def reply(message, lock=threading.Lock()):
    line = memoryview(json.dumps(message).encode() + b"\n")
    with lock:
        while line:
            line = line[os.write(REPLIES, line):]


def call(request):
    """Makes a call on this very thread: what it returned, or its error by name."""
    name = request.pop("cmd")
    try:
        if name not in COMMANDS:
            raise ProtocolError(f"there is no command {name!r}")
        return {"ok": COMMANDS[name](**request)}
    except ProtocolError as error:
        return {"error": {"kind": "Protocol", "text": str(error)}}
    except Exception as error:
        return {"error": named(error)}


def perform(requests):
    """Makes one thread's calls, in order, until main returns."""
    while (request := requests.get())["cmd"] != "exit":
        number = request.pop("id")
        del request["by"]
        reply({"id": number, **call(request)})


def read_requests(callers):
    """Hands each request to the thread that is to make the call; a thread is made at its first one."""
    rest = b""
    while chunk := os.read(REQUESTS, 1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            request = json.loads(line)
            name = request["by"]
            if name not in callers:
                callers[name] = queue.SimpleQueue()
                threading.Thread(target=perform, args=(callers[name],), name=name, daemon=True).start()
            is_last = request["cmd"] == "exit"
            callers[name].put(request)  # it is that thread's from here on
            if is_last:
                return
    os._exit(70)  # the harness has gone


main_calls = queue.SimpleQueue()
threading.Thread(target=read_requests, args=({"main": main_calls},), name="requests", daemon=True).start()
perform(main_calls)
