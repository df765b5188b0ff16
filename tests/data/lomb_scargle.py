#!/usr/bin/env python3
"""Writes lomb_scargle.txt, answers of astropy's LombScargle and of 60-digit arithmetic, with which
tests/lomb_scargle.rs compares.

    pip install astropy==8.0.2 mpmath==1.4.1 numpy==2.4.6 scipy==1.17.1
    python3 tests/data/lomb_scargle.py

A line `series NAME` is followed by lines `times`, `values` and `errors`, and by answers to which they lead:

- `grid FIRST STEP INDICES`: the frequencies of the answers that follow;
- `power ERRORS FIT_MEAN CENTRE TERMS NORMALIZATION POWERS`, by the methods "slow" and "chi2", where the normal matrix
  loses fewer than 4 digits;
- `exact ERRORS FIT_MEAN TERMS FREQUENCY POWER`, the standard power in 60 digits, for low frequencies;
- `fit ERRORS FIT_MEAN CENTRE TERMS FREQUENCY COEFFICIENTS | MODEL` at the times 0.25, 3.5, 17;
- `auto SAMPLES_PER_PEAK NYQUIST_FACTOR MINIMUM MAXIMUM: FIRST LAST COUNT`, `-` where an option is not given;
- `alarm ERRORS NORMALIZATION METHOD HIGHEST POWER PROBABILITY` and `level ERRORS NORMALIZATION METHOD HIGHEST
  PROBABILITY POWER`.
"""

import itertools
import pathlib

import mpmath
import numpy as np
from astropy.timeseries import LombScargle

mpmath.mp.dps = 60
NORMALIZATIONS = ["standard", "model", "log", "psd"]


def series(rng):
    """Names, times, values and errors."""
    def wave(t):
        return 5 + 1.5 * np.sin(0.9 * t + 0.3) + 0.4 * np.cos(2.7 * t) + 0.3 * rng.standard_normal(len(t))

    def errors(t):
        return 0.1 + 0.4 * rng.random(len(t))

    uneven = np.sort(60 * rng.random(70))
    gaps = np.concatenate([np.sort(5 * rng.random(25)), 40 + np.sort(4 * rng.random(20))])
    twice = np.repeat(np.sort(30 * rng.random(20)), 2)
    unsorted = rng.permutation(np.sort(25 * rng.random(40)))
    even = np.arange(50) * 0.5
    four = np.array([0.0, 1.3, 2.9, 7.1])
    for name, t in dict(uneven=uneven, gaps=gaps, twice=twice, unsorted=unsorted, even=even, four=four).items():
        yield name, t, wave(t), errors(t)


def design(t, f, mean, terms, number=float):
    """The columns of the model, in any arithmetic."""
    sin, cos, pi = (np.sin, np.cos, np.pi) if number is float else (mpmath.sin, mpmath.cos, mpmath.pi)
    rows = []
    for time in t:
        angles = [2 * pi * n * number(f) * number(time) for n in range(1, terms + 1)]
        rows.append([number(1)] * mean + [g(a) for a in angles for g in (sin, cos)])
    return rows


def exact(t, y, dy, f, mean, terms):
    """1 - chi2/chi2_0 in 60 digits."""
    w = [1 / mpmath.mpf(float(e)) ** 2 for e in dy]
    y = [mpmath.mpf(float(v)) for v in y]
    centre = sum(a * b for a, b in zip(w, y)) / sum(w)
    y = [v - centre for v in y]
    X = mpmath.matrix(design([float(x) for x in t], float(f), mean, terms, mpmath.mpf))
    W = mpmath.diag(w)
    b = X.T * W * mpmath.matrix(y)
    return float((b.T * mpmath.lu_solve(X.T * W * X, b))[0] / sum(a * v * v for a, v in zip(w, y)))


def written(numbers):
    return " ".join(f"{float(n):.14e}" for n in np.atleast_1d(numbers))


def answers(rng, name, t, y, dy):
    kinds = {"none": None, "one": 0.25, "each": dy}
    span = float(t.max() - t.min())
    for first, step in [(0.01 / span, 0.19 / span), (1.3, 0.013 / span)]:
        indices = np.sort(rng.choice(2000 if name == "uneven" else 400, 7, replace=False))
        frequency = first + step * indices
        yield f"grid {first!r} {step!r} {' '.join(map(str, indices))}"
        for kind, mean, centre, terms in itertools.product(kinds, (1, 0), (1, 0), (1, 2, 4)):
            if 2 * terms + mean >= len(t):
                continue
            scale = 1 / np.broadcast_to(1.0 if kinds[kind] is None else kinds[kind], t.shape)
            X = [np.array(design(t, f, mean, terms)) * scale[:, None] for f in frequency]
            good = [np.linalg.cond(x) ** 2 < 1e4 for x in X]
            for norm in NORMALIZATIONS:
                ls = LombScargle(t, y, kinds[kind], fit_mean=bool(mean), center_data=bool(centre), nterms=terms,
                                 normalization=norm)
                power = ls.power(frequency, method="slow" if terms == 1 else "chi2")
                kept = " ".join(f"{p:.12e}" if g else "-" for p, g in zip(power, good))
                yield f"power {kind} {mean} {centre} {terms} {norm} {kept}"
    for kind, mean, terms, f in itertools.product(("none", "each"), (1, 0), (1, 3), (0.003, 0.04, 0.3)):
        # The columns of three terms are polynomials to all digits at 0.003/T.
        if 2 * terms + mean < len(t) and (terms == 1 or f > 0.003):
            e = np.ones_like(t) if kinds[kind] is None else kinds[kind]
            yield f"exact {kind} {mean} {terms} {f / span!r} {written(exact(t, y, e, f / span, mean, terms))}"
    for kind, mean, centre, terms in itertools.product(kinds, (1, 0), (1, 0), (1, 3)):
        if 2 * terms + mean < len(t):
            ls = LombScargle(t, y, kinds[kind], fit_mean=bool(mean), center_data=bool(centre), nterms=terms)
            f = 3.3 / span
            theta, model = ls.model_parameters(f), ls.model([0.25, 3.5, 17], f)
            yield f"fit {kind} {mean} {centre} {terms} {f!r} {written(theta)} | {written(model)}"
    for options in [(5, 5, None, None), (7, 3, 0.11, None), (2.5, 5, None, 0.9), (10, 1, 0.2, 0.85)]:
        grid = LombScargle(t, y).autofrequency(*options)
        given = " ".join("-" if o is None else repr(o) for o in options)
        yield f"auto {given}: {written([grid[0], grid[-1]])} {len(grid)}"
    for kind, norm in itertools.product(kinds, NORMALIZATIONS):
        ls = LombScargle(t, y, kinds[kind], normalization=norm)
        for highest, method in itertools.product((0.7, 20), ("baluev", "davies", "naive")):
            kwargs = dict(method=method, minimum_frequency=highest, maximum_frequency=highest)
            for power in (0.1, 0.35, 0.8) + ((9.0,) if norm != "standard" else ()):
                p = float(ls.false_alarm_probability(power, **kwargs))
                yield f"alarm {kind} {norm} {method} {highest} {power} {p:.14e}"
            for p in (0.1, 1e-4) if len(t) > 10 else ():
                level = float(np.squeeze(ls.false_alarm_level(p, **kwargs)))
                yield f"level {kind} {norm} {method} {highest} {p} {level:.12e}"


def main():
    rng = np.random.default_rng(11)
    lines = []
    for name, t, y, dy in series(rng):
        lines += [f"series {name}", f"times {' '.join(map(repr, map(float, t)))}",
                  f"values {' '.join(map(repr, map(float, y)))}", f"errors {' '.join(map(repr, map(float, dy)))}"]
        lines += answers(rng, name, t, y, dy)
    pathlib.Path(__file__).with_suffix(".txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
