#!/usr/bin/env python3
"""An adapter whose first task does what $MODE says instead of what it is told."""

import json
import os
import socket
import subprocess
import sys
import threading

REPLIES = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
CAN = ["pool", "apply", "apply_async", "get", "close", "join"]
kept, where = [], None


def connected():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(where)
    kept.append(connection)
    return connection


def begin(key, **more):
    me = {"begin": key, "pid": os.getpid(), "tid": threading.get_native_id()}
    return json.dumps(me | more).encode() + b"\n"


def ordered(connection):
    return json.loads(connection.makefile().readline())["return"]


def says(*lines):
    connection = connected()
    for line in lines:
        connection.sendall(line)
    return ordered(connection)


def silent_connections(key):
    while True:
        connected()


def cut(key):
    connected().sendall(begin(key)[:20])
    kept.pop().close()
    threading.Event().wait()


def leaves(key):
    subprocess.Popen(["sh", "-c", "kill -STOP $$", "left-by-a-hostile-task"], start_new_session=True)
    return says(begin(key))


MODES = {
    "good": lambda key: says(begin(key)),
    "silent-connections": silent_connections,
    "unknown-key": lambda key: says(begin(999)),
    "twice-on-one-connection": lambda key: says(begin(key), begin(key)),
    "twice": lambda key: [says(begin(key)), says(begin(key))][0],
    "as-a-callback": lambda key: says(begin(key, callback=True)),
    "done-unasked": lambda key: says(begin(key), b'{"done":true}\n'),
    "returned-unasked": lambda key: says(begin(key), b'{"ok":1}\n'),
    "done-before-begin": lambda key: says(b'{"done":true}\n'),
    "rubbish": lambda key: says(b"hello\n"),
    "a-huge-line": lambda key: says(begin(key, name="x" * (17 << 20))),
    "not-text": lambda key: says(b"\xff\xfe\n"),
    "cut": cut,
    "leaves": leaves,
}


def answer(request):
    global where
    match request["cmd"]:
        case "hello":
            where = request["socket"]
            return {"name": "hostile", "version": "1", "kinds": ["thread"], "can": CAN}
        case "apply":
            return MODES[os.environ["MODE"]](request["key"])
        case "exit":
            os._exit(0)
        case _:
            return None


for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"id": request["id"], "ok": answer(request)}), file=REPLIES, flush=True)
