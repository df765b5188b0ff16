"""Reductions with NumPy's names and signatures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _wavemill
from ._arrays import borrowable, host_array, normalized_axes
from ._device import device
from ._wavemill import Device

Array = npt.NDArray[Any]
Axis = int | Sequence[int] | None

_INDEX = np.dtype(np.intp)
#: What the functions take from `reduce`, under NumPy's names.
OPERATIONS = (
    "sum",
    "mean",
    "var",
    "std",
    "min",
    "max",
    "argmin",
    "argmax",
    "prod",
    "norm1",
    "norm2",
    "norminf",
    "count",
    "any",
    "all",
    "wsum",
    "average",
)


class _Unset:
    def __repr__(self) -> str:
        return "<no value>"


_UNSET: Any = _Unset()


def _readable(a: Any, name: str = "a") -> tuple[Array, np.dtype[Any]]:
    """An array of a type that is reduced in place, and the dtype that was given."""
    array = host_array(a, name)
    given = array.dtype.newbyteorder("=")
    if given == np.float16:
        # There is no half precision in the loops: these, and only these, are copied.
        array = array.astype(np.float32)
    if given.kind not in "fciub" or array.dtype.itemsize > (16 if given.kind == "c" else 8):
        raise TypeError(
            f"{name}: expected bool, integers, float16 to float64, complex64 or complex128, got {given}; convert it "
            "with astype"
        )
    if array.ndim > 32:
        raise TypeError(f"{name}: expected at most 32 axes, got {array.ndim}; merge some with reshape")
    array = borrowable(array)
    return array.view(np.uint8) if given.kind == "b" else array, given


def _as_numpy(op: str, result: Array, given: np.dtype[Any]) -> Array:
    """A result in the dtype that NumPy gives it."""
    if op in ("argmin", "argmax", "count"):
        return result.view(_INDEX) if result.dtype.itemsize == _INDEX.itemsize else result.astype(_INDEX)
    if given.kind == "b":
        if op in ("min", "max"):
            return result.view(np.bool_)
        if op in ("sum", "prod"):
            return result.astype(np.int_)
    if given == np.float16 and result.dtype == np.float32:
        with np.errstate(over="ignore"):
            return result.astype(np.float16)
    return result


def _compute(
    array: Array,
    given: np.dtype[Any],
    ops: list[tuple[str, float]],
    axes: list[int],
    keepdims: bool,
    skipna: bool,
    weights: Array | None = None,
    on: Device | None = None,
) -> list[Array]:
    for op, _ in ops:
        if array.dtype.kind == "c" and op in ("min", "max", "argmin", "argmax"):
            raise TypeError(f"{op}: expected real numbers, got {given}: complex ones have no order; take abs(a)")
    request: _wavemill.Request = {"ops": ops, "axes": axes, "keepdims": keepdims, "skip": skipna}
    found = _wavemill.reduce(array, request, weights, device() if on is None else on)
    return [_as_numpy(op, result, given) for (op, _), result in zip(ops, found)]


def _given(result: Array, out: Array | None) -> Any:
    """The result as NumPy returns it: a scalar if it has no axes, or what was given for it, filled."""
    if out is None:
        return result[()] if result.ndim == 0 else result
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out: expected an array, got {type(out).__name__}")
    if out.shape != result.shape:
        raise ValueError(f"out: expected the shape {result.shape}, got {out.shape}")
    np.copyto(out, result, casting="same_kind")
    return out


def _unsupported(name: str, **options: Any) -> None:
    for option, value in options.items():
        if value is not _UNSET:
            raise TypeError(
                f"{name}: the option {option} is not supported: expected it to be left out; "
                + ("select elements before, or set others to NaN and skip them" if option == "where" else "apply it "
                   "to the result")
            )


def _one(
    name: str,
    op: str,
    a: Any,
    axis: Axis,
    out: Array | None,
    keepdims: bool,
    skipna: bool,
    ddof: float = 0.0,
    dtype: npt.DTypeLike | None = None,
    where: Any = _UNSET,
    initial: Any = _UNSET,
) -> Any:
    _unsupported(name, where=where, initial=initial)
    array, given = _readable(a)
    # Without NaN there is nothing to skip, and NumPy's nan functions are the plain ones.
    skipna = skipna and given.kind in "fc"
    if dtype is not None and np.dtype(dtype) != given:
        # As in NumPy, elements are converted before they are reduced, to whatever type.
        array, given = _readable(host_array(a).astype(dtype))
    axes = normalized_axes(axis, array.ndim)
    keep = bool(keepdims) if keepdims is not _UNSET else False
    if op in ("min", "max", "argmin", "argmax") and any(array.shape[one] == 0 for one in axes):
        raise ValueError(f"{name}: expected an element to choose along each reduced axis, got the shape {array.shape}")
    missing = op in ("mean", "var", "std")
    ops = [(op, ddof)]
    if missing and skipna:
        ops.append(("count", 0.0))
    found = _compute(array, given, ops, axes, keep, skipna)
    _warn(name, op, array, axes, found, ddof, skipna)
    result = found[0]
    if dtype is not None and result.dtype != np.dtype(dtype):
        result = result.astype(dtype)
    return _given(result, out)


def _warn(
    name: str, op: str, array: Array, axes: list[int], found: list[Array], ddof: float, skipna: bool
) -> None:
    """NumPy's warnings for results that no elements, or too few, come to."""
    if op in ("mean", "var", "std"):
        least: Any = ddof if op != "mean" else 0
        if skipna:
            few = bool((found[1] <= least).any()) if found[1].size else False
        else:
            count = 1
            for axis in axes:
                count *= array.shape[axis]
            few = count <= least and found[0].size > 0
        if few:
            text = "Mean of empty slice" if op == "mean" else "Degrees of freedom <= 0 for slice"
            warnings.warn(f"{text}: {name} has no element to average for some result", RuntimeWarning, stacklevel=4)
    elif skipna and op in ("min", "max") and array.dtype.kind == "f" and np.isnan(found[0]).any():
        text = f"All-NaN slice encountered: {name} has nothing to choose from for some result"
        warnings.warn(text, RuntimeWarning, stacklevel=4)


def _ddof(ddof: float, correction: Any) -> float:
    if correction is _UNSET:
        return float(ddof)
    if ddof != 0:
        raise ValueError("ddof and correction can't be provided simultaneously: expected one of them")
    return float(correction)


def _arg(name: str, op: str, a: Any, axis: int | None, out: Array | None, keepdims: Any, skipna: bool) -> Any:
    if axis is not None and isinstance(axis, (tuple, list)):
        raise TypeError(f"{name}: expected one axis or None, got {axis}; wavemill.reduce takes several")
    return _one(name, op, a, axis, out, keepdims, skipna)


def reduce(
    a: Any,
    ops: str | Sequence[str],
    axis: Axis = None,
    *,
    keepdims: bool = False,
    skipna: bool = False,
    ddof: float = 0,
    weights: Any = None,
    nthreads: int = 0,
    device: str | Device = "cpu",
) -> Any:
    """Several reductions from one read of an array.

    Parameters
    ----------
    a : array
        Numbers, in any strides; only float16 and arrays in another byte order are copied.
    ops : str or sequence of str
        Of sum, mean, var, std, min, max, argmin, argmax, prod, norm1, norm2, norminf, count, any, all, wsum, average.
    axis : int, sequence of int or None
        The axes to reduce; None means all. Positions are in C order over the reduced axes.
    keepdims : bool
        Keep reduced axes, with one element.
    skipna : bool
        Skip NaN, as NumPy's nan functions do.
    ddof : float
        Delta degrees of freedom of var and std.
    weights : array, optional
        For wsum and average: an array that broadcasts to `a`, or of one axis as long as the one that is reduced.
    nthreads : int
        Threads of the CPU; 0 means one for each core.
    device : str or Device
        Where to compute; see `wavemill.device`.

    Returns
    -------
    array or tuple of arrays
        One result for each operation, in their order; alone if `ops` is a single name.

    Examples
    --------
    >>> import numpy as np, wavemill
    >>> mean, std, top = wavemill.reduce(np.array([[1.0, 5.0], [3.0, 5.0]]), ["mean", "std", "argmax"], axis=0)
    >>> mean.tolist(), std.tolist(), top.tolist()
    ([2.0, 5.0], [1.0, 0.0], [1, 0])
    """
    names = [ops] if isinstance(ops, str) else list(ops)
    array, given = _readable(a)
    axes = normalized_axes(axis, array.ndim)
    wide = None if weights is None else _weights(weights, array.shape, axes)
    asked = [(name, float(ddof)) for name in names]
    found = _compute(array, given, asked, axes, keepdims, skipna, wide, _device(device, nthreads))
    results = tuple(_given(result, None) for result in found)
    return results[0] if isinstance(ops, str) else results


_device = device


def _weights(weights: Any, shape: tuple[int, ...], axes: list[int]) -> Array:
    wide = host_array(weights, "weights")
    if wide.dtype.kind not in "fiub":
        raise TypeError(f"weights: expected real numbers, got {wide.dtype}")
    if wide.ndim == 1 and len(axes) == 1 and len(shape) > 1 and wide.shape[0] == shape[axes[0]]:
        # Along the reduced axis, as NumPy reads them.
        wide = wide.reshape([-1 if axis == axes[0] else 1 for axis in range(len(shape))])
    return borrowable(np.asarray(wide, dtype=np.float64))


def count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The number of elements that are not 0; NaN is not 0."""
    array, given = _readable(a)
    axes = normalized_axes(axis, array.ndim)
    shape = [1 if at in axes else extent for at, extent in enumerate(array.shape)]
    total = np.zeros(shape, dtype=_INDEX)
    # In slabs, so that no array of truths has the input's size.
    along = int(np.argmax(array.shape)) if array.ndim else 0
    each = max(1, array.size // array.shape[along]) if array.ndim and array.size else 1
    step = max(1, (1 << 20) // each)
    for first in range(0, array.shape[along] if array.ndim else 1, step):
        part = (slice(None),) * along + (slice(first, first + step),) if array.ndim else ()
        truths = np.not_equal(array[part], 0)
        count = _compute(np.asarray(truths).view(np.uint8), np.dtype(np.bool_), [("sum", 0.0)], axes, True, False)[0]
        if along in axes or not array.ndim:
            total += count
        else:
            total[part] = count
    return _given(total if keepdims else total.reshape([n for at, n in enumerate(array.shape) if at not in axes]), None)


def norm(x: Any, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """The norm of vectors: `ord` is None or 2, 1, or infinity; over several axes, of the vector of all elements."""
    names = {None: "norm2", 2: "norm2", 1: "norm1", np.inf: "norminf", "fro": "norm2"}
    if ord not in names:
        raise ValueError(f"ord = {ord!r}; must be None, 2, 1, inf or 'fro': other norms are in numpy.linalg")
    array, given = _readable(x, "x")
    axes = normalized_axes(axis, array.ndim)
    if ord in (1, 2, np.inf) and len(axes) == 2:
        raise ValueError(f"ord = {ord!r} over two axes is a matrix norm, which is in numpy.linalg; pass ord=None")
    return _given(_compute(array, given, [(names[ord], 0.0)], axes, keepdims, False)[0], None)


def average(
    a: Any,
    axis: Axis = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Any:
    """The weighted mean ``sum(w a) / sum(w)``; `weights` are of the shape of `a`, or of one axis."""
    array, given = _readable(a)
    axes = normalized_axes(axis, array.ndim)
    if weights is None:
        mean = _compute(array, given, [("mean", 0.0)], axes, keepdims, False)[0]
        _warn("average", "mean", array, axes, [mean], 0.0, False)
        if not returned:
            return _given(mean, None)
        count = float(np.prod([array.shape[axis] for axis in axes]))
        return _given(mean, None), _given(np.full(mean.shape, count, dtype=mean.dtype), None)
    raw = host_array(weights, "weights")
    if raw.shape != array.shape:
        if axis is None:
            raise TypeError(
                f"weights: expected the shape {array.shape} of a if no axis is given, got {raw.shape}; pass axis"
            )
        if raw.shape != tuple(array.shape[axis] for axis in axes):
            raise ValueError(f"weights: expected {array.shape} or the extents of the reduced axes, got {raw.shape}")
        order = sorted(range(len(axes)), key=lambda at: axes[at])
        raw = raw.transpose(order).reshape([n if at in axes else 1 for at, n in enumerate(array.shape)])
    wide = _weights(raw, array.shape, axes)
    kind = np.result_type(given, raw.dtype, np.float64 if given.kind in "iub" else given)
    if kind.kind in "fc" and np.finfo(kind).bits > (np.finfo(array.dtype).bits if array.dtype.kind in "fc" else 0):
        # A result of more digits than the elements have needs them in that precision.
        array, given = _readable(array.astype(kind))
    scale = _compute(
        np.broadcast_to(wide, array.shape), np.dtype(np.float64), [("sum", 0.0)], axes, keepdims, False
    )[0]
    if (scale == 0).any():
        raise ZeroDivisionError("weights sum to zero, can't be normalized: expected a sum other than 0 for each result")
    mean = _compute(array, given, [("average", 0.0)], axes, keepdims, False, wide)[0].astype(kind, copy=False)
    if not returned:
        return _given(mean, None)
    return _given(mean, None), _given(scale.astype(mean.dtype), None)
