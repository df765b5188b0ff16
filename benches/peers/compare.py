#!/usr/bin/env python3
"""wavemill beside FINUFFT and DUCC: the same input, in alternation, with the error each achieves.

    pip install numpy finufft==2.5.1 ducc0==0.42.0
    cargo build --release --features cli
    python3 benches/peers/compare.py --out benches/record/MACHINE/DATE [--threads 1,2] [--only REGEX] [--append]
    python3 benches/peers/compare.py --out benches/record/MACHINE/DATE --sample 120 --seed 1

For each shape, precision and type the input is made once, and for each tolerance the programs transform it round by
round: wavemill's binary in a process that times itself, the peers in this process. The cases are in cases.py, the
measurements in programs.py and memory.py, the output in table.py. Both files are rewritten after every case, so an
interrupted run keeps its rows, and --append goes on from them: a case that is measured again replaces its row. With
--sample the problems are drawn at random instead (compare_sample.py).
"""

import argparse
import pathlib
import re
import statistics
import sys
import tempfile
import time

import cases
import compare_sample
import memory
import programs
import table

ROOT = pathlib.Path(__file__).resolve().parents[2]


def repeats_of(shape, repeats):
    """The repeats in each round: many for short times, one for the longest."""
    if shape.group in ("small", "ladder") and shape.points < 20_000:
        return 200
    return 1 if shape.points >= 10**7 else repeats


def measure(problem, label, tolerance, threads, rounds, repeats, binary):
    """The median total, median execute and error of each program that can do the case, in alternating rounds."""
    common = (problem, tolerance, threads, repeats)
    runs = {"wavemill": lambda: programs.run_wavemill(*common, binary), "ducc": lambda: programs.run_ducc(*common)}
    for name, upsampling in programs.UPSAMPLING.items():
        runs[name] = lambda upsampling=upsampling: programs.run_finufft(*common, upsampling)
    seen = {name: [] for name in runs}
    for _ in range(rounds):
        for name in list(runs):
            try:
                total, execute, result = runs[name]()
            except programs.REFUSALS as error:
                reason = getattr(error, "stderr", None) or str(error)
                print(f"{label}: {name} refuses: {' '.join(reason.split())[:200]}", file=sys.stderr, flush=True)
                del runs[name], seen[name]
                continue
            seen[name].append((total, execute, problem.error(result)))
    found = {name: tuple(statistics.median(column) for column in zip(*rows)) for name, rows in seen.items()}
    return faster_finufft(found)


def faster_finufft(found):
    """FINUFFT's variants as one: the fastest for total, the fastest for execute, and the larger error of those two."""
    variants = {name: found.pop(name) for name in programs.UPSAMPLING if name in found}
    if variants:
        by = [min(variants, key=lambda name: variants[name][column]) for column in (0, 1)]
        total, execute, error = variants[by[0]][0], variants[by[1]][1], max(variants[name][2] for name in by)
        found["finufft"] = total, execute, error, "/".join(name.removeprefix("finufft ") for name in by)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder for peers.csv and peers.md")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3, help="in each round; small cases take 200, the largest one")
    parser.add_argument("--quick", action="store_true", help="every case at a thousandth of its size: tries the script")
    parser.add_argument("--only", default="", help="cases whose description matches this regular expression")
    parser.add_argument("--append", action="store_true", help="keep the rows of an earlier run")
    parser.add_argument("--list", action="store_true", help="only print the descriptions of the cases")
    parser.add_argument("--binary", default=str(ROOT / "target/release/wavemill"))
    parser.add_argument("--sample", type=int, help="so many problems drawn from the whole space, in place of the chosen ones")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--largest", type=float, default=7.5, help="of the sample: the power of ten of most modes or points")
    parser.add_argument("--seconds", type=float, default=0.1, help="of the sample: for each of three turns of a program")
    parser.add_argument("--index", type=int, nargs="*", help="of the sample: these problems only")
    parser.add_argument("--peaks", action="store_true", help="of the sample: peak memory too, of problems without a batch")
    parser.add_argument("--worst", type=int, default=10, help="of the sample: so many are run again, for their stages")
    options = parser.parse_args()
    if options.sample:
        compare_sample.run(options)
        return
    out = pathlib.Path(options.out)

    shapes = list(cases.shapes(options.quick))
    groups, order = [], {}
    for shape in shapes:
        for precision, tolerances in shape.tolerances.items():
            for kind in shape.kinds:
                labels = {shape.label(kind, precision, tolerance): tolerance for tolerance in tolerances}
                order |= {label: len(order) + i for i, label in enumerate(labels)}
                groups.append((shape, precision, kind, {k: t for k, t in labels.items() if re.search(options.only, k)}))
    groups = [group for group in groups if group[3]]
    if not groups:
        sys.exit("no case matches --only")
    if options.list:
        print("\n".join(label for group in groups for label in group[3]))
        return
    out.mkdir(parents=True, exist_ok=True)
    rows = table.read(out) if options.append else {}

    for shape, precision, kind, labels in groups:
        with tempfile.TemporaryDirectory() as folder:
            problem = cases.Problem(shape, kind, precision, folder)
            for label, tolerance in labels.items():
                for threads in map(int, options.threads.split(",")):
                    repeats = repeats_of(shape, options.repeats)
                    found = measure(problem, label, tolerance, threads, options.rounds, repeats, options.binary)
                    date = time.strftime("%Y-%m-%d")
                    row = table.make(label, shape, precision, tolerance, threads, date, found)
                    if shape.large and threads == 1 and (precision, tolerance) == ("f64", 1e-6):
                        peaks = memory.peaks(problem, tolerance, options.binary)
                        row |= {table.peak_field(name): str(size) for name, size in peaks.items()}
                    rows[label, threads] = row
                    # Rows are in the order of cases.py, in whatever order they were measured; other rows come last.
                    places = sorted(rows, key=lambda key: (order.get(key[0], len(order)), *key))
                    table.write(out, [rows[key] for key in places])
                    print(" ".join(f"{key}={value}" for key, value in row.items() if value), flush=True)


if __name__ == "__main__":
    main()
