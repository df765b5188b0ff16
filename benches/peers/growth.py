"""What a transform costs as work grows, beside FINUFFT and DUCC: the time of a point over the number of points, and the
time of a mode over the number of modes.

    python3 benches/peers/growth.py OUT [--largest 8] [--axes 1,2,3] [--threads 1] [--binary target/release/wavemill]

Type 1 in f64 to a relative error of 1e-6, from points anywhere in the period: 2^16 modes while points grow, 10^5 points
while modes grow, in steps of half a decade. Writes growth.csv and growth.svg to OUT. The figure marks the sizes at
which the caller's array that grows no longer fits the caches. A step that only one program has is a fault of its own.
Needs finufft, ducc0 and matplotlib.
"""

import argparse
import csv
import pathlib
import statistics
import tempfile

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

import compare_sample  # noqa: E402
import programs  # noqa: E402

TOLERANCE, MODES, POINTS, ROUNDS = 1e-6, 1 << 16, 10**5, 3
FIELDS = ["grows", "axes", "modes", "points", "program", "total_s", "execute_s", "error"]
COLOURS = {"wavemill": "#4c72b0", "finufft": "#dd8452", "ducc": "#55a868"}


def extents(axes, modes):
    return (round(modes ** (1 / axes)),) * axes


def problems(largest, axes):
    """What grows, and a problem of each size, the smallest first."""
    for step in range(2 * 3, int(2 * largest) + 1):
        size = round(10 ** (step / 2))
        for grows, modes, points in [("points", MODES, size), ("modes", size, POINTS)]:
            yield grows, compare_sample.Drawn(step, 1, extents(axes, modes), points, 0, "f64", TOLERANCE, "uniform", 1,
                                              False, 1, step)


def measured(problem, threads, seconds, binary):
    """Median times and the error of each program, in turns."""
    common = problem, TOLERANCE, threads
    runs = {"wavemill": lambda repeats: programs.run_wavemill(*common, repeats, binary),
            "finufft": lambda repeats: programs.run_finufft(*common, repeats, programs.UPSAMPLING["finufft auto"]),
            "ducc": lambda repeats: programs.run_ducc(*common, repeats)}
    seen, repeats = {name: [] for name in runs}, 1
    for turn in range(ROUNDS + 1):
        for name, run in runs.items():
            total, execute, result = run(repeats)
            seen[name].append((total, execute, problem.error(result)))
        if turn == 0:
            # The first round only tells how long a call takes.
            repeats = max(1, min(200, round(seconds / min(rows[0][0] for rows in seen.values()))))
            seen = {name: [] for name in runs}
    return {name: [statistics.median(column) for column in zip(*rows)] for name, rows in seen.items()}


def caches():
    """The sizes of this machine's data caches in bytes, by level."""
    found = {}
    for folder in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        if (folder / "type").read_text().strip() != "Instruction":
            size = (folder / "size").read_text().strip()
            found[f"L{(folder / 'level').read_text().strip()}"] = int(size[:-1]) * {"K": 1 << 10, "M": 1 << 20}[size[-1]]
    return found


def draw(rows, path):
    dimensions = sorted({row["axes"] for row in rows})
    figure, panels = plt.subplots(2, len(dimensions), figsize=(4 * len(dimensions), 7), sharex="row", squeeze=False)
    for line, grows in zip(panels, ("points", "modes")):
        for panel, axes in zip(line, dimensions):
            here = [row for row in rows if (row["grows"], row["axes"]) == (grows, axes)]
            for name, colour in COLOURS.items():
                own = [row for row in here if row["program"] == name]
                for column, style in [("execute_s", "-"), ("total_s", ":")]:
                    times = [1e9 * row[column] / row[grows] for row in own]
                    panel.loglog([row[grows] for row in own], times, style, color=colour, marker=".",
                                 label=f"{name}, {'execution' if style == '-' else 'total'}")
            bytes_each = 16 if grows == "modes" else 16 + 8 * axes
            for name, size in caches().items():
                if here and min(row[grows] for row in here) < size / bytes_each < max(row[grows] for row in here):
                    panel.axvline(size / bytes_each, color="grey", linewidth=0.6)
                    panel.text(size / bytes_each, 0.98, name, transform=panel.get_xaxis_transform(), va="top", fontsize=8)
            panel.set_title(f"{axes}-D, " + (f"{MODES} modes" if grows == "points" else f"{POINTS} points"), fontsize=10)
            panel.set_xlabel(f"{grows}")
            panel.grid(alpha=0.3)
        line[0].set_ylabel(f"ns for each of the {grows}")
    panels[0][0].legend(fontsize=7)
    figure.suptitle(f"Type 1 in f64 to {TOLERANCE:.0e}: cost as work grows")
    figure.tight_layout()
    plt.rcParams["svg.fonttype"] = "none"
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--largest", type=float, default=8, help="exponent of ten of the most points or modes [8]")
    parser.add_argument("--axes", default="1,2,3")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.3, help="time for a program's runs in a round [0.3]")
    parser.add_argument("--binary", default="target/release/wavemill")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for axes in map(int, options.axes.split(",")):
        for grows, drawn in problems(options.largest, axes):
            with tempfile.TemporaryDirectory() as folder:
                problem = compare_sample.Problem(drawn, folder)
                found = measured(problem, options.threads, options.seconds, options.binary)
            modes = drawn.modes[0] ** axes
            for name, (total, execute, error) in found.items():
                rows.append(dict(zip(FIELDS, (grows, axes, modes, drawn.points, name, total, execute, error))))
            print(grows, axes, modes, drawn.points, {name: f"{execute:.3g} s" for name, (_, execute, _) in found.items()},
                  flush=True)
            with (options.out / "growth.csv").open("w", newline="") as file:
                table = csv.DictWriter(file, FIELDS, lineterminator="\n")
                table.writeheader()
                table.writerows({key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items()}
                                for row in rows)
    draw(rows, options.out / "growth.svg")


if __name__ == "__main__":
    main()
