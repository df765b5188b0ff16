"""Matrix products beside OpenBLAS (NumPy's own), faer and gemm, in one process on the same matrices.

    pip install numpy
    python benches/peers/matmul.py [--threads 1 2] [--quick | --cases 512x512x512x1 ..]
        [--out benches/record/<machine>/<date>/matmul.md]

Builds `benches/peers/matmul` and runs it once for each number of threads; prints a table of times as ratios to
wavemill's, above 1 where wavemill is faster, and their geometric means.
"""

import argparse
import datetime
import glob
import math
import os
import pathlib
import subprocess

import numpy

HERE = pathlib.Path(__file__).parent
PEERS = ["OpenBLAS", "faer", "gemm"]


def open_blas():
    """The path of OpenBLAS in NumPy's wheel."""
    found = glob.glob(os.path.join(os.path.dirname(numpy.__file__), "..", "numpy.libs", "libscipy_openblas64_*"))
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cases", nargs="+", default=[], metavar="MxKxNxBATCH")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    build = ["cargo", "build", "--release", "--message-format=short", "--manifest-path", HERE / "matmul" / "Cargo.toml"]
    subprocess.run(build, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "matmul" / "target"))
    cases = ["quick"] if args.quick else args.cases
    rows = [row for threads in args.threads for row in run(target / "release" / "matmul-peers", threads, cases)]
    summary, lines = table(rows)
    text = (
        f"# Matrix products, {datetime.date.today()}\n\n"
        f"`python benches/peers/matmul.py`; NumPy {numpy.__version__}'s OpenBLAS, faer 0.24 with its own threads, gemm 0.19, row-major "
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
