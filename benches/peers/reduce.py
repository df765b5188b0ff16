#!/usr/bin/env python3
"""Reductions beside NumPy, bottleneck, numbagg, polars and ndarray on the same array in memory: seconds, and the share
of the read bandwidth.

    pip install numpy bottleneck numbagg polars
    python3 benches/peers/reduce.py --out benches/record/MACHINE/DATE [--threads 1,2] [--only REGEX] [--quick]

wavemill and ndarray run in `benches/peers/reduce`, which this builds, alternating with passes that only read the array,
as one stream a thread and as four: the faster of the two is the bandwidth. The other peers run in this process; NumPy
and bottleneck, which have one thread, are left out with two. Times are medians; a peer three times as slow as wavemill
is timed once. For means, variances and sums the worst relative error against sums in extended precision is given too.
Writes reduce.csv and reduce.md; text in reduce.md before the first table is kept.

NumPy asks for huge pages for its arrays, and with them all programs read faster; the Rust program is told to do
likewise.

With `--sample N --seed S` it measures problems that are drawn from the whole space instead (reduce_sample.py), and writes
reduce-sample.csv and a map of the ratios, reduce-sample.svg.
"""

import argparse
import csv
import functools
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np

import reduce_sample

HERE = pathlib.Path(__file__).resolve().parent
SHAPES = {"square f32": ((10_000, 10_000), "f4"), "square f64": ((10_000, 10_000), "f8"), "field f32": ((366, 721, 1440), "f4")}
OPS = ["sum", "mean", "var", "std", "min", "max", "argmin", "nansum", "nanmean", "nanvar", "nanmin", "nanargmin"]
ROUNDED = ("sum", "mean", "var", "std", "nansum", "nanmean", "nanvar")


def peers(op, x, axis, threads):
    """The peers that compute an operation, each as a function without arguments."""
    import bottleneck
    import numbagg
    import polars
    if threads == 1:
        yield "numpy", lambda: getattr(np, op)(x, axis=axis)
        name = {"mean": "nanmean", "sum": "nansum", "var": "nanvar", "std": "nanstd", "min": "nanmin", "max": "nanmax",
                "argmin": "nanargmin"}.get(op, op)
        yield "bottleneck", lambda: getattr(bottleneck, name)(x, axis=axis)
    numba = getattr(numbagg, op if op.startswith("nan") else "nan" + op, None)
    if numba:
        yield "numbagg", lambda: numba(x, axis=axis)
    if axis is None and not op.startswith("nan"):
        series = polars.Series(x.reshape(-1))
        method = {"argmin": "arg_min"}.get(op, op)
        yield "polars", lambda: getattr(series, method)(*([0] if op in ("var", "std") else []))


class Exact:
    """Results in extended precision, computed a block of the kept axis at a time, and once for each array."""

    def __init__(self, x):
        self.x = x
        self.known = functools.cache(self.compute)

    def __call__(self, op, axis):
        name = op.removeprefix("nan")
        return np.sqrt(self.known("var", axis)) if name == "std" else self.known(name, axis)

    def compute(self, name, axis):
        wide = np.longdouble
        if axis is not None:
            kept = max(a for a in range(self.x.ndim) if a != axis)
            return getattr(np, name)(self.x[(slice(None),) * kept + (slice(0, 24),)].astype(wide), axis=axis)
        parts = np.array_split(self.x.reshape(-1), 64)
        if name == "sum":
            return sum(np.sum(part.astype(wide)) for part in parts)
        mean = self.known("sum", None) / self.x.size
        if name == "mean":
            return mean
        return sum(np.sum((part.astype(wide) - mean) ** 2) for part in parts) / self.x.size


def error(op, result, reference, axis, x):
    if op not in ROUNDED:
        return None
    got = np.asarray(result)
    if axis is not None:
        kept = max(a for a in range(x.ndim) if a != axis)
        kept -= axis < kept
        got = got[(slice(None),) * kept + (slice(0, 24),)]
    return float(np.max(np.abs(got.astype(np.longdouble) / reference - 1)))


def timed(function, rounds, ours):
    begun = time.perf_counter()
    result = function()
    seconds = [time.perf_counter() - begun]
    # The first round may compile.
    for round_ in range(rounds):
        if round_ > 0 and min(seconds) > 3 * ours:
            break
        begun = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:]), result


class Program:
    """The running program `benches/peers/reduce`, which has read an array."""

    def __init__(self, folder, threads, rounds):
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "reduce" / "target"))
        command = [target / "release" / "reduce-peers", folder / "x.npy", folder, str(threads), str(rounds)]
        environment = dict(os.environ, GLIBC_TUNABLES="glibc.malloc.hugetlb=1")
        self.folder = folder
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, op, axis):
        """The seconds and results of wavemill and of ndarray, and the seconds of reading."""
        skip = "skip" if op.startswith("nan") else "keep"
        self.process.stdin.write(f"{op.removeprefix('nan')} {skip} {'all' if axis is None else axis}\n")
        self.process.stdin.flush()
        ours, theirs, *read = map(float, self.process.stdout.readline().split())
        of = lambda name: np.load(self.folder / f"{name}.npy")
        return (ours, of("wavemill")), None if theirs != theirs else (theirs, of("ndarray")), min(read)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


FIELDS = ["case", "threads", "wavemill_s", "read_s", "share", "peer", "peer_s", "ratio", "error", "peer_error", "others"]


def write(out, rows):
    """Writes the files, which is done after every case so that an interrupted run keeps its rows."""
    with (out / "reduce.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    shown = FIELDS[:-1]
    lines = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    lines += ["| " + " | ".join(str(row[key]) for key in shown) + " |" for row in rows]
    page = out / "reduce.md"
    before = page.read_text().split("\n| case |")[0].rstrip("\n") if page.exists() else ""
    page.write_text((before + "\n\n" if before and not before.startswith("| case") else "") + "\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--sample", type=int, help="so many problems drawn from the whole space, in place of the chosen ones")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--largest", type=float, default=8.3, help="of the sample: the power of ten of its largest arrays")
    parser.add_argument("--seconds", type=float, default=0.05, help="of the sample: for each of three turns of a library")
    parser.add_argument("--index", type=int, nargs="*", help="of the sample: these problems only")
    parser.add_argument("--worst", type=int, default=10, help="of the sample: so many are listed at the end")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="cases whose description matches this regular expression")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the size: tries the script")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    build = ["cargo", "build", "--release", "--message-format=short", "--manifest-path", HERE / "reduce" / "Cargo.toml"]
    subprocess.run(build, check=True)
    if options.sample:
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "reduce" / "target"))
        reduce_sample.run(options, target / "release" / "reduce-sample")
        return
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for threads in map(int, options.threads.split(",")):
        os.environ["POLARS_MAX_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = str(threads)
        if threads > 1 and "," in options.threads:
            # Peers read the number of threads only once.
            command = [sys.executable, __file__, *sys.argv[1:], "--threads", str(threads), "--out", str(out / "more")]
            subprocess.run(command, check=True)
            with (out / "more" / "reduce.csv").open() as file:
                rows += list(csv.DictReader(file))
            write(out, rows)
            (out / "more" / "reduce.csv").unlink()
            (out / "more" / "reduce.md").unlink()
            (out / "more").rmdir()
            continue
        for name, (shape, dtype) in SHAPES.items():
            shape = tuple(max(3, n // (10 if len(shape) == 2 else 5)) for n in shape) if options.quick else shape
            with tempfile.TemporaryDirectory(dir="/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None) as folder:
                folder = pathlib.Path(folder)
                x = (273.15 + np.random.default_rng(1).standard_normal(shape, np.float32)).astype(dtype)
                np.save(folder / "x.npy", x)
                exact, program = Exact(x), Program(folder, threads, options.rounds)
                for axis in (None, *range(x.ndim)):
                    for op in OPS:
                        case = f"{name} {op} axis {'all' if axis is None else axis}"
                        if not re.search(options.only, case):
                            continue
                        (seconds, result), ndarray, read = program.run(op, axis)
                        reference = exact(op, axis) if op in ROUNDED else None
                        found = {}
                        if ndarray:
                            found["ndarray"] = ndarray[0], error(op, ndarray[1], reference, axis, x)
                        for peer, function in peers(op, x, axis, threads):
                            time_, value = timed(function, options.rounds, seconds)
                            found[peer] = time_, error(op, value, reference, axis, x)
                        best = min(found, key=lambda peer: found[peer][0], default="")
                        others = " ".join(f"{peer}:{t:.4g}" for peer, (t, _) in found.items())
                        written = lambda e: "" if e is None else f"{e:.1e}"
                        row = {"case": case, "threads": threads, "wavemill_s": f"{seconds:.5g}", "read_s": f"{read:.5g}",
                               "share": f"{read / seconds:.2f}", "peer": best,
                               "peer_s": f"{found[best][0]:.5g}" if best else "",
                               "ratio": f"{found[best][0] / seconds:.2f}" if best else "",
                               "error": written(error(op, result, reference, axis, x)),
                               "peer_error": written(found[best][1]) if best else "", "others": others}
                        rows.append(row)
                        print(" ".join(f"{key}={value}" for key, value in row.items()), flush=True)
                        write(out, rows)
                program.close()


if __name__ == "__main__":
    main()
