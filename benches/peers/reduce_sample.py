"""Reductions drawn from the whole space of problems, beside NumPy and bottleneck: part of reduce.py, which runs it.

A problem is an array of three axes (outer, reduced, inner), which is reduced over the middle one; extents are
log-uniform for their product, which is log-uniform too. Operation, type, memory order and the share of NaN are uniform.
The peers run in this process and wavemill in a program that has read the same array; they take turns, each for some
calls in a row, and medians over all of a library's calls are compared. bottleneck skips NaN always, so it is a peer of
the other operations too where no element is NaN.
"""

import csv
import math
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np

PLAIN = [
    "sum",
    "mean",
    "var",
    "std",
    "min",
    "max",
    "argmin",
    "argmax",
    "prod",
    "any",
    "all",
    "norm1",
    "norm2",
    "norminf",
]
SKIPPING = ["nansum", "nanmean", "nanvar", "nanstd", "nanmin", "nanmax", "nanargmin", "nanargmax", "nanprod"]
ROUNDED = ("sum", "mean", "var", "std", "norm1", "norm2")
FIELDS = [
    "index",
    "outer",
    "reduced",
    "inner",
    "type",
    "order",
    "op",
    "threads",
    "wavemill_s",
    "peer",
    "peer_s",
    "ratio",
    "error",
    "peer_error",
    "gb_s",
]
TURNS = 3


def problems(seed, count, largest):
    """The problems of a seed, each a dictionary."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        total = rng.uniform(3, largest)
        shares = rng.dirichlet([1, 1, 1])
        extents = [max(1, round(10 ** (total * share))) for share in shares]
        dtype = str(rng.choice(["f4", "f4", "f8", "f8", "i4", "u1"]))
        op = str(rng.choice(PLAIN + SKIPPING if dtype[0] == "f" else PLAIN[:-3]))
        order = str(rng.choice(["C", "C", "F", "strided"]))
        missing = float(rng.choice([0.001, 0.1, 0.5])) if op.startswith("nan") else 0.0
        yield {
            "index": index,
            "extents": extents,
            "type": dtype,
            "op": op,
            "order": order,
            "missing": missing,
            "seed": int(rng.integers(1 << 31)),
        }


def made(problem):
    """The array of a problem as a file holds it, and the step along its last axis."""
    rng = np.random.default_rng(problem["seed"])
    outer, reduced, inner = problem["extents"]
    step = 2 if problem["order"] == "strided" else 1
    shape, kind = (outer, reduced, inner * step), problem["type"]
    if kind[0] == "f":
        x = rng.standard_normal(shape, np.float32)
        x = (1 + x * 2.0**-10 if problem["op"].endswith("prod") else 273.15 + x).astype(kind)
        if problem["missing"]:
            x[rng.random(shape, np.float32) < problem["missing"]] = np.nan
            # No result of nothing but NaN: places of none are an error.
            x[:, :1] = 1
    else:
        x = rng.integers(0, 100, shape, kind)
    return (np.asfortranarray(x) if problem["order"] == "F" else x), step


def peers(op, x, missing):
    """The peers' functions."""
    import bottleneck

    if op.startswith("norm"):
        order = {"1": 1, "2": 2, "inf": np.inf}[op[4:]]
        yield "numpy", lambda: np.linalg.norm(x, order, axis=1)
        return
    yield "numpy", lambda: getattr(np, op)(x, axis=1)
    name = op if op.startswith("nan") else "nan" + op
    if hasattr(bottleneck, name) and (
        x.dtype.kind == "f" or op in ("sum", "mean", "var", "std", "min", "max", "argmin", "argmax")
    ):
        if x.dtype.str[1:] in ("f4", "f8", "i4", "i8"):
            yield "bottleneck", lambda: getattr(bottleneck, name)(x, axis=1)


def exact(op, x):
    """Results in extended precision of an operation that rounds; of a large array, those of its first outer indices."""
    some = max(1, 2_000_000 // max(1, x[0].size))
    x, wide, name = x[:some], np.longdouble, op.removeprefix("nan")
    if name not in ROUNDED or x.size > 50_000_000:
        return None
    x = x.astype(wide)
    skip = "nan" if op.startswith("nan") else ""
    if name in ("norm1", "norm2"):
        return np.abs(x).sum(axis=1) if name == "norm1" else np.sqrt((x * x).sum(axis=1))
    return getattr(np, skip + name)(x, axis=1)


def error(result, reference):
    if reference is None:
        return ""
    with np.errstate(all="ignore"):
        off = np.abs(np.asarray(result)[: reference.shape[0]].astype(np.longdouble) / reference - 1)
    return f"{float(np.nanmax(off, initial=0)):.1e}"


def burst(function, seconds):
    """The times of some calls in a row, at least three."""
    times, begun = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return times


class Program:
    """The running program `reduce-sample`."""

    def __init__(self, binary, threads):
        # NumPy asks for huge pages for its arrays, and all programs read faster with them.
        environment = dict(os.environ, GLIBC_TUNABLES="glibc.malloc.hugetlb=1")
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([binary, str(threads)], env=environment, stdin=pipe, stdout=pipe, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise SystemExit(f"reduce-sample ended at {line}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measured(problem, program, folder, threads, seconds):
    """The row of a problem."""
    whole, step = made(problem)
    np.save(folder / "x.npy", whole)
    x, op = whole[:, :, ::step], problem["op"]
    program.ask(f"load {folder / 'x.npy'} {step}")
    ask = f"run {op.removeprefix('nan')} {'skip' if op.startswith('nan') else 'keep'} {seconds}"
    functions = dict(peers(op, x, problem["missing"])) if threads == 1 else {"numpy": dict(peers(op, x, 0))["numpy"]}
    results = {name: function() for name, function in functions.items()}
    ours, theirs = [], {name: [] for name in functions}
    for _ in range(TURNS):
        ours.append(float(program.ask(ask)))
        for name, function in functions.items():
            theirs[name] += burst(function, seconds)
    found = np.load(folder / "x.npy.out")
    reference = exact(op, x)
    # NumPy's deviations of few elements that are nearly equal have few right digits.
    wanted = results["numpy"] if reference is None else reference
    if not np.allclose(
        found[: len(wanted)], wanted.astype("f8"), rtol=1e-2 if op.endswith("prod") else 1e-5, equal_nan=True
    ):
        raise SystemExit(f"results differ: {problem}")
    best = min(theirs, key=lambda name: statistics.median(theirs[name]))
    time_, peer = statistics.median(ours), statistics.median(theirs[best])
    outer, reduced, inner = problem["extents"]
    size = x.size * x.itemsize + found.size * results["numpy"].itemsize
    return {
        "index": problem["index"],
        "outer": outer,
        "reduced": reduced,
        "inner": inner,
        "type": problem["type"],
        "order": problem["order"],
        "op": op,
        "threads": threads,
        "wavemill_s": f"{time_:.4g}",
        "peer": best,
        "peer_s": f"{peer:.4g}",
        "ratio": f"{peer / time_:.3f}",
        "error": error(found, reference),
        "peer_error": error(results[best], reference),
        "gb_s": f"{size / time_ / 1e9:.2f}",
    }


def summary(rows):
    ratios = sorted(float(row["ratio"]) for row in rows)
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    below = sum(ratio < 1 for ratio in ratios)
    return (
        f"{len(ratios)} problems: geometric mean {mean:.2f}, median {ratios[len(ratios) // 2]:.2f}, "
        f"worst {ratios[0]:.2f}, {below} below 1, {sum(ratio < 0.9 for ratio in ratios)} below 0.9"
    )


def chart(rows, title):
    """A map of ratios over reduced and inner extents, as SVG: red where wavemill is slower, blue where it is faster."""
    width, height, margin = 640, 460, 60
    most = max(math.log10(max(row["reduced"], row["inner"], 10)) for row in rows)
    at = lambda value, size: margin + math.log10(value) / most * (size - 2 * margin)
    style = 'font-family="sans-serif" font-size="12"'
    text = lambda x, y, words, anchor="middle": (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" {style}>{words}</text>'
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        text(width / 2, 24, title),
    ]
    for power in range(int(most) + 1):
        label = f"1e{power}"
        parts += [
            text(at(10**power, width), height - margin + 22, label),
            text(margin - 12, height - at(10**power, height) + 4, label, "end"),
        ]
    parts += [
        text(width / 2, height - 12, "elements of a result"),
        text(12, 42, "columns (inner extent); circles grow with the outer extent", "start"),
    ]
    for row in sorted(rows, key=lambda row: -row["outer"]):
        ratio = float(row["ratio"])
        strength = min(1.0, abs(math.log2(ratio)) / 3)
        low, high = (196, 78, 82), (76, 114, 176)
        colour = tuple(round(225 + (c - 225) * strength) for c in (low if ratio < 1 else high))
        radius = 4 + 1.6 * math.log10(row["outer"])
        name = (
            f'{row["outer"]} x {row["reduced"]} x {row["inner"]} {row["type"]} {row["order"]} {row["op"]}: {ratio:.2f}'
        )
        parts.append(
            f'<circle cx="{at(row["reduced"], width):.1f}" cy="{height - at(row["inner"], height):.1f}" '
            f'r="{radius:.1f}" '
            f'fill="rgb{colour}" stroke="#555" stroke-width="0.5"><title>{name}</title></circle>'
        )
    return "\n".join(parts + ["</svg>"]) + "\n"


def write(out, rows, seed):
    with (out / "reduce-sample.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    (out / "reduce-sample.svg").write_text(
        chart(rows, f"Reductions, seed {seed}: time of the faster of NumPy and bottleneck / wavemill")
    )


def run(options, binary):
    """Measures the sample that the options ask for."""
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for threads in map(int, options.threads.split(",")):
        program = Program(binary, threads)
        with tempfile.TemporaryDirectory(dir="/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None) as folder:
            for problem in problems(options.seed, options.sample, options.largest):
                if options.index and problem["index"] not in options.index:
                    continue
                row = measured(problem, program, pathlib.Path(folder), threads, options.seconds)
                rows.append(row)
                print(" ".join(f"{key}={value}" for key, value in row.items()), flush=True)
                write(options.out, rows, options.seed)
        program.close()
    print(summary(rows))
    for row in sorted(rows, key=lambda row: float(row["ratio"]))[: options.worst]:
        print(" ".join(f"{key}={value}" for key, value in row.items()))
