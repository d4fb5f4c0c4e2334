#!/usr/bin/env python3
"""The minimal adapter with another hello ($HELLO), a pool that takes the newest task first ($NEWEST_FIRST), one that
has another number of workers than it was told ($WORKERS), or one whose map fails with the error of its first item that
failed, not with the error that came first ($ERROR_BY_INDEX)."""

import concurrent.futures.thread
import json
import os
import pathlib
import queue
import types


class NewestFirst(queue.LifoQueue):
    def _get(self):
        tasks = [index for index, item in enumerate(self.queue) if item is not None]
        return self.queue.pop(tasks[-1] if tasks else 0)


if "NEWEST_FIRST" in os.environ:
    concurrent.futures.thread.queue = types.SimpleNamespace(SimpleQueue=NewestFirst, Empty=queue.Empty)
hello = json.loads(os.environ.get("HELLO", "{}"))
minimal = pathlib.Path(__file__).parents[2] / "examples/adapters/minimal.py"
program = minimal.read_text().replace('"declines": DECLINES}', '"declines": DECLINES, **HELLO}')
if "WORKERS" in os.environ:
    program = program.replace("ThreadPoolExecutor(size)", "ThreadPoolExecutor(size and int(os.environ['WORKERS']))")
if "ERROR_BY_INDEX" in os.environ:
    program = program.replace("list(pools[pool].map(task, keys))", "all_of([pools[pool].submit(task, k) for k in keys])")


def all_of(futures):
    concurrent.futures.wait(futures)
    return [future.result() for future in futures]


exec(compile(program, minimal, "exec"), {"__name__": "__main__", "HELLO": hello, "all_of": all_of})
