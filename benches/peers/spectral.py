"""Times Lomb-Scargle periodograms of a seeded random sample of problems, by wavemill and by its peers.

    pip install nifty-ls==1.1.0 finufft==2.5.1 astropy==8.0.2 scipy==1.17.1 numpy==2.4.6
    (cd benches/peers/spectral && cargo build --release)
    python3 benches/peers/spectral.py --sample 40 --seed 1 --out benches/record/<machine>/<date>

Problems: one series (10^2 to 10^6 points, 10^2 to 10^7 frequencies), many series each at its own times (10 to 10^4 of
10^2 to 10^3 points, 10^2.5 to 10^4.5 frequencies), and many at the same times (10 to 10^5); errors given, a mean of its
own at each frequency, one to three terms for single series, 1 or 2 threads, tolerance 1e-6 to 1e-12, the same for
nifty-ls (its backend finufft with eps). astropy's method is its default. A peer that needs more than --patience seconds
for a problem is left out; of many series it is given as many as it does in that time, and its time is scaled up. Writes
spectral.csv: seconds, and the largest difference from exact powers at 40 frequencies.
"""

import argparse
import csv
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # Else FINUFFT's short two-thread times are milliseconds of spinning.

import numpy as np  # noqa: E402
import nifty_ls  # noqa: E402
from astropy.timeseries import LombScargle  # noqa: E402

HERE = pathlib.Path(__file__).parent
KINDS = ("one", "one", "each", "same")


def draw(rng, index):
    """A problem."""
    kind = KINDS[index % len(KINDS)]
    log = lambda low, high: int(10 ** rng.uniform(low, high))
    points = log(2, 6) if kind == "one" else log(2, 3)
    count = log(2, 7) if kind == "one" else log(2.5, 4.5)
    most = 3e7 / count
    series = 1 if kind == "one" else max(10, min(log(1, 4 if kind == "each" else 5), int(most)))
    terms = int(rng.choice([1, 1, 2, 3])) if kind == "one" and points * count < 1e11 else 1
    return dict(kind=kind, points=points, count=count, series=series, terms=terms, threads=int(rng.choice([1, 2])),
                tolerance=float(rng.choice([1e-6, 1e-9, 1e-12])), clumped=bool(rng.random() < 0.3))


def data(problem, rng):
    """Times and values of all series, one after the other, and the places where they begin."""
    kind, points, series = problem["kind"], problem["points"], problem["series"]
    lengths = rng.integers(points // 2, points + 1, series) if kind == "each" else [points]
    times = []
    for length in lengths:
        t = np.sort(1000 * rng.random(length))
        # Nights of a third of a day.
        times.append(np.floor(t) + (t % 1) / 3 if problem["clumped"] else t)
    starts = np.concatenate([[0], np.cumsum([len(t) for t in times])[:-1]]).astype(np.int64)
    t = np.concatenate(times)
    shape = (series, points) if kind == "same" else t.shape
    values = np.sin(2 * np.pi * 0.17 * t) + rng.standard_normal(shape)
    return t, values, 0.5 + rng.random(len(t)), starts


def grid(problem, t):
    """Frequencies, five to a peak, from half a step on."""
    step = float(0.2 / (t.max() - t.min()))
    return 0.5 * step, step


def repeats(once, patience):
    """The median of up to 7 runs, or None for what takes too long."""
    begun = time.perf_counter()
    once()
    first = time.perf_counter() - begun
    if first > patience:
        return first
    count = int(min(7, max(1, patience / first)))
    seconds = []
    for _ in range(count):
        begun = time.perf_counter()
        once()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def wavemill(problem, folder, first, step, patience, binary):
    command = [binary, folder, problem["kind"], repr(first), repr(step), problem["count"], problem["terms"],
               repr(problem["tolerance"]), problem["threads"], 5]
    out = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
    return statistics.median(map(float, out.split())), np.load(f"{folder}/powers.npy")


def peer(name, problem, arrays, first, step, patience):
    """Median seconds and the first series' powers."""
    t, values, errors, starts = arrays
    kind, count, terms, series = (problem[key] for key in ("kind", "count", "terms", "series"))
    ends = np.concatenate([starts[1:], [len(t)]])
    found = [None]

    def one(a, b):
        y = values[a:b] if kind != "same" else values
        dy = errors[a:b] if kind != "same" else np.broadcast_to(errors, values.shape)
        if name == "nifty-ls":
            extra = dict(backend="finufft_chi2" if terms > 1 else "finufft", nterms=terms)
            return nifty_ls.lombscargle(t[a:b], y, dy, fmin=first, fmax=first + step * (count - 1), Nf=count,
                                        nthreads=problem["threads"], finufft_kwargs=dict(eps=problem["tolerance"]),
                                        **extra).power
        frequency = first + step * np.arange(count)
        if kind == "same":
            return np.array([LombScargle(t[a:b], row, errors[a:b]).power(frequency, assume_regular_frequency=True)
                             for row in values[:used]])
        return LombScargle(t[a:b], y, dy, nterms=terms).power(frequency, assume_regular_frequency=True)

    used = series
    if kind == "each" or (kind == "same" and name == "astropy"):
        # How many fit into the patience, from a few.
        used, begun = min(series, 3), time.perf_counter()
        [one(a, b) for a, b in zip(starts[:used], ends[:used])]
        used = int(min(series, max(3, used * patience / (time.perf_counter() - begun))))

    def once():
        found[0] = [one(a, b) for a, b in zip(starts[:used], ends[:used])][0]

    seconds = repeats(once, patience)
    return seconds * series / used, np.atleast_2d(found[0])[0]


def exact(problem, arrays, first, step, places):
    t, values, errors, starts = arrays
    end = starts[1] if len(starts) > 1 else len(t)
    y = values[0] if problem["kind"] == "same" else values[:end]
    ls = LombScargle(t[:end], y, errors[:end], nterms=problem["terms"])
    return ls.power(first + step * places, method="chi2" if problem["terms"] > 1 else "slow")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience", type=float, default=3.0)
    parser.add_argument("--peers", nargs="*", default=["nifty-ls", "astropy"])
    parser.add_argument("--only", type=int, nargs="*", help="indices of problems")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--binary", default=HERE / "spectral/target/release/spectral-peers")
    args = parser.parse_args()
    rows = []
    for index in args.only if args.only else range(args.sample):
        rng = np.random.default_rng([args.seed, index])
        problem = draw(rng, index)
        arrays = data(problem, rng)
        first, step = grid(problem, arrays[0])
        places = np.unique(rng.integers(problem["count"] // 20, problem["count"], 40))
        reference = exact(problem, arrays, first, step, places)
        row = dict(index=index, **problem)
        with tempfile.TemporaryDirectory() as folder:
            for name, array in zip(("times", "values", "errors", "starts"), arrays):
                np.save(f"{folder}/{name}.npy", array)
            row["wavemill_s"], power = wavemill(problem, folder, first, step, args.patience, args.binary)
            row["wavemill_error"] = np.abs(power[0][places] - reference).max()
        best = np.inf
        for name in args.peers:
            # nifty-ls asserts for some sizes.
            try:
                row[f"{name}_s"], power = peer(name, problem, arrays, first, step, args.patience)
                row[f"{name}_error"] = np.abs(power[places] - reference).max()
                best = min(best, row[f"{name}_s"])
            except (AssertionError, RuntimeError, ValueError) as error:
                print(name, error, file=sys.stderr)
        row["ratio"] = best / row["wavemill_s"]
        rows.append(row)
        print(" ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items()), flush=True)
    ratios = np.array([row["ratio"] for row in rows])
    print(f"geometric mean {np.exp(np.log(ratios).mean()):.2f}, least {ratios.min():.2f}, below 1: {(ratios < 1).sum()}")
    if args.out:
        with (args.out / "spectral.csv").open("w") as file:
            names = list(dict.fromkeys(key for row in rows for key in row))
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)


if __name__ == "__main__":
    main()
