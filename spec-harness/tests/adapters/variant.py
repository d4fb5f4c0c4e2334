#!/usr/bin/env python3
"""The minimal adapter with another hello ($HELLO), a pool that takes the newest task first ($NEWEST_FIRST), or one that
has another number of workers than it was told ($WORKERS)."""

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
exec(compile(program, minimal, "exec"), {"__name__": "__main__", "HELLO": hello})
