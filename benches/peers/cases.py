"""The transforms that are measured: their shapes, their input, and direct sums at a sample of outputs as reference."""

import math
import pathlib
from typing import NamedTuple

import numpy as np

TOLERANCES = {"f64": (1e-6, 1e-9, 1e-12), "f32": (1e-4, 1e-6)}
LADDER = {"f64": (1e-12,), "f32": (1e-4,)}
SPREAD = {1: 5e4, 3: 20.0}  # Type 3's targets are within this of 0 on each axis, by dimensions.


class Shape(NamedTuple):
    name: str
    group: str
    modes: tuple
    points: int
    kinds: tuple = (1, 2)
    tolerances: dict = TOLERANCES
    large: bool = True  # Peak memory is measured too.

    def label(self, kind, precision, tolerance):
        return f"{self.name} type {kind} {precision} {tolerance:.0e}"


def shapes(quick):
    """Every shape, largest first in each group; with `quick` at a thousandth of the size."""
    divisor = 1000 if quick else 1

    def shape(group, modes, points):
        modes = tuple(round(n / divisor ** (1 / len(modes))) for n in modes)
        count = f"{points // divisor:.0e}".replace("e+0", "e")
        return Shape(f"{len(modes)}d-{group}-{count}", group, modes, points // divisor)

    line, plane, cube = (1_000_000,), (1000, 1000), (100, 100, 100)
    for modes, counts in ((line, (10**6, 10**7)), (plane, (10**6, 4 * 10**6)), (cube, (10**6, 2 * 10**6))):
        for points in counts:
            yield shape("uniform", modes, points)
    for modes in (line, plane, cube):
        yield shape("clustered", modes, 10**6)
    yield shape("radial", plane, 10**6)
    yield shape("sorted", line, 10**6)
    yield Shape("small-1d", "small", (1000,), 1000, large=False)
    yield Shape("small-2d", "small", (32, 32), 1000, large=False)
    for axes in (1, 3):
        # Type 3 has no modes; the field's length is the number of axes.
        points = max(10**5 // divisor, 1000)
        name = f"{axes}d-nonuniform-{points:.0e}".replace("e+0", "e")
        yield Shape(name, "nonuniform", (0,) * axes, points, kinds=(3,))
    for log in range(10, 12 if quick else 22, 2):
        yield Shape(f"ladder-{1 << log}", "ladder", (1 << log,), 1 << log, (1,), LADDER, large=False)


def locations(shape, rng):
    """Coordinates, an array for each axis."""
    axes, points = len(shape.modes), shape.points
    if shape.group == "clustered":
        half = 0.01 * math.pi  # 1 % of the period.
        return [rng.uniform(1.0 - half, 1.0 + half, points) for _ in range(axes)]
    if shape.group == "radial":
        # Spokes through the centre, each turned from the last by the golden angle.
        samples = math.isqrt(points)
        angle = np.arange(points // samples)[:, None] * (math.pi * (math.sqrt(5) - 1) / 2)
        radius = np.linspace(-math.pi, math.pi, samples)
        return [(radius * np.cos(angle)).ravel(), (radius * np.sin(angle)).ravel()]
    if shape.group == "ladder":
        return [100 * rng.uniform(0, 1, points)]
    x = [rng.uniform(-math.pi, math.pi, points) for _ in range(axes)]
    return [np.sort(axis) for axis in x] if shape.group == "sorted" else x


class Problem:
    """One input, with files in `folder` for programs that read files, and the exact result at a sample of outputs."""

    batch = 1

    def __init__(self, shape, kind, precision, folder):
        self.kind, self.precision, self.folder = kind, precision, pathlib.Path(folder)
        self.modes = shape.modes
        real, self.complex = (np.float64, np.complex128) if precision == "f64" else (np.float32, np.complex64)
        rng = np.random.default_rng(1)
        # Coordinates are exact in the data's precision, so that every program transforms the same points.
        self.x = [x.astype(real) for x in locations(shape, rng)]
        points, axes = len(self.x[0]), len(self.x)
        self.targets = []
        if kind == 3:
            half = SPREAD[axes]
            self.targets = [rng.uniform(-half, half, points).astype(real) for _ in range(axes)]
        extents = self.modes if kind == 2 else (points,)
        if shape.group == "ladder":
            self.values = np.sin(self.x[0]).astype(self.complex)
        else:
            self.values = (rng.standard_normal(extents) + 1j * rng.standard_normal(extents)).astype(self.complex)
        self.save(self.values)
        self.sample, self.exact = self.reference(rng, 8 if points >= 4 * 10**6 else 16)

    def save(self, values):
        """Writes the files, and interleaves the axes as DUCC wants them."""
        self.coord = np.stack(self.x, axis=1)
        self.coord_out = np.stack(self.targets, axis=1) if self.kind == 3 else None
        for axis, x in enumerate(self.x):
            np.save(self.folder / f"x{axis}.npy", x)
        for axis, s in enumerate(self.targets):
            np.save(self.folder / f"s{axis}.npy", s)
        np.save(self.folder / "values.npy", values)

    def outputs(self):
        """The number of outputs."""
        return math.prod(self.modes) if self.kind == 1 else len(self.x[0])

    def reference(self, rng, count):
        """The places of a sample of outputs, and their exact values."""
        if self.kind == 2:
            places = rng.integers(len(self.x[0]), size=count)
            return [(j,) for j in places], np.array([self.at_point(j) for j in places])
        if self.kind == 1:
            sample = [tuple(int(rng.integers(n)) for n in self.modes) for _ in range(count)]
            frequencies = [[i - n // 2 for i, n in zip(index, self.modes)] for index in sample]
        else:
            sample = [(j,) for j in rng.integers(len(self.targets[0]), size=count)]
            frequencies = [[s[j] for s in self.targets] for (j,) in sample]
        return sample, self.at_frequencies(frequencies)

    def at_frequencies(self, frequencies):
        exact = np.zeros(len(frequencies), np.complex128)
        block = 1 << 14  # This many stay in the cache.
        for start in range(0, len(self.values), block):
            part = slice(start, start + block)
            for i, frequency in enumerate(frequencies):
                wave = rotation(sum(phase(k, x[part]) for k, x in zip(frequency, self.x)))
                exact[i] += np.sum(self.values[part] * wave)
        return exact

    def at_point(self, j):
        partial = self.values
        for n, x in reversed(list(zip(self.modes, self.x))):
            partial = np.sum(partial * rotation(phase(np.arange(n) - n // 2, x[j])), axis=-1)
        return partial

    def error(self, result):
        """The relative l2 error as in `wavemill bench`: the root of the sample's mean square error over the mean square
        of the whole result."""
        got = np.array([result[index] for index in self.sample]).astype(np.complex128)
        whole = np.mean(np.abs(result) ** 2, dtype=np.float64) or np.mean(np.abs(self.exact) ** 2)
        return float(np.sqrt(np.mean(np.abs(got - self.exact) ** 2) / whole))


# 2 pi in two parts: the first has 30 bits, so that its product with a number of periods below 2^23 is exact.
TURN_HIGH = math.floor(2 * math.pi * 2**27) / 2**27
TURN_LOW = (2 * math.pi - TURN_HIGH) + 2 * math.sin(math.pi)


def phase(k, x):
    """k x modulo 2 pi, with an error of some 3e-16 for |k x| up to 5e7, where a plain product is off by 4e-9.

    Every large product has factors of 24 and at most 29 bits, and so is exact. This is more exact than 80-bit floats,
    and far faster.
    """
    k, x = np.asarray(k, np.float64), np.asarray(x, np.float64)
    k_high, x_high = (v.astype(np.float32).astype(np.float64) for v in (k, x))
    product = k_high * x_high
    turns = np.rint(product * (0.5 / math.pi))
    return (product - turns * TURN_HIGH) + (k_high * (x - x_high) - turns * TURN_LOW + (k - k_high) * x)


def rotation(angle):
    return np.exp(1j * angle)
