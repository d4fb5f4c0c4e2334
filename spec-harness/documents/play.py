"""Runs a document's own program on CPython's own pools, with a virtual clock, and tells what happened when.

stdin: {"name": ..., "program": TEXT, "busy": TURNS or null}; stdout: {"events": [[AT, WHO, WHAT], ...], ...}.

The program runs in a process of its own. What it imports are stand-ins: their pools are real ones, but each task
is a puppet that first waits for its turn, and `print` and `time` speak to this process, the stage. The stage gives
a turn only when every thread of the program and of its workers sleeps, to one at a time, by the order that cases
are replayed by: the instant of waking, then the instant at which one began to wait for it, then main before tasks,
then the number of the task.
"""

import builtins
import contextlib
import functools
import itertools
import json
import multiprocessing
import multiprocessing.dummy
import multiprocessing.pool
import os
import platform
import re
import select
import signal
import socket
import sys
import threading
import time
import traceback
import types

MAIN, TASK = 0, 1
PID = 9_000_000_000_000  # a process's number is shown as the sum, which no other number of a program is
PATIENCE = 30  # real seconds without any progress


# --- the program's side ---------------------------------------------------------------------------------------

program = {}  # the globals of the document's program
local = threading.local()  # .client: how this thread speaks to the stage
made = []  # kind and size of each pool
submitted = []  # what every task and process was to call
numbers = itertools.count()  # of tasks and callbacks
stage_path = None
busy = None


class Client:
    """A connection to the stage: of main, or of one task."""

    def __init__(self, rank, number):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(stage_path)
        self.stream = self.socket.makefile("rw")
        self.now = 0
        self.say(rank=rank, number=number)

    def say(self, **message):
        self.stream.write(json.dumps(message) + "\n")
        self.stream.flush()

    def wait(self, **message):
        """Says something that ends the turn, and waits for the next one."""
        self.say(**message)
        line = self.stream.readline()
        if not line:
            os._exit(70)  # the stage has gone
        self.now = json.loads(line)

    def close(self):
        self.stream.close()
        self.socket.close()


def puppet(number, name, args):
    """The body of every task: the document's function, by turns."""
    before, local.client = getattr(local, "client", None), Client(TASK, number)
    call = f"{name}({', '.join(map(repr, args))})"
    ended = "raises in"
    try:
        local.client.wait(begins=call)
        value = program[name](*args)
        ended = "ends"
        return value
    finally:
        local.client.say(ends=f"{ended} {call}")
        local.client.close()
        local.client = before


def one(item):
    """A puppet as an item of a map."""
    return puppet(*item)


def react(number, name, value):
    """A puppet as a callback."""
    puppet(number, name, (value,))


def by_turns(call):
    """A call of main: what comes after it is main's next turn."""

    @functools.wraps(call)
    def wrapped(*args, **kwargs):
        try:
            return call(*args, **kwargs)
        finally:
            local.client.wait()

    return wrapped


def named(func):
    """A function of the program, by the name under which workers find it."""
    if program.get(func.__name__) is not func:
        raise LookupError(f"{func!r} is no function of the program")
    return func.__name__


def task(func, args):
    """The arguments of a puppet."""
    submitted.append(named(func))
    return next(numbers), named(func), tuple(args)


class Handle:
    """A real result, asked by turns."""

    def __init__(self, real):
        self.real = real

    def __getattr__(self, name):
        return by_turns(getattr(self.real, name))


class Pool:
    """A real pool whose tasks are puppets."""

    def __init__(self, kind, real, processes=None):
        made.append([kind, processes])
        self.real = real(processes)
        local.client.wait()

    @by_turns
    def apply(self, func, args=()):
        return self.real.apply(puppet, task(func, args))

    @by_turns
    def apply_async(self, func, args=(), callback=None):
        work = task(func, args)
        then = None if callback is None else functools.partial(react, next(numbers), named(callback))
        return Handle(self.real.apply_async(puppet, work, callback=then))

    @by_turns
    def map(self, func, iterable):
        return self.real.map(one, [task(func, (item,)) for item in iterable])

    @by_turns
    def map_async(self, func, iterable):
        return Handle(self.real.map_async(one, [task(func, (item,)) for item in iterable]))

    @by_turns
    def close(self):
        self.real.close()

    @by_turns
    def terminate(self):
        self.real.terminate()

    @by_turns
    def join(self):
        self.real.join()


class Process:
    """A real process whose target is a puppet."""

    def __init__(self, target, args=()):
        self.real = FORK.Process(target=puppet, args=task(target, args))
        self.start, self.join = by_turns(self.real.start), by_turns(self.real.join)


def current_process():
    return types.SimpleNamespace(pid=PID + os.getpid(), name=f"{PID + os.getpid()}")


def say(*values, sep=" "):
    text = sep.join(map(str, values))
    for line in re.sub(rf"{PID // 10**7}\d{{7}}", "{worker}", text).split("\n"):
        local.client.say(prints=line)


def sleep(seconds):
    local.client.wait(sleeps=seconds)


def loop(*args):
    """`range`, but a long one is work, and takes virtual time instead of turns."""
    turns = range(*args)
    if busy is None or len(turns) < busy:
        return turns
    sleep(len(turns) / busy)
    return range(0)


def module(name, **members):
    module = types.ModuleType(name)
    vars(module).update(members)
    return module


FORK = multiprocessing.get_context("fork")
PROCESSES = functools.partial(Pool, "process", FORK.Pool)
THREADS = functools.partial(Pool, "thread", multiprocessing.pool.ThreadPool)
MODULES = {
    "time": module(
        "time",
        sleep=sleep,
        time=lambda: float(local.client.now),
        ctime=lambda: f"{local.client.now:g}",
    ),
    "multiprocessing": module("multiprocessing", Pool=PROCESSES, Process=Process, current_process=current_process),
    "multiprocessing.dummy": module("multiprocessing.dummy", Pool=THREADS),
}


def stand_in(name, globals=None, locals=None, fromlist=(), level=0):
    if name not in MODULES:
        raise ImportError(f"the stage has no {name}")
    return MODULES[name]


def perform(name, text):
    """Main: the program, with stand-ins for what it imports and for what it prints with."""
    local.client = Client(MAIN, 0)
    local.client.wait()
    replaced = {"print": say, "range": loop, "__import__": stand_in}
    program.update(__name__="__main__", __builtins__={**vars(builtins), **replaced})
    try:
        exec(compile(text, name, "exec"), program)
    except Exception as error:
        local.client.say(raised=f"{type(error).__name__}: {error}", trace=traceback.format_exc())
        sys.exit(1)
    finally:
        local.client.say(made=made, tasks=len(submitted))


# --- the stage ------------------------------------------------------------------------------------------------


def read(path):
    with open(path) as file:
        return file.read()


def threads(pid):
    """Every thread of a process and of those that descend from it."""
    found = []
    try:
        for tid in os.listdir(f"/proc/{pid}/task"):
            path = f"/proc/{pid}/task/{tid}"
            found.append(path)
            for child in read(f"{path}/children").split():
                found += threads(child)
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def look(thread):
    """How often it was put on a CPU, if it sleeps; a zombie is not looked at."""
    try:
        runs = read(f"{thread}/schedstat").split()[2]
        running = read(f"{thread}/syscall").startswith("running")
        state = read(f"{thread}/stat").rpartition(")")[2].split()[0]
        if state == "Z":
            return "ended"
        return None if running or state != "S" or read(f"{thread}/schedstat").split()[2] != runs else runs
    except (FileNotFoundError, ProcessLookupError):
        return None


def at_rest(pid):
    """Whether an instant existed in which all slept: between two looks, none of them ran."""
    first = {thread: look(thread) for thread in threads(pid)}
    ended = first.get(f"/proc/{pid}/task/{pid}") in (None, "ended")  # then there is a code to hear
    return not ended and None not in first.values() and first == {thread: look(thread) for thread in threads(pid)}


class Stage:
    def __init__(self, listener, pid):
        self.listener, self.pid = listener, pid
        self.poll = select.poll()
        self.poll.register(listener, select.POLLIN)
        self.open = {}  # by descriptor
        self.now, self.events, self.told = 0, [], {}
        self.gone, self.begun = [], []  # since the last turn, with the numbers of the tasks
        self.code = None  # of the program's end

    def run(self):
        while True:
            self.settle()
            for seen in (self.gone, self.begun):  # in which order they were heard is chance
                self.events += [[self.now, "task", what] for _, what in sorted(seen)]
                seen.clear()
            waiting = [actor for actor in self.open.values() if actor.rank is not None]
            if not waiting:
                if self.code is None:
                    raise SystemExit("deadlock: nobody can go on and the program has not ended")
                return
            actor = min(waiting, key=lambda actor: actor.rank)
            self.now, actor.rank = max(self.now, actor.rank[0]), None
            actor.socket.sendall(json.dumps(self.now).encode() + b"\n")

    def settle(self):
        """Hears everything, until all sleep and nothing is left to hear."""
        progress = time.monotonic()
        while True:
            if self.hear():
                progress = time.monotonic()
            elif (self.code is not None or at_rest(self.pid)) and not self.poll.poll(0):
                return
            elif time.monotonic() - progress > PATIENCE:
                raise SystemExit("the program does not come to rest")
            else:
                time.sleep(0.0005)

    def hear(self):
        heard = self.poll.poll(0)
        for descriptor, _ in heard:
            if descriptor == self.listener.fileno():
                actor = Actor(self.listener.accept()[0])
                self.open[actor.socket.fileno()] = actor
                self.poll.register(actor.socket, select.POLLIN)
                continue
            actor = self.open[descriptor]
            if not actor.hear(self):
                self.poll.unregister(descriptor)
                del self.open[descriptor]
                actor.socket.close()
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                return True
        return bool(heard)


class Actor:
    """Main, or a task."""

    def __init__(self, socket):
        self.socket, self.rest = socket, b""
        self.who = self.rank = self.runs = None

    def hear(self, stage):
        """Hears what there is; false at the end."""
        chunk = self.socket.recv(1 << 16)
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        for line in lines:
            self.obey(stage, json.loads(line))
        if not chunk and self.runs:
            stage.gone.append((self.who, f"is killed in {self.runs}"))
        return bool(chunk)

    def obey(self, stage, message):
        def event(what):
            stage.events.append([stage.now, ("main", "task")[self.who[0]], what])

        match message:
            case {"rank": rank, "number": number}:
                self.who = (rank, number)
            case {"prints": text}:
                event(f"prints {text}")
            case {"begins": call}:
                self.runs = call
                stage.begun.append((self.who, f"begins {call}"))
                self.rank = (stage.now, stage.now, *self.who)
            case {"ends": how}:
                self.runs = None
                event(how)
            case {"sleeps": seconds}:
                self.rank = (stage.now + seconds, stage.now, *self.who)
            case {}:
                stage.told.update(message)
                if not message:  # a turn
                    self.rank = (stage.now, stage.now, *self.who)


def main():
    global stage_path, busy
    asked = json.load(sys.stdin)
    busy = asked["busy"]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # the kernel finds a name
        listener.listen(100)
        stage_path = listener.getsockname()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.dup2(2, 1)  # what the program writes is not what is told
            listener.close()
            perform(asked["name"], asked["program"])
            return  # and the interpreter ends as after any program
        stage = Stage(listener, pid)
        try:
            stage.run()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    told = {"python": platform.python_version(), "code": stage.code, "events": stage.events, **stage.told}
    print(json.dumps(told))


main()
