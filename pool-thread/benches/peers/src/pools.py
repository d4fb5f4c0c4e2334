"""CPython's pools, one row at a time: KIND ROW WORKERS CALLS ITEMS SECONDS, and a JSON object on stdout."""

import json
import multiprocessing
import multiprocessing.pool
import os
import resource
import sys
import time


def noop(value):
    return value


def square(value):
    return value * value


def busy(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def sleep(seconds):
    time.sleep(seconds)
    return os.getpid()


def echo(payload):
    return payload


def quantile(times, part):
    times = sorted(times)
    return times[max(1, -(-int(part * 1000) * len(times) // 1000)) - 1]


def usage():
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(of.ru_utime + of.ru_stime for of in both), sum(of.ru_nvcsw for of in both)


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def proportional(pid):
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))


def timed(pool):
    began = time.perf_counter()
    pool.apply_async(noop, (1,)).get()
    return time.perf_counter() - began


def burst(pool, tasks, func=noop, arg=1):
    for handle in [pool.apply_async(func, (arg,)) for _ in range(tasks)]:
        handle.get()


def close(pool):
    pool.close()
    pool.join()


kind, row, workers, calls, items, patience = sys.argv[1:7]
workers, calls, items, patience = int(workers), int(calls), int(items), float(patience)
# Threads of one interpreter have no workers that leave, so that all of their usage is its own.
make = multiprocessing.pool.ThreadPool if kind == "thread" else multiprocessing.get_context("fork").Pool


def latencies(times):
    return {"p50": quantile(times, 0.5), "p99": quantile(times, 0.99)}


def measure():
    if row == "W6":
        times = []
        for _ in range(calls):
            began = time.perf_counter()
            pool = make(4)
            pool.apply_async(noop, (1,)).get()
            times.append(time.perf_counter() - began)
            close(pool)
        return {"time": quantile(times, 0.5)}
    if row == "W4":
        pool = make(2)
        burst(pool, 64)
        began = time.perf_counter()
        burst(pool, calls, busy, 0.001)
        spent = time.perf_counter() - began
        close(pool)
        return {"efficiency": calls * 0.001 / 2 / spent}
    before = usage()
    pool = make(workers)
    if row in ("do-W1", "do-W2"):
        if row == "do-W1":
            for _ in range(calls):
                timed(pool)
        else:
            burst(pool, calls)
        close(pool)
        return {}
    burst(pool, 64)
    if kind == "thread":
        before = usage()
    result, tasks = {}, 0
    if row == "W1":
        times, began = [], time.perf_counter()
        while len(times) < calls and (len(times) < 20 or time.perf_counter() - began < patience):
            times.append(timed(pool))
        result, tasks = latencies(times), len(times)
    elif row == "W1cold":
        times = []
        for _ in range(calls):
            time.sleep(0.002)
            times.append(timed(pool))
        result = latencies(times)
    elif row == "W2":
        began = time.perf_counter()
        burst(pool, items)
        result, tasks = {"tasks": items / (time.perf_counter() - began)}, items
    elif row in ("W3", "W3c1"):
        numbers = list(range(items))
        began = time.perf_counter()
        pool.map(square, numbers, chunksize=1 if row == "W3c1" else None)
        result = {"items": items / (time.perf_counter() - began)}
    elif row.startswith("W5"):
        _, form, mib = row.split("-")
        size = int(mib) << 20
        payload = "x" * size if form == "text" else b"x" * size
        pool.apply_async(echo, (payload,)).get()
        rounds = max(1, items // size)
        began = time.perf_counter()
        for _ in range(rounds):
            payload = pool.apply_async(echo, (payload,)).get()
        result = {"bytes": size * rounds / (time.perf_counter() - began)}
    elif row in ("imap", "imap_unordered"):
        began = time.perf_counter()
        total = sum(getattr(pool, row)(noop, range(items)))
        assert total == items * (items - 1) // 2
        result = {"per item": (time.perf_counter() - began) / items}
    elif row == "queued":
        sleeping = [pool.apply_async(sleep, (1.0,)) for _ in range(workers)]
        time.sleep(0.1)
        before_bytes, began = resident(), time.perf_counter()
        handles = [pool.apply_async(noop, (1,)) for _ in range(items)]
        grown, spent = resident() - before_bytes, time.perf_counter() - began
        for handle in sleeping + handles:
            handle.get()
        result = {"per task": grown / items} if spent < 0.5 else {}
    elif row == "idle":
        handles = [pool.apply_async(sleep, (0.02,)) for _ in range(workers * 4)]
        pids = {handle.get() for handle in handles}
        result = {"PSS": sum(map(proportional, pids)) / len(pids)}
    close(pool)
    if tasks:
        cpu, switches = (after - first for after, first in zip(usage(), before))
        result.update({"CPU per task": cpu / tasks, "sleeps per task": switches / tasks})
    return result


print(json.dumps(measure()))
