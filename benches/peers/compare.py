#!/usr/bin/env python3
"""wavemill beside FINUFFT and DUCC: the same input, in alternation, with the error each achieves.

    pip install numpy finufft==2.5.1 ducc0==0.42.0
    cargo build --release --features cli
    python3 benches/peers/compare.py --out benches/record/MACHINE/DATE [--quick] [--threads 1,2] [--only REGEX]

For each case the input is made once. Then, round by round, each program transforms it: wavemill's binary as a process that
times itself, the peers inside this one. `total` is a fresh plan, its points and one execution; `execute` is an execution
with points set. FINUFFT runs with upsampling 2 and with its own choice, the faster counts. Errors are relative l2
against sums in extended precision over a sample of outputs. Ratios are wavemill's time over the peer's: below 1 wavemill is faster.
"""

import argparse
import csv
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # Else FINUFFT's small two-thread times are milliseconds of spinning.

import numpy as np  # noqa: E402
import ducc0  # noqa: E402
import finufft  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


def cases(quick):
    """Name, modes, points, precision, tolerance."""
    if quick:
        yield "1d", (100_000,), 100_000, "f64", 1e-6
        yield "2d", (300, 300), 100_000, "f64", 1e-6
        yield "3d", (40, 40, 40), 100_000, "f64", 1e-6
        return
    for name, modes in (("1d", (1_000_000,)), ("2d", (1000, 1000)), ("3d", (100, 100, 100))):
        for precision, tolerance in (("f64", 1e-6), ("f64", 1e-9), ("f64", 1e-12), ("f32", 1e-4), ("f32", 1e-6)):
            yield name, modes, 1_000_000, precision, tolerance
    for precision, tolerance in (("f64", 1e-6), ("f64", 1e-12), ("f32", 1e-4)):
        yield "small-1d", (1000,), 1000, precision, tolerance
        yield "small-2d", (32, 32), 1000, precision, tolerance


class Case:
    def __init__(self, kind, modes, points, precision, tolerance, folder):
        self.kind, self.modes, self.tolerance, self.precision = kind, modes, tolerance, precision
        self.real = np.dtype(np.float64 if precision == "f64" else np.float32)
        self.complex = np.dtype(np.complex128 if precision == "f64" else np.complex64)
        rng = np.random.default_rng(1)
        # Exact in the data's precision, so that every program transforms the same points.
        self.x = [rng.uniform(-3.14159, 3.14159, points).astype(self.real) for _ in modes]
        shape = (points,) if kind == 1 else modes
        self.values = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(self.complex)
        self.folder = pathlib.Path(folder)
        for axis, x in enumerate(self.x):
            np.save(self.folder / f"x{axis}.npy", x.astype(np.float64))
        np.save(self.folder / "values.npy", self.values)
        self.sample, self.exact = self.reference(rng)

    def reference(self, rng):
        """Outputs of a sample, from phases and sums in extended precision."""
        wide = [x.astype(np.longdouble) for x in self.x]
        values = self.values.astype(np.clongdouble)
        exact = []
        if self.kind == 1:
            sample = [tuple(int(rng.integers(n)) for n in self.modes) for _ in range(16)]
            for index in sample:
                phase = sum((i - n // 2) * x for i, n, x in zip(index, self.modes, wide))
                exact.append(np.sum(values * np.exp(1j * phase)))
        else:
            sample = [(int(j),) for j in rng.integers(len(wide[0]), size=16)]
            for (j,) in sample:
                partial = values
                for n, x in reversed(list(zip(self.modes, wide))):
                    partial = partial @ np.exp(1j * (np.arange(n) - n // 2).astype(np.longdouble) * x[j])
                exact.append(partial)
        return sample, np.array(exact)

    def error(self, result):
        got = np.array([result[index] for index in self.sample]).astype(np.clongdouble)
        return float(np.sqrt(np.sum(abs(got - self.exact) ** 2) / np.sum(abs(self.exact) ** 2)))


def clock(work, repeats):
    """Median seconds of `work` and its last result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


def run_wavemill(case, threads, repeats, binary):
    out, timings = case.folder / "out.npy", case.folder / "timings.json"
    subprocess.run(
        [binary, "nufft", "--type", str(case.kind), "--modes", ",".join(map(str, case.modes)),
         "--points", ",".join(str(case.folder / f"x{axis}.npy") for axis in range(len(case.modes))),
         "--values", str(case.folder / "values.npy"), "--tol", repr(case.tolerance), "--sign", "+",
         "--precision", case.precision, "--device", "cpu", "--threads", str(threads), "--repeat", str(repeats),
         "--out", str(out), "--timings", str(timings)],
        check=True, stdout=subprocess.DEVNULL)
    stages = json.loads(timings.read_text())["timings"]
    return stages["total"], stages["execute"], np.load(out)


def run_finufft(case, threads, repeats, upsampling):
    options = {"nthreads": threads, "upsampfac": upsampling, "eps": case.tolerance, "isign": 1, "dtype": case.complex}

    def plan():
        made = finufft.Plan(case.kind, case.modes, 1, **options)
        made.setpts(*case.x)
        return made

    total, result = clock(lambda: plan().execute(case.values), repeats)
    kept = plan()
    execute, result = clock(lambda: kept.execute(case.values), repeats)
    return total, execute, result


def run_ducc(case, threads, repeats):
    coord = np.stack(case.x, axis=1)
    common = {"forward": False, "epsilon": case.tolerance, "nthreads": threads, "fft_order": False}
    kept = ducc0.nufft.plan(nu2u=case.kind == 1, coord=coord, grid_shape=case.modes, epsilon=case.tolerance,
                            nthreads=threads, fft_order=False, periodicity=2 * np.pi)
    if case.kind == 1:
        out = np.empty(case.modes, case.complex)
        total, _ = clock(lambda: ducc0.nufft.nu2u(points=case.values, coord=coord, out=out, **common), repeats)
        execute, _ = clock(lambda: kept.nu2u(forward=False, points=case.values, out=out), repeats)
    else:
        out = np.empty(len(case.x[0]), case.complex)
        total, _ = clock(lambda: ducc0.nufft.u2nu(grid=case.values, coord=coord, out=out, **common), repeats)
        execute, _ = clock(lambda: kept.u2nu(forward=False, grid=case.values, out=out), repeats)
    return total, execute, out


def measure(case, threads, rounds, repeats, binary):
    """Median total, median execute and error of each program, rounds in alternation."""
    programs = {
        "wavemill": lambda: run_wavemill(case, threads, repeats, binary),
        "finufft": lambda: run_finufft(case, threads, repeats, 2.0),
        "finufft-auto": lambda: run_finufft(case, threads, repeats, 0.0),
        "ducc": lambda: run_ducc(case, threads, repeats),
    }
    seen = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            total, execute, result = program()
            seen[name].append((total, execute, case.error(result)))
    rows = {name: tuple(statistics.median(column) for column in zip(*rows)) for name, rows in seen.items()}
    auto = rows.pop("finufft-auto")
    fixed = rows["finufft"]
    rows["finufft"] = (min(fixed[0], auto[0]), min(fixed[1], auto[1]), max(fixed[2], auto[2]))
    return rows


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder for peers.csv and peers.md")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small cases only")
    parser.add_argument("--only", default="", help="cases whose description matches this regular expression")
    parser.add_argument("--binary", default=str(ROOT / "target/release/wavemill"))
    options = parser.parse_args()
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)

    rows = []
    for name, modes, points, precision, tolerance in cases(options.quick):
        for kind in (1, 2):
            label = f"{name} type {kind} {precision} {tolerance:.0e}"
            if not re.search(options.only, label):
                continue
            with tempfile.TemporaryDirectory() as folder:
                case = Case(kind, modes, points, precision, tolerance, folder)
                for threads in map(int, options.threads.split(",")):
                    repeats = 200 if points <= 1000 else options.repeats
                    found = measure(case, threads, options.rounds, repeats, options.binary)
                    ours = found["wavemill"]
                    row = {"case": label, "modes": "x".join(map(str, modes)), "points": points, "threads": threads}
                    for program, (total, execute, error) in found.items():
                        row |= {f"{program}_total_s": f"{total:.6g}", f"{program}_execute_s": f"{execute:.6g}",
                                f"{program}_error": f"{error:.2e}"}
                    for peer in ("finufft", "ducc"):
                        row |= {f"total/{peer}": f"{ours[0] / found[peer][0]:.2f}",
                                f"execute/{peer}": f"{ours[1] / found[peer][1]:.2f}"}
                    rows.append(row)
                    print(" ".join(f"{key}={value}" for key, value in row.items()), flush=True)
    if not rows:
        sys.exit("no case matches --only")
    write(out, rows)


def write(out, rows):
    with open(out / "peers.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    ratios = ["total/finufft", "total/ducc", "execute/finufft", "execute/ducc"]
    lines = [
        f"# wavemill beside finufft {finufft.__version__} and ducc0 {ducc0.__version__}", "",
        f"{processor()}, {os.cpu_count()} processors, {time.strftime('%Y-%m-%d')}. Times in ms, medians. Ratios are wavemill's",
        "time over the peer's: below 1 wavemill is faster. Made by `benches/peers/compare.py`; peers from PyPI wheels.", "",
        "| case | threads | total | execute | " + " | ".join(ratios) + " | error | finufft's | ducc's |",
        "|" + "---|" * (7 + len(ratios)),
    ]
    for row in rows:
        times = [f"{1e3 * float(row[f'wavemill_{column}_s']):.3g}" for column in ("total", "execute")]
        errors = [row[f"{program}_error"] for program in ("wavemill", "finufft", "ducc")]
        cells = [row["case"], str(row["threads"]), *times, *(row[ratio] for ratio in ratios), *errors]
        lines.append("| " + " | ".join(cells) + " |")
    worst = max(((float(row[ratio]), f"{row['case']}, {row['threads']} threads, {ratio}") for row in rows for ratio in ratios))
    lines += ["", f"Worst ratio: {worst[0]:.2f} ({worst[1]}).", "Geometric means: "
              + ", ".join(f"{ratio} {np.exp(np.mean([np.log(float(row[ratio])) for row in rows])):.2f}" for ratio in ratios) + "."]
    (out / "peers.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines[-2:]))


if __name__ == "__main__":
    main()
