#!/usr/bin/env python3
"""Reductions beside NumPy, bottleneck, numbagg and polars: the same array in memory, seconds, and the share of the read bandwidth.

    pip install numpy bottleneck numbagg polars
    cargo build --release --features cli
    python3 benches/peers/reduce.py --out benches/record/MACHINE/DATE [--threads 1,2] [--only REGEX] [--quick]

wavemill runs as a process that times itself and, in the same minute, a pass that only reads the data: nothing can be faster.
The peers run in this process. Medians; for means, variances and sums the worst relative error against sums in extended
precision is given too. Writes reduce.csv and reduce.md.
"""

import argparse
import csv
import json
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

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHAPES = {"square f32": ((10_000, 10_000), "f4"), "square f64": ((10_000, 10_000), "f8"), "field f32": ((366, 721, 1440), "f4")}
OPS = {"sum": "sum", "mean": "mean", "var": "var", "std": "std", "min": "min", "max": "max", "argmin": "argmin",
       "nansum": "sum", "nanmean": "mean", "nanmin": "min", "nanargmin": "argmin"}
ROUNDED = ("sum", "mean", "var", "std", "nansum", "nanmean")


def peers(op, x, axis, threads):
    """What else computes it, each a function without arguments."""
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


def exact(op, x, axis):
    """In extended precision, a block of the kept axis at a time."""
    name = op.removeprefix("nan")
    wide = np.longdouble
    if axis is None:
        parts = np.array_split(x.reshape(-1), 64)
        total = sum(np.sum(part.astype(wide)) for part in parts)
        if name == "sum":
            return total
        mean = total / x.size
        if name == "mean":
            return mean
        var = sum(np.sum((part.astype(wide) - mean) ** 2) for part in parts) / x.size
        return var if name == "var" else np.sqrt(var)
    kept = max(a for a in range(x.ndim) if a != axis)
    some = x[(slice(None),) * kept + (slice(0, 24),)]
    return getattr(np, name)(some.astype(wide), axis=axis)


def error(op, result, reference, axis, x):
    if op not in ROUNDED:
        return None
    got = np.asarray(result)
    if axis is not None:
        kept = max(a for a in range(x.ndim) if a != axis)
        kept -= axis < kept
        got = got[(slice(None),) * kept + (slice(0, 24),)]
    return float(np.max(np.abs(got.astype(np.longdouble) / reference - 1)))


def timed(function, rounds):
    function()
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds), result


def ours(binary, path, op, axis, threads, rounds, folder):
    timings = folder / "timings.json"
    command = [binary, "reduce", str(path), "--ops", OPS[op], "--device", "cpu", "--threads", str(threads), "--repeat",
               str(rounds), "--timings", str(timings), "--out", str(folder)]
    command += ["--skip-nan"] if op.startswith("nan") else []
    command += ["--axis", str(axis)] if axis is not None else []
    subprocess.run(command, check=True)
    found = json.loads(timings.read_text())
    return found["execute"], found["read"], np.load(folder / f"{OPS[op]}.npy")


FIELDS = ["case", "threads", "wavemill_s", "read_s", "share", "peer", "peer_s", "ratio", "error", "peer_error", "others"]


def write(out, rows):
    """Anew after every case, so that an interrupted run keeps its rows."""
    with (out / "reduce.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    shown = FIELDS[:-1]
    lines = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    lines += ["| " + " | ".join(str(row[key]) for key in shown) + " |" for row in rows]
    (out / "reduce.md").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="cases whose description matches this regular expression")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the size: tries the script")
    parser.add_argument("--binary", default=str(ROOT / "target/release/wavemill"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for threads in map(int, options.threads.split(",")):
        os.environ["POLARS_MAX_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = str(threads)
        if threads > 1 and len(options.threads) > 1:
            # Peers read the number of threads once.
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
                for axis in (None, *range(x.ndim)):
                    for op in OPS:
                        case = f"{name} {op} axis {'all' if axis is None else axis}"
                        if not re.search(options.only, case):
                            continue
                        seconds, read, result = ours(options.binary, folder / "x.npy", op, axis, threads, options.rounds, folder)
                        reference = exact(op, x, axis) if op in ROUNDED else None
                        found = {}
                        for peer, function in peers(op, x, axis, threads):
                            time_, value = timed(function, options.rounds)
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


if __name__ == "__main__":
    main()
