"""Matrix products beside OpenBLAS (NumPy's own), faer and gemm, in one process on the same matrices.

    pip install numpy
    python benches/peers/matmul.py [--threads 1 2] [--quick | --cases 512x512x512x1 9x13x45x1600:nt:f64 ..]
        [--out benches/record/<machine>/<date>/matmul.md]
    python benches/peers/matmul.py --sample 120 --seed 1 --out benches/record/<machine>/<date>/matmul-sample.csv

Builds `benches/peers/matmul` and runs it once for each number of threads; prints a table of times as ratios to
wavemill's, above 1 where wavemill is faster, and their geometric means. With --sample the products are drawn at random:
operations log-uniform up to 10^10.5, with a random share of their logarithm for each extent and, for half of them, for
the batch; type, transposes and threads uniform.
"""

import argparse
import csv
import datetime
import glob
import math
import os
import pathlib
import subprocess

import numpy as np

HERE = pathlib.Path(__file__).parent
PEERS = ["OpenBLAS", "faer", "gemm"]
TYPES = ["f32", "f64", "c64", "c128"]
MOST_NUMBERS = 10**8


def open_blas():
    """The path of OpenBLAS in NumPy's wheel."""
    found = glob.glob(os.path.join(os.path.dirname(np.__file__), "..", "numpy.libs", "libscipy_openblas64_*"))
    if not found:
        raise SystemExit("NumPy's wheel with its own OpenBLAS is needed: pip install numpy")
    return found[0]


def run(program, threads, cases):
    environment = dict(os.environ, OPENBLAS_NUM_THREADS=str(threads))
    command = [program, str(threads), open_blas()] + cases
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    rows = []
    for line in process.stdout:
        print(line, end="", flush=True)
        name, *rest = line.strip().split(",")
        numbers = [float(x) for x in rest]
        extents = [int(x) for x in numbers[:5]]
        rows.append((name, *extents, numbers[5::2], numbers[6::2]))
    if process.wait() != 0:
        raise SystemExit("the program failed")
    return rows


def rate(name, m, k, n, batch, seconds):
    """GFLOP/s; a complex product counts as four real ones."""
    return 2e-9 * m * k * n * batch * (4 if name.startswith("complex") else 1) / seconds


def table(rows):
    means = []
    lines = ["| type | m x k x n | threads | wavemill, GFLOP/s | OpenBLAS | faer | gemm | fastest | error, ours | error, OpenBLAS |"]
    lines.append("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, m, k, n, batch, threads, times, errors in rows:
        ratios = [peer / times[0] for peer in times[1:]]
        means.append((threads, min(ratios)))
        shape = f"{m} x {k} x {n}" + (f", {batch} of them" if batch > 1 else "")
        cells = [name, shape, threads, f"{rate(name, m, k, n, batch, times[0]):.1f}"]
        cells += [f"{ratio:.2f}" for ratio in ratios] + [f"**{min(ratios):.2f}**", f"{errors[0]:.1e}", f"{errors[1]:.1e}"]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    summary = []
    for threads in sorted({threads for threads, _ in means}):
        of = [ratio for t, ratio in means if t == threads]
        mean = math.exp(sum(math.log(ratio) for ratio in of) / len(of))
        below = sum(ratio < 0.9 for ratio in of)
        summary.append(
            f"{threads} thread{'s' if threads > 1 else ''}: the fastest peer takes {mean:.2f} times as long (geometric mean of "
            f"{len(of)} cases), {min(of):.2f} at worst; {below} cases below 0.9."
        )
    return "\n".join(summary), "\n".join(lines)


def drawn(seed, count, largest):
    """The problems of a seed, as words for the program and the number of threads."""
    rng = np.random.default_rng(seed)
    while count > 0:
        total = rng.uniform(3, largest)
        shares = rng.dirichlet([1] * (4 if rng.random() < 0.5 else 3))
        kind = str(rng.choice(TYPES))
        m, k, n, batch = ([max(1, round(10 ** (total * share))) for share in shares] + [1])[:4]
        ops, threads = "".join(rng.choice(["n", "n", "t"], 2)), int(rng.integers(1, 3))
        # Larger matrices do not fit in memory.
        if batch * (m * k + k * n + m * n) < MOST_NUMBERS:
            yield f"{m}x{k}x{n}x{batch}:{ops}:{kind}", threads
            count -= 1


def sample(args, program):
    """Measures the drawn products one by one, and rewrites the file after each."""
    fields = ["index", "case", "threads", "wavemill_s", "gflops", *(f"{peer}_s" for peer in PEERS), "ratio", "error",
              "peer_error"]
    rows = []
    for index, (case, threads) in enumerate(drawn(args.seed, args.sample, args.largest)):
        if args.index and index not in args.index:
            continue
        ((name, m, k, n, batch, _, times, errors),) = run(program, threads, [case])
        best = min(range(1, len(times)), key=lambda at: times[at])
        row = {"index": index, "case": case, "threads": threads, "wavemill_s": times[0],
               "gflops": f"{rate(name, m, k, n, batch, times[0]):.2f}", "ratio": f"{times[best] / times[0]:.3f}",
               "error": errors[0], "peer_error": errors[best]}
        rows.append(row | {f"{peer}_s": seconds for peer, seconds in zip(PEERS, times[1:])})
        if args.out:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            with args.out.open("w", newline="") as file:
                table = csv.DictWriter(file, fields, lineterminator="\n")
                table.writeheader()
                table.writerows(rows)
    rows.sort(key=lambda row: float(row["ratio"]))
    ratios = [float(row["ratio"]) for row in rows]
    print(f"{len(rows)} products: geometric mean {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}, "
          f"median {ratios[len(ratios) // 2]:.2f}, worst {ratios[0]:.2f}, {sum(x < 1 for x in ratios)} below 1, "
          f"{sum(x < 0.9 for x in ratios)} below 0.9")
    for row in rows[: args.worst]:
        print(" ".join(f"{key}={value}" for key, value in row.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cases", nargs="+", default=[], metavar="MxKxNxBATCH")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--sample", type=int, help="so many products drawn from the whole space")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--largest", type=float, default=10.5, help="of the sample: the power of ten of most operations")
    parser.add_argument("--index", type=int, nargs="*", help="of the sample: these products only")
    parser.add_argument("--worst", type=int, default=10, help="of the sample: so many are listed at the end")
    args = parser.parse_args()
    build = ["cargo", "build", "--release", "--message-format=short", "--manifest-path", HERE / "matmul" / "Cargo.toml"]
    subprocess.run(build, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "matmul" / "target"))
    if args.sample:
        sample(args, target / "release" / "matmul-peers")
        return
    cases = ["quick"] if args.quick else args.cases
    rows = [row for threads in args.threads for row in run(target / "release" / "matmul-peers", threads, cases)]
    summary, lines = table(rows)
    text = (
        f"# Matrix products, {datetime.date.today()}\n\n"
        f"`python benches/peers/matmul.py`; NumPy {np.__version__}'s OpenBLAS, faer 0.24 with its own threads, gemm 0.19, row-major "
        "matrices, medians of 7 rounds in turns (2 for the largest). Times of the peers over wavemill's: above 1 wavemill is faster. "
        "Errors are the largest of a row in units of the bound of Freivalds' check.\n\n"
        f"{summary}\n\n{lines}\n"
    )
    print(summary)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text)


if __name__ == "__main__":
    main()
