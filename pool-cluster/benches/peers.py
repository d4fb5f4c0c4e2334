"""What `examples/throughput.rs` measures, with Dask and with Ray's `util.multiprocessing.Pool`, where they can be imported."""

import sys
import time
from statistics import median


def same(x):
    return x


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def measure(name, workers, apply, many):
    """`apply(function, argument)` waits for one call; `many(function, items)` for a task for each item."""
    many(same, range(100))
    times = []
    for x in range(200):
        began = time.perf_counter()
        apply(same, x)
        times.append(time.perf_counter() - began)
    times.sort()
    count = 5000
    began = time.perf_counter()
    assert list(many(same, range(count))) == list(range(count))
    rate = count / (time.perf_counter() - began) / 1000
    print(f"{name:8} apply p50 {median(times) * 1e6:.0f} us, p99 {times[-3] * 1e6:.0f} us; {rate:.1f} k tasks/s, a task for each item")
    for seconds, count in ((0.001, 1000), (0.01, 200), (0.1, 24)):
        began = time.perf_counter()
        list(many(sleep, [seconds] * count))
        share = seconds * count / workers / (time.perf_counter() - began)
        print(f"{name:8} tasks of {seconds * 1000:3.0f} ms: {100 * share:.0f} % of what {workers} workers can do")


def dask(workers):
    from dask.distributed import Client

    with Client(n_workers=workers, threads_per_worker=1, dashboard_address=None) as client:
        measure(
            "dask",
            workers,
            lambda function, x: client.submit(function, x, pure=False).result(),
            lambda function, items: client.gather(client.map(function, list(items), pure=False)),
        )


def ray(workers):
    import ray
    from ray.util.multiprocessing import Pool

    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    with Pool(workers) as pool:
        measure("ray", workers, lambda function, x: pool.apply(function, (x,)), lambda function, items: pool.map(function, items, chunksize=1))
    ray.shutdown()


if __name__ == "__main__":
    for peer in (dask, ray):
        try:
            peer(int(sys.argv[1]))
        except ImportError as error:
            print(f"{peer.__name__} is not here: {error}")
