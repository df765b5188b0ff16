#!/usr/bin/env python3
"""Writes reduce_numpy.txt, NumPy's answers to every operation, with which tests/reduce_numpy.rs compares.

    pip install numpy==2.4.6
    python3 tests/data/reduce_numpy.py

A line `input NAME DTYPE SHAPE: VALUES` is followed by lines `AXES nan|skip OP[:DDOF] RESULTS`, with results in C order,
or `error` where NumPy raises one. Complex numbers are two values, booleans 0 and 1.
"""

import itertools
import math
import pathlib
import warnings

import numpy as np

warnings.filterwarnings("ignore")
np.seterr(all="ignore")
HERE = pathlib.Path(__file__).parent
NAMES = {"f32": "f4", "f64": "f8", "c64": "c8", "c128": "c16", "i8": "i1", "i16": "i2", "i32": "i4", "i64": "i8",
         "u8": "u1", "u16": "u2", "u32": "u4", "u64": "u8"}
NORMS = {"norm1": 1, "norm2": 2, "norminf": np.inf}


def inputs():
    rng = np.random.default_rng(7)
    for name, code in NAMES.items():
        dtype = np.dtype(code)
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            yield "ties", name, rng.integers(0, 4, (2, 3, 4)).astype(dtype)
            yield "edges", name, np.array([[info.max, info.min, info.max], [info.max, 1, info.min]], dtype)
            continue
        values = rng.standard_normal((2, 3, 4)).round(3)
        if dtype.kind == "c":
            values = values + 1j * rng.standard_normal(values.shape).round(3)
        yield "plain", name, values.astype(dtype)
        holes = values.astype(dtype)
        holes[0, 1, 2] = holes[1, :, 0] = np.nan
        yield "holes", name, holes
        if dtype.kind == "f":
            info = np.finfo(dtype)
            yield "ties", name, rng.integers(-2, 2, (3, 1, 4)).astype(dtype)
            yield "edges", name, np.array([[np.inf, 1, -np.inf], [info.max, info.max, 2], [info.tiny / 4, -0.0, 0.0],
                                           [np.nan, np.inf, 3], [-np.inf, -np.inf, -5]], dtype)
            yield "large", name, np.array([[1e8, 1, -1e8, 1], [1, 1, 1, 1]], dtype)
    for shape in ((0, 3), (3, 0), (0,), (1,), ()):
        yield "x".join(map(str, shape)) or "scalar", "f64", np.ones(shape)


def answer(op, x, axes, skip):
    """NumPy's answer, by the functions that skip NaN where it has them."""
    name, _, ddof = op.partition(":")
    if name in NORMS or name in ("argmin", "argmax"):
        # These functions of NumPy take one axis, so the reduced axes are merged into one.
        kept = [a for a in range(x.ndim) if a not in axes]
        sizes = [x.shape[a] for a in kept] + [math.prod(x.shape[a] for a in axes)]
        table = x.transpose(*kept, *axes).reshape(sizes)
        if name in NORMS:
            return np.linalg.norm(np.where(np.isnan(table), 0, table) if skip else table, NORMS[name], axis=-1)
        return getattr(np, ("nan" if skip else "") + name)(table, axis=-1)
    if name == "count":
        return np.sum(~np.isnan(x) if skip else np.ones(x.shape, bool), axis=axes)
    if name in ("any", "all"):
        if skip:
            return np.any(np.where(np.isnan(x), 0, x), axis=axes) if name == "any" else np.all(
                np.where(np.isnan(x), 1, x), axis=axes)
        return getattr(np, name)(x, axis=axes)
    function = getattr(np, ("nan" if skip else "") + name)
    return function(x, axis=axes, **({"ddof": float(ddof)} if ddof else {}))


def written(values):
    flat = np.atleast_1d(np.asarray(values)).ravel()
    if flat.dtype.kind == "c":
        flat = flat.view(flat.real.dtype)
    if flat.dtype.kind == "b":
        flat = flat.astype(int)
    return " ".join("nan" if x != x else str(x) for x in flat)


def main():
    ops = ["sum", "mean", "var:0", "var:1", "std:2", "min", "max", "argmin", "argmax", "prod", "norm1", "norm2", "norminf",
           "count", "any", "all"]
    lines = [f"# NumPy {np.__version__}; written by reduce_numpy.py"]
    for name, dtype, x in inputs():
        shape = ",".join(map(str, x.shape)) or "-"
        lines.append(f"input {name} {dtype} {shape}: {written(x)}".rstrip())
        for count in range(x.ndim + 1):
            for axes in itertools.combinations(range(x.ndim), count):
                for skip in (False, True) if x.dtype.kind in "fc" else (False,):
                    for op in ops:
                        if x.dtype.kind == "c" and op in ("min", "max", "argmin", "argmax"):
                            continue
                        try:
                            result = written(answer(op, x, axes, skip))
                        except ValueError:
                            result = "error"
                        place = ",".join(map(str, axes)) or "-"
                        lines.append(f"{place} {'skip' if skip else 'nan'} {op} {result}".rstrip())
    (HERE / "reduce_numpy.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
