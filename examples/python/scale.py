"""Where a scheduler's cost a task overtakes the data: the tree of a reduction without its data, from 10^3 to 10^7
chunks, and the size of read blocks that keeps it below 10^6 tasks.

The case: fields of 40 GB (10^8 points on 100 levels, float32), 10 variables, 10^5 outputs; the mean over time.

    python scale.py [--measure 2000] [--seconds-a-task S] [--out .]
"""

import argparse
import time
from pathlib import Path

import dask.array as da
import matplotlib
import numpy as np

import wavemill.dask

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

FIELD, LEVELS, VARIABLES, TIMES = 10**8, 100, 10, 10**5
#: Bytes a second that a worker reads and reduces, and the number of workers.
RATE, WORKERS = 1e9, 1000
#: Above this many tasks dask's scheduler has no memory left.
MOST_TASKS = 10**6


def measured(chunks):
    """The seconds a task of the same graph takes when its chunks hold one number each."""
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster):
        x = da.zeros((chunks, 1), chunks=(1, 1), dtype="f4")
        lazy = wavemill.dask.reduce(x, "mean", axis=0)
        tasks = wavemill.dask.plan(x, "mean", axis=0, show=False).tasks
        begun = time.perf_counter()
        lazy.compute()
        return (time.perf_counter() - begun) / tasks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", type=int, default=2000, help="chunks of the graph that is timed")
    parser.add_argument("--seconds-a-task", type=float)
    parser.add_argument("--out", type=Path, default=Path("."))
    given = parser.parse_args()
    each = given.seconds_a_task or measured(given.measure)
    total = 4.0 * FIELD * LEVELS * VARIABLES * TIMES
    print(f"{total / 1e15:.0f} PB; the scheduler takes {each * 1e6:.0f} µs a task; {WORKERS} workers read", end=" ")
    print(f"{RATE / 1e9:.0f} GB/s each")
    data = total / RATE / WORKERS
    print(f"reading takes {data / 3600:.1f} hours\n\n    chunks      tasks  depth  a chunk   scheduler   of the reading")
    # Chunks of one instant and a part of a field, merged over time.
    rows = []
    for power in range(3, 8):
        chunks = 10**power
        parts = max(1, chunks // 1000)
        tasks, depth = wavemill.dask.tree([chunks // parts, parts], [0], wavemill.dask.SPLIT_EVERY)
        tasks += chunks + parts
        rows.append((chunks, tasks, each * tasks))
        share = each * tasks / data
        print(f"{chunks:10d} {tasks:10d} {depth:6d}  {total / chunks / 1e9:6.2f} GB {each * tasks:10.1f} s  {share:12.2%}")
    # A tree of 16 adds a fifteenth, and the results.
    block = total / MOST_TASKS * (1 + 1 / 15)
    print(f"\nread blocks of at least {block / 1e9:.1f} GB keep all of it below {MOST_TASKS:.0e} tasks;")
    one = total / VARIABLES / 365
    print(f"one variable in 365 parts, {one / 1e12:.1f} TB each, needs {one / MOST_TASKS * (1 + 1 / 15) / 1e6:.0f} MB")
    even = RATE * WORKERS * each
    print(f"the scheduler takes as long as the data where chunks hold {even / 1e6:.0f} MB")

    sizes = np.logspace(5, 11, 61)
    fig, plot = plt.subplots(figsize=(8, 5), layout="constrained")
    plot.loglog(sizes, total / sizes * (1 + 1 / 15) * each / 3600, label="scheduler")
    plot.loglog(sizes, np.full_like(sizes, data / 3600), label=f"reading, {WORKERS} workers")
    plot.axvline(block, color="grey", ls="--", label=f"{MOST_TASKS:.0e} tasks")
    plot.set(xlabel="bytes of a chunk", ylabel="hours", title=f"The mean over time of {total / 1e15:.0f} PB")
    plot.legend()
    fig.savefig(given.out / "scale.png", dpi=110)


if __name__ == "__main__":
    main()
