"""Transforms drawn from the whole space of problems, beside FINUFFT and DUCC: part of compare.py, which runs it.

Type, number of axes, precision, modes, points for each mode, tolerance, points' distribution, batch, real strengths
and threads are drawn independently. Modes, density and tolerance are log-uniform, and a random share of the modes'
logarithm belongs to each axis. A problem whose points or work are out of bounds is drawn again.
"""

import csv
import json
import math
import pathlib
import statistics
import tempfile
from typing import NamedTuple

import numpy as np

import cases
import memory
import programs

DISTRIBUTIONS = ("uniform", "uniform", "clustered", "gaussian", "radial", "sorted", "repeated")
PROGRAMS = ("wavemill", "finufft", "ducc")
FIELDS = ["index", "type", "modes", "points", "targets", "precision", "tolerance", "distribution", "batch", "real",
          "threads", *(f"{name}_{column}" for name in PROGRAMS for column in ("total_s", "execute_s", "error")),
          "total", "execute", *(f"{name.replace(' ', '_')}_bytes" for name in memory.NAMES)]
# Kernel evaluations and fine grid's cells of the largest problem.
MOST_WORK = 10**10.5
ROUNDS = 3


class Drawn(NamedTuple):
    index: int
    kind: int
    modes: tuple
    points: int
    targets: int
    precision: str
    tolerance: float
    distribution: str
    batch: int
    real: bool
    threads: int
    seed: int


def drawn(rng, index, largest):
    """A problem, or None if it is out of bounds."""
    kind, axes = int(rng.choice([1, 1, 2, 2, 3])), int(rng.integers(1, 4))
    count = rng.uniform(3, largest)
    modes = tuple(max(2, round(10 ** (count * share))) for share in rng.dirichlet([2] * axes))
    points = round(math.prod(modes) * 10 ** rng.uniform(-math.log10(30), math.log10(300)))
    targets = round(10 ** rng.uniform(3, largest)) if kind == 3 else 0
    precision = "f32" if rng.random() < 0.35 else "f64"
    tolerance = float(f"{10 ** rng.uniform(-6 if precision == 'f32' else -13, -2):.1e}")
    distribution = str(rng.choice(DISTRIBUTIONS))
    batch = int(rng.integers(2, 17)) if rng.random() < 0.25 else 1
    real, threads, seed = kind == 1 and bool(rng.random() < 0.2), int(rng.integers(1, 3)), int(rng.integers(1 << 31))
    width = 2 - math.log10(tolerance)
    work = batch * ((points + targets) * width**axes + 8 * math.prod(modes))
    numbers = batch * (points + targets + math.prod(modes))
    if not 10**3 <= points <= 10**largest or work > MOST_WORK or numbers > 10 ** (largest + 0.5):
        return None
    return Drawn(index, kind, modes, points, targets, precision, tolerance, distribution, batch, real, threads, seed)


def problems(seed, count, largest):
    rng, index = np.random.default_rng(seed), 0
    while index < count:
        problem = drawn(rng, index, largest)
        if problem is not None:
            yield problem
            index += 1


def locations(drawn, rng):
    """Coordinates from -pi to pi, an array for each axis."""
    axes, points, kind = len(drawn.modes), drawn.points, drawn.distribution
    if kind == "clustered":
        return [rng.uniform(-0.03, 0.03, points) + rng.uniform(-3, 3) for _ in range(axes)]
    if kind == "gaussian":
        return [np.clip(0.4 * rng.standard_normal(points), -np.pi, np.pi) for _ in range(axes)]
    if kind == "radial":
        # Points on spokes through the centre.
        direction = rng.standard_normal((axes, math.isqrt(points) + 1))
        direction /= np.sqrt((direction**2).sum(axis=0))
        samples = -(-points // direction.shape[1])
        radius = np.linspace(-np.pi, np.pi, samples)
        return [(radius * along[:, None]).ravel()[:points] for along in direction]
    if kind == "repeated":
        few = rng.uniform(-np.pi, np.pi, (axes, max(1, points // 1000)))
        return list(few[:, rng.integers(few.shape[1], size=points)])
    x = [rng.uniform(-np.pi, np.pi, points) for _ in range(axes)]
    return [np.sort(axis) for axis in x] if kind == "sorted" else x


class Problem(cases.Problem):
    """The input of a drawn problem, and the exact result of its last transform at a sample of outputs."""

    def __init__(self, drawn, folder):
        self.kind, self.precision, self.folder, self.modes = drawn.kind, drawn.precision, pathlib.Path(folder), drawn.modes
        self.batch = drawn.batch
        real, self.complex = (np.float64, np.complex128) if self.precision == "f64" else (np.float32, np.complex64)
        rng = np.random.default_rng(drawn.seed)
        self.x = [x.astype(real) for x in locations(drawn, rng)]
        self.targets = []
        if self.kind == 3:
            # As many cells as a transform to these modes has.
            self.targets = [rng.uniform(-n / 2, n / 2, drawn.targets).astype(real) for n in self.modes]
        shape = (self.batch,) * (self.batch > 1) + (self.modes if self.kind == 2 else (drawn.points,))
        values = rng.standard_normal(shape)
        values = values.astype(real) if drawn.real else (values + 1j * rng.standard_normal(shape)).astype(self.complex)
        self.save(values)
        # The peers have no transform of real strengths.
        batches = values.astype(self.complex)
        self.values = batches[-1] if self.batch > 1 else batches
        self.sample, self.exact = self.reference(rng, 8 if drawn.points >= 4 * 10**6 else 16)
        self.values = batches

    def error(self, result):
        return super().error(result[-1] if self.batch > 1 else result)


def measured(drawn, folder, seconds, binary, peaks):
    """The row of a problem: medians of all programs in turns."""
    problem = Problem(drawn, folder)
    common = problem, drawn.tolerance, drawn.threads
    runs = {"wavemill": lambda repeats: programs.run_wavemill(*common, repeats, binary),
            "ducc": lambda repeats: programs.run_ducc(*common, repeats)}
    for name, upsampling in programs.UPSAMPLING.items():
        runs[name] = lambda repeats, upsampling=upsampling: programs.run_finufft(*common, repeats, upsampling)
    seen = {name: [] for name in runs}
    repeats = 1
    for turn in range(ROUNDS + 1):
        for name in list(runs):
            try:
                total, execute, result = runs[name](repeats)
            except programs.REFUSALS as error:
                reason = getattr(error, "stderr", None) or str(error)
                print(f"{drawn}: {name} refuses: {' '.join(reason.split())[:200]}", flush=True)
                del runs[name], seen[name]
                continue
            seen[name].append((total, execute, problem.error(result)))
        if turn == 0:
            # The first round only tells how long a call takes.
            shortest = min(rows[0][0] for rows in seen.values())
            repeats = max(1, min(100, round(seconds / shortest)))
            seen = {name: [] for name in runs}
    found = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in seen.items()}
    variants = [found.pop(name) for name in programs.UPSAMPLING if name in found]
    if variants:
        found["finufft"] = [min(column) for column in list(zip(*variants))[:2]] + [max(row[2] for row in variants)]
    row = dict.fromkeys(FIELDS, "") | {
        "index": drawn.index, "type": drawn.kind, "modes": "x".join(map(str, drawn.modes)), "points": drawn.points,
        "targets": drawn.targets or "", "precision": drawn.precision, "tolerance": f"{drawn.tolerance:.1e}",
        "distribution": drawn.distribution, "batch": drawn.batch, "real": int(drawn.real), "threads": drawn.threads}
    for name, (total, execute, error) in found.items():
        row |= {f"{name}_total_s": f"{total:.4g}", f"{name}_execute_s": f"{execute:.4g}", f"{name}_error": f"{error:.1e}"}
    for at, column in enumerate(("total", "execute")):
        peers = [found[name][at] for name in PROGRAMS[1:] if name in found]
        row[column] = f"{min(peers) / found['wavemill'][at]:.3f}"
    if peaks and drawn.batch == 1:
        row |= {f"{name.replace(' ', '_')}_bytes": size for name, size in
                memory.peaks(problem, drawn.tolerance, binary).items()}
    return row


def error(row, name):
    """A program's error, or 0 if it refused the problem."""
    return float(row[f"{name}_error"] or 0)


def summary(rows):
    lines = []
    for column in ("total", "execute"):
        ratios = sorted(float(row[column]) for row in rows)
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        lines.append(f"{column}: {len(ratios)} problems, geometric mean {mean:.2f}, median {ratios[len(ratios) // 2]:.2f}, "
                     f"worst {ratios[0]:.2f}, {sum(ratio < 1 for ratio in ratios)} below 1, "
                     f"{sum(ratio < 0.95 for ratio in ratios)} below 0.95")
    worse = [row for row in rows if error(row, "wavemill") > max(error(row, name) for name in PROGRAMS[1:])
             and error(row, "wavemill") > float(row["tolerance"])]
    lines.append(f"errors above the tolerance and both peers': {[row['index'] for row in worse]}")
    return "\n".join(lines)


def stages(drawn, folder, options):
    """Where wavemill's time goes in a problem that is run again: its stages and what the plan chose, in words."""
    programs.run_wavemill(Problem(drawn, folder), drawn.tolerance, drawn.threads, 9, options.binary)
    found = json.loads((pathlib.Path(folder) / "timings.json").read_text())
    times = [f"{stage} {1e3 * seconds:.3f}" for stage, seconds in found["timings"].items() if seconds]
    recipes = found["recipe"]
    chosen = [f"{'x'.join(map(str, recipe['grid']))} width {recipe['width']} exact {recipe['exact']}"
              for recipe in ([recipes] if "grid" in recipes else recipes.values())]
    return f"    ms: {', '.join(times)}; grid {', then '.join(chosen)}"


def run(options):
    """Measures the sample that the options ask for, and rewrites its file after every problem; then runs the worst ones
    again, for their stages."""
    out, rows = pathlib.Path(options.out), []
    out.mkdir(parents=True, exist_ok=True)
    memory_folder = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
    drawn = {problem.index: problem for problem in problems(options.seed, options.sample, options.largest)}
    for problem in drawn.values():
        if options.index and problem.index not in options.index:
            continue
        with tempfile.TemporaryDirectory(dir=memory_folder) as folder:
            row = measured(problem, folder, options.seconds, options.binary, options.peaks)
        rows.append(row)
        print(" ".join(f"{key}={value}" for key, value in row.items() if value != ""), flush=True)
        with (out / "peers-sample.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    print(summary(rows))
    for row in sorted(rows, key=lambda row: min(float(row["total"]), float(row["execute"])))[: options.worst]:
        print(" ".join(f"{key}={value}" for key, value in row.items() if value != ""))
        with tempfile.TemporaryDirectory(dir=memory_folder) as folder:
            print(stages(drawn[row["index"]], folder, options), flush=True)
