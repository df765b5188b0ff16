#!/usr/bin/env python3
"""cuFINUFFT, cuFFT and cuBLAS on the cases of `wavemill bench --gpu-report`, on the same card, and both in one table.

    wavemill bench --gpu-report REPORT
    pip install cufinufft cupy-cuda12x numpy
    python3 benches/peers/gpu.py --report REPORT [--limit 300]

Reads the cases and wavemill's times from REPORT/gpu.jsonl, measures the peers in that order with arrays that stay on
the device, and writes REPORT/gpu-peers.csv, row by row, and REPORT/gpu-peers.md. cuFINUFFT's time is that of the
fastest of its methods and upsampling factors, if possible among those whose error is at most 4 times the tolerance, or
1e-6 in f32.
Every time is a median of some executions, including the wait for the device. Errors are relative l2, of 8 outputs
against direct sums in double precision.
"""

import argparse
import csv
import itertools
import json
import math
import pathlib
import statistics
import sys
import time

import numpy

# Sorted global memory, shared memory, and output-driven; some versions, dimensions and factors lack some of them.
METHODS = (1, 2, 3)
UPSAMPLING = (2.0, 1.25)
SAMPLES = 8


def seconds(cupy, work, warm=0.15, budget=0.1):
    """The median time of as many runs as the budget allows, at least two, after the card has been busy for a while. The
    time to compile in the first run is not counted."""
    work()
    times, start = [], time.perf_counter()
    while len(times) < 2 or sum(times) < budget and len(times) < 15:
        cupy.cuda.Device().synchronize()
        begun = time.perf_counter()
        work()
        cupy.cuda.Device().synchronize()
        if time.perf_counter() - start > warm:
            times.append(time.perf_counter() - begun)
    return statistics.median(times)


def sampled_error(cupy, row, x, values, found):
    """The relative error of a few outputs spread over all of them."""
    modes, kind = row["extents"], row["type"]
    k = [cupy.arange(n) - n // 2 for n in modes]
    flat = found.ravel()
    off = norm = 0.0
    for at in [sample * (flat.size - 1) // (SAMPLES - 1) for sample in range(SAMPLES)]:
        if kind == 1:
            place = [int(i) for i in numpy.unravel_index(at, tuple(modes))]
            phase = sum(float(k[axis][i]) * x[axis] for axis, i in enumerate(place))
            exact = (values.astype(complex) * cupy.exp(1j * phase)).sum()
        else:
            exact = values.astype(complex)
            # The last axis is summed first, so that the array shrinks.
            for axis in reversed(range(len(modes))):
                exact = exact @ cupy.exp(1j * k[axis] * x[axis][at])
        off += abs(complex(flat[at]) - complex(exact)) ** 2
        norm += abs(complex(exact)) ** 2
    return math.sqrt(off / norm)


def nufft(cupy, cufinufft, row):
    random = cupy.random.default_rng(1)
    period = 2 * math.pi * (0.01 if row["clustered"] else 1.0)
    x = [random.random(row["points"]) * period for _ in row["extents"]]
    real, number = ("float32", "complex64") if row["precision"] == "f32" else ("float64", "complex128")
    shape = (row["points"],) if row["type"] == 1 else tuple(row["extents"])
    values = (random.random(shape) - 0.5 + 1j * (random.random(shape) - 0.5)).astype(number)
    law = max(4 * row["tolerance"], 1e-6 if row["precision"] == "f32" else 3e-14)
    found = []
    for method, upsampling in itertools.product(METHODS, UPSAMPLING):
        what = f"cufinufft {cufinufft.__version__} method {method} upsampling {upsampling}"
        try:
            plan = cufinufft.Plan(row["type"], tuple(row["extents"]), 1, row["tolerance"], isign=1, dtype=number,
                                  gpu_method=method, upsampfac=upsampling)
            points = [axis.astype(real) for axis in x]
            set_points = seconds(cupy, lambda: plan.setpts(*points), 0.0, 0.05)
            execute = seconds(cupy, lambda: plan.execute(values))
            error = sampled_error(cupy, row, x, values, plan.execute(values))
        except Exception as error:  # This version cannot do the case.
            print(f"{what}: {error}", file=sys.stderr)
            continue
        found.append({"peer": what, "set_points_s": set_points, "execute_s": execute, "error": error})
    kept = [one for one in found if one["error"] <= law]
    return min(kept or found, key=lambda one: one["execute_s"], default=None)


def fft(cupy, _, row):
    number = "complex64" if row["precision"] == "f32" else "complex128"
    values = cupy.random.random((*row["extents"], 2)).view("complex128")[..., 0].astype(number)
    return {"peer": "cuFFT", "execute_s": seconds(cupy, lambda: cupy.fft.fftn(values))}


def matmul(cupy, _, row):
    number = {"f32": "float32", "f64": "float64", "complex f32": "complex64"}[row["precision"]]
    a, b = (cupy.random.random(row["extents"][:2]).astype(number) for _ in range(2))
    return {"peer": "cuBLAS", "execute_s": seconds(cupy, lambda: a @ b)}


def reduce(cupy, _, row):
    values = cupy.random.random(2 * row["numbers"], dtype="float32").view("complex64")
    work = {
        "sum": lambda: (values.real * values.real + values.imag * values.imag).sum(),
        "max": lambda: (values.real * values.real + values.imag * values.imag).max(),
        "argmax": lambda: (values.real * values.real + values.imag * values.imag).argmax(),
    }[row["op"]]
    if row["op"] == "sum":  # A norm takes one pass.
        work = lambda: cupy.vdot(values, values)
    return {"peer": "CuPy", "execute_s": seconds(cupy, work)}


def label(row):
    sizes = row.get("extents") or [row["numbers"]]
    words = [row["part"], row.get("op", ""), "x".join(map(str, sizes)), row["precision"]]
    if row["part"] == "nufft":
        words += [f"type {row['type']}", f"{row['tolerance']:.0e}", f"{row['points']:.0e} points"]
        words += ["clustered"] if row["clustered"] else []
    return " ".join(word for word in words if word)


def table(machine, found):
    """The table of wavemill and the peers as Markdown: above 1 wavemill is faster."""
    lines = ["# wavemill beside its peers on a GPU", "",
             f"{machine}. Arrays stay on the device; made by `benches/peers/gpu.py`.", "",
             "| case | wavemill ms | peer | peer ms | peer / wavemill | error | peer's error |", "|---|---|---|---|---|---|---|"]
    ratios = {}
    for row, peer in found:
        own = row["execute_s"]
        ratio = peer["execute_s"] / own
        ratios.setdefault(row["part"], []).append(ratio)
        errors = " | ".join(f"{error:.1e}" if error is not None else "" for error in (row.get("error"), peer.get("error")))
        lines.append(f"| {label(row)} | {own * 1e3:.3f} | {peer['peer']} | {peer['execute_s'] * 1e3:.3f} | {ratio:.2f} | {errors} |")
    for part, all_of in ratios.items():
        mean = math.exp(statistics.fmean(map(math.log, all_of)))
        below = sum(ratio < 1 for ratio in all_of)
        lines.insert(4, f"{part}: geometric mean {mean:.2f}, least {min(all_of):.2f}, {below} of {len(all_of)} below 1.\n")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=pathlib.Path, required=True, help="the folder of a GPU report")
    parser.add_argument("--limit", type=float, default=300.0, help="begin no further case after so many seconds")
    options = parser.parse_args()
    rows = [json.loads(line) for line in (options.report / "gpu.jsonl").read_text().splitlines()]
    try:
        import cufinufft
        import cupy
    except ImportError as error:
        sys.exit(f"{error}: pip install cufinufft cupy-cuda12x")
    measure = {"nufft": nufft, "fft": fft, "matmul": matmul, "reduce": reduce}
    begun, found = time.monotonic(), []
    with open(options.report / "gpu-peers.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["case", "peer", "set_points_s", "execute_s", "error"])
        writer.writeheader()
        for row in rows:
            if row["part"] not in measure:
                continue
            if time.monotonic() - begun > options.limit:
                print(f"left out, for want of time: {label(row)}", file=sys.stderr)
                continue
            peer = measure[row["part"]](cupy, cufinufft, row)
            cupy.get_default_memory_pool().free_all_blocks()
            if peer is None:
                print(f"no peer for {label(row)}", file=sys.stderr)
                continue
            found.append((row, peer))
            writer.writerow({"case": label(row)} | peer)
            file.flush()
            print(label(row), peer, flush=True)
    runtime = cupy.cuda.runtime
    name = runtime.getDeviceProperties(0)["name"].decode()
    (options.report / "gpu-peers.md").write_text(table(f"{name}, CUDA {runtime.runtimeGetVersion()}", found))


if __name__ == "__main__":
    main()
