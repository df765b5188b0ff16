"""Reductions of stores and files larger than memory, beside dask on zarr-python and xarray on NetCDF: time, peak memory,
error.

    python3 benches/peers/sources.py --binary target/release/wavemill --folder /tmp/weather [--steps 366] [--threads 2]

The data are those of `wavemill demo weather`; they are made if they are not there. Each measurement is a process of its
own, ours and the peers' in turns, medians of --repeat runs; memory is the most that the process had resident (VmHWM).
Needs numpy, dask, zarr, xarray and netCDF4.
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

PEERS = {
    "dask + zarr-python": """
import dask, dask.array as da
x = da.from_zarr({store!r}, component="t2m")
{expression}
""",
    "xarray": """
import dask, xarray
{open}
{expression}
""",
    "zarr-python, reading only": """
import itertools, zarr
from concurrent.futures import ThreadPoolExecutor
x = zarr.open_array({store!r}, path="t2m", mode="r")
places = list(itertools.product(*[range(0, n, c) for n, c in zip(x.shape, x.chunks)]))
def read(at):
    x[tuple(slice(a, a + c) for a, c in zip(at, x.chunks))]
with ThreadPoolExecutor({threads}) as pool:
    list(pool.map(read, places))
""",
    "netCDF4, reading only": """
import glob, netCDF4
for path in sorted(glob.glob({files!r})):
    with netCDF4.Dataset(path) as data:
        data["t2m"][...]
""",
}
EXPRESSIONS = {
    "mean": ("--expr mean=x.mean(0)", "results = [x.mean(0)]"),
    "three maps": (
        "--expr mean=x.mean(0)|--expr anomaly=x[{middle}]-x.mean(0)|--expr day_night=x[::4].mean(0)-x[2::4].mean(0)",
        "results = [x.mean(0), x[{middle}] - x.mean(0), x[::4].mean(0) - x[2::4].mean(0)]",
    ),
    "mean and std": ("--ops mean,std|--axis 0", "results = [x.mean(0), x.std(0)]"),
    "mean of all": ("--ops mean", "results = [x.mean()]"),
}
COMPUTE = """
import numpy
with dask.config.set(scheduler="threads", num_workers={threads}):
    found = dask.compute(*results)
for number, array in enumerate(found):
    numpy.save({out!r} + "/" + str(number) + ".npy", numpy.asarray(array))
"""


def run(command, cwd=None):
    """Seconds and the most resident bytes of a process."""
    begun = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=cwd)
    most = 0
    while child.poll() is None:
        try:
            text = Path(f"/proc/{child.pid}/status").read_text()
            most = max([most] + [int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM")])
        except (FileNotFoundError, ProcessLookupError):
            pass
        time.sleep(0.002)
    seconds = time.perf_counter() - begun
    if child.returncode:
        sys.exit(child.stderr.read().decode())
    return seconds, most * 1024


def errors(folder, names, shape, middle):
    """The largest errors of results, in units of float32's last place at 300 (3.05e-5), against exact arithmetic."""
    import numpy as np

    steps, rows, columns = shape
    j, i = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    field = lambda t: (i + 1e-3 * j + t % 4 + 273.15).astype("f4").astype("f8")
    counts = lambda ts: [sum(t % 4 == k for t in ts) for k in range(4)]
    mean = lambda ts: sum(n * field(k) for k, n in enumerate(counts(ts)) if n) / len(ts)
    every = mean(range(steps))
    spread = np.sqrt(sum(n * (field(k) - every) ** 2 for k, n in enumerate(counts(range(steps)))) / steps)
    exact = {
        "mean": every,
        "anomaly": field(middle) - every,
        "day_night": mean(range(0, steps, 4)) - mean(range(2, steps, 4)),
        "std": spread,
        "all": every.mean(),
    }
    worst = 0.0
    for path, name in names:
        found = np.load(Path(folder) / path).astype("f8")
        worst = max(worst, float(np.abs(found - exact[name]).max()))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--steps", type=int, default=366)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="512MB")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", help="folder for sources.csv and sources.md")
    args = parser.parse_args()
    folder = Path(args.folder)
    folder.mkdir(parents=True, exist_ok=True)
    shape = (args.steps, 721, 1440)
    # The peers read what zarr-python writes by default, not what we do.
    store, files = folder / f"zarr-python-{args.steps}.zarr", folder / f"nc-{args.steps}"
    if not files.exists():
        subprocess.run([args.binary, "demo", "weather", "--shape", ",".join(map(str, shape)), "--out", files], check=True)
    if not store.exists():
        subprocess.run([sys.executable, "-c", f"""
import numpy as np, zarr
x = zarr.create_array({str(store)!r} + "/t2m", shape={shape}, chunks=(4, 200, 200), dtype="f4", dimension_names=["time", "latitude", "longitude"])
zarr.open_group({str(store)!r}, mode="a")
j, i = np.meshgrid(np.arange(721), np.arange(1440), indexing="ij")
for t in range(0, {args.steps}, 4):
    steps = np.arange(t, min(t + 4, {args.steps}))
    x[t : t + 4] = i + 1e-3 * j + (steps % 4)[:, None, None] + 273.15
"""], check=True)
    middle = min(1000, args.steps // 2)
    rows = []
    threads = str(args.threads)
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    for source, place in [("Zarr v3", f"{store}:t2m"), ("NetCDF-3", f"{files}/*.nc:t2m")]:
        for case, (ours, theirs) in EXPRESSIONS.items():
            ours, theirs = ours.format(middle=middle), theirs.format(middle=middle)
            peers = {}
            out = folder / "out"
            out.mkdir(exist_ok=True)
            arguments = [word for option in ours.split("|") for word in option.split(" ", 1)]
            peers["wavemill"] = [args.binary, "--threads", threads, "reduce", place, *arguments, "--memory", args.memory, "--out", str(out)]
            compute = COMPUTE.format(threads=args.threads, out=str(out))
            if source == "Zarr v3":
                text = PEERS["dask + zarr-python"].format(store=str(store), expression=theirs) + compute
                peers["dask + zarr-python"] = [sys.executable, "-c", text]
                opening = f"x = xarray.open_zarr({str(store)!r}, consolidated=False)['t2m']"
            else:
                opening = f"x = xarray.open_mfdataset({str(files)!r} + '/*.nc', combine='nested', concat_dim='time', data_vars='minimal', decode_times=False)['t2m']"
            text = PEERS["xarray"].format(open=opening, expression=theirs.replace("x.mean(0)", "x.mean('time')").replace("].mean(0)", "].mean('time')").replace("std(0)", "std('time')")) + compute
            peers["xarray"] = [sys.executable, "-c", text]
            if case == "mean":
                reader = "zarr-python, reading only" if source == "Zarr v3" else "netCDF4, reading only"
                text = PEERS[reader].format(store=str(store), files=f"{files}/*.nc", threads=args.threads)
                peers[reader] = [sys.executable, "-c", text]
            found = {name: [] for name in peers}
            error = {}
            for _ in range(args.repeat):
                for name, command in peers.items():
                    found[name].append(run(command))
                    if "reading" in name:
                        continue
                    results = {"mean": ["mean"], "three maps": ["mean", "anomaly", "day_night"], "mean and std": ["mean", "std"], "mean of all": ["all"]}[case]
                    paths = [f"{result}.npy" for result in results] if name == "wavemill" else [f"{n}.npy" for n in range(len(results))]
                    paths = ["mean.npy" if path == "all.npy" else path for path in paths]
                    error[name] = errors(out, list(zip(paths, results)), shape, middle)
            for name, samples in found.items():
                seconds = statistics.median(sample[0] for sample in samples)
                memory = statistics.median(sample[1] for sample in samples)
                rows.append([source, case, name, f"{seconds:.2f}", f"{memory / 1e6:.0f}", f"{error[name]:.1e}" if name in error else ""])
                print(*rows[-1], sep="  ", flush=True)
    if args.out:
        out = Path(args.out)
        out.mkdir(parents=True, exist_ok=True)
        head = ["source", "case", "program", "seconds", "peak memory [MB]", "largest error [K]"]
        with open(out / "sources.csv", "w", newline="") as file:
            csv.writer(file).writerows([head, *rows])
        import dask, netCDF4, numpy, xarray, zarr

        versions = ", ".join(f"{m.__name__} {m.__version__}" for m in [dask, zarr, xarray, netCDF4, numpy])
        size = args.steps * 721 * 1440 * 4 / 1e9
        lines = [
            f"# Reductions of {args.steps} x 721 x 1440 float32 ({size:.2f} GB), {args.threads} threads, a budget of {args.memory}",
            "",
            f"`python3 benches/peers/sources.py --steps {args.steps} --threads {args.threads} --memory {args.memory}`; medians of {args.repeat} runs, each a process",
            f"of its own, start included. {platform.machine()}, Python {platform.python_version()}, {versions}. Chunks of 4 x 200 x 200, zarr-python's default codec.",
            "",
            "| " + " | ".join(head) + " |",
            "|---|---|---|--:|--:|--:|",
            *["| " + " | ".join(row) + " |" for row in rows],
            "",
        ]
        (out / "sources.md").write_text("\n".join(lines))


main()
