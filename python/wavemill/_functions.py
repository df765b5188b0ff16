"""Reductions with the names and signatures of NumPy's. Some names are those of Python's own functions, which is why
nothing else is here."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from ._reduce import _UNSET, Array, Axis, _arg, _ddof, _one


def sum(
    a: Any,
    axis: Axis = None,
    dtype: npt.DTypeLike | None = None,
    out: Array | None = None,
    keepdims: bool = False,
    initial: Any = _UNSET,
    where: Any = _UNSET,
) -> Any:
    """The sum over axes, right to the last digit; integers wrap as in NumPy."""
    return _one("sum", "sum", a, axis, out, keepdims, False, 0.0, dtype, where, initial)


def prod(
    a: Any,
    axis: Axis = None,
    dtype: npt.DTypeLike | None = None,
    out: Array | None = None,
    keepdims: bool = False,
    initial: Any = _UNSET,
    where: Any = _UNSET,
) -> Any:
    """The product over axes; no intermediate product overflows."""
    return _one("prod", "prod", a, axis, out, keepdims, False, 0.0, dtype, where, initial)


def mean(
    a: Any,
    axis: Axis = None,
    dtype: npt.DTypeLike | None = None,
    out: Array | None = None,
    keepdims: bool = False,
    *,
    where: Any = _UNSET,
) -> Any:
    """The mean over axes: the exact sum, divided once."""
    return _one("mean", "mean", a, axis, out, keepdims, False, 0.0, dtype, where)


def var(
    a: Any,
    axis: Axis = None,
    dtype: npt.DTypeLike | None = None,
    out: Array | None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = _UNSET,
    correction: Any = _UNSET,
) -> Any:
    """The variance over axes, with the divisor ``n - ddof``."""
    return _one("var", "var", a, axis, out, keepdims, False, _ddof(ddof, correction), dtype, where)


def std(
    a: Any,
    axis: Axis = None,
    dtype: npt.DTypeLike | None = None,
    out: Array | None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = _UNSET,
    correction: Any = _UNSET,
) -> Any:
    """The standard deviation over axes, with the divisor ``n - ddof``."""
    return _one("std", "std", a, axis, out, keepdims, False, _ddof(ddof, correction), dtype, where)


def min(
    a: Any,
    axis: Axis = None,
    out: Array | None = None,
    keepdims: bool = False,
    initial: Any = _UNSET,
    where: Any = _UNSET,
) -> Any:
    """The least element over axes; NaN if there is one."""
    return _one("min", "min", a, axis, out, keepdims, False, where=where, initial=initial)


def max(
    a: Any,
    axis: Axis = None,
    out: Array | None = None,
    keepdims: bool = False,
    initial: Any = _UNSET,
    where: Any = _UNSET,
) -> Any:
    """The greatest element over axes; NaN if there is one."""
    return _one("max", "max", a, axis, out, keepdims, False, where=where, initial=initial)


def argmin(
    a: Any,
    axis: int | None = None,
    out: Array | None = None,
    *,
    keepdims: bool = False,
) -> Any:
    """The index of the first least element, in C order."""
    return _arg("argmin", "argmin", a, axis, out, keepdims, False)


def argmax(
    a: Any,
    axis: int | None = None,
    out: Array | None = None,
    *,
    keepdims: bool = False,
) -> Any:
    """The index of the first greatest element, in C order."""
    return _arg("argmax", "argmax", a, axis, out, keepdims, False)


def nansum(
    a: Any,
    axis: Axis = None,
    dtype: npt.DTypeLike | None = None,
    out: Array | None = None,
    keepdims: bool = False,
    initial: Any = _UNSET,
    where: Any = _UNSET,
) -> Any:
    """The sum over axes, NaN skipped, right to the last digit; integers wrap as in NumPy."""
    return _one("nansum", "sum", a, axis, out, keepdims, True, 0.0, dtype, where, initial)


def nanprod(
    a: Any,
    axis: Axis = None,
    dtype: npt.DTypeLike | None = None,
    out: Array | None = None,
    keepdims: bool = False,
    initial: Any = _UNSET,
    where: Any = _UNSET,
) -> Any:
    """The product over axes, NaN skipped; no intermediate product overflows."""
    return _one("nanprod", "prod", a, axis, out, keepdims, True, 0.0, dtype, where, initial)


def nanmean(
    a: Any,
    axis: Axis = None,
    dtype: npt.DTypeLike | None = None,
    out: Array | None = None,
    keepdims: bool = False,
    *,
    where: Any = _UNSET,
) -> Any:
    """The mean over axes, NaN skipped: the exact sum, divided once."""
    return _one("nanmean", "mean", a, axis, out, keepdims, True, 0.0, dtype, where)


def nanvar(
    a: Any,
    axis: Axis = None,
    dtype: npt.DTypeLike | None = None,
    out: Array | None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = _UNSET,
    correction: Any = _UNSET,
) -> Any:
    """The variance over axes, NaN skipped, with the divisor ``n - ddof``."""
    return _one("nanvar", "var", a, axis, out, keepdims, True, _ddof(ddof, correction), dtype, where)


def nanstd(
    a: Any,
    axis: Axis = None,
    dtype: npt.DTypeLike | None = None,
    out: Array | None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = _UNSET,
    correction: Any = _UNSET,
) -> Any:
    """The standard deviation over axes, NaN skipped, with the divisor ``n - ddof``."""
    return _one("nanstd", "std", a, axis, out, keepdims, True, _ddof(ddof, correction), dtype, where)


def nanmin(
    a: Any,
    axis: Axis = None,
    out: Array | None = None,
    keepdims: bool = False,
    initial: Any = _UNSET,
    where: Any = _UNSET,
) -> Any:
    """The least element over axes, NaN skipped."""
    return _one("nanmin", "min", a, axis, out, keepdims, True, where=where, initial=initial)


def nanmax(
    a: Any,
    axis: Axis = None,
    out: Array | None = None,
    keepdims: bool = False,
    initial: Any = _UNSET,
    where: Any = _UNSET,
) -> Any:
    """The greatest element over axes, NaN skipped."""
    return _one("nanmax", "max", a, axis, out, keepdims, True, where=where, initial=initial)


def nanargmin(
    a: Any,
    axis: int | None = None,
    out: Array | None = None,
    *,
    keepdims: bool = False,
) -> Any:
    """The index of the first least element, in C order, NaN skipped."""
    return _arg("nanargmin", "argmin", a, axis, out, keepdims, True)


def nanargmax(
    a: Any,
    axis: int | None = None,
    out: Array | None = None,
    *,
    keepdims: bool = False,
) -> Any:
    """The index of the first greatest element, in C order, NaN skipped."""
    return _arg("nanargmax", "argmax", a, axis, out, keepdims, True)


def any(
    a: Any,
    axis: Axis = None,
    out: Array | None = None,
    keepdims: bool = False,
    *,
    where: Any = _UNSET,
) -> Any:
    """Whether any element over axes is not 0; NaN is not 0."""
    return _one("any", "any", a, axis, out, keepdims, False, where=where)


def all(
    a: Any,
    axis: Axis = None,
    out: Array | None = None,
    keepdims: bool = False,
    *,
    where: Any = _UNSET,
) -> Any:
    """Whether no element over axes is 0; NaN is not 0."""
    return _one("all", "all", a, axis, out, keepdims, False, where=where)
