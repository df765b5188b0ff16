"""Arguments of any kind as NumPy arrays that the extension can borrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# DLPack's numbers of memory that the processor reads: its own, and pinned memory of CUDA and of ROCm.
_HOST = (1, 3, 11)


def host_array(value: Any, name: str = "a") -> npt.NDArray[Any]:
    """The value as a NumPy array. Arrays of other libraries in the processor's memory are borrowed through DLPack."""
    if isinstance(value, np.ndarray):
        if isinstance(value, np.ma.MaskedArray):
            raise TypeError(
                f"{name}: expected an array without a mask, got a masked one; fill masked places with NaN "
                "(`a.filled(numpy.nan)`) and use the functions that skip NaN"
            )
        return value
    if hasattr(value, "__dask_graph__"):
        raise TypeError(
            f"{name}: expected an array in memory, got a lazy one; use wavemill.dask, or call its compute() first"
        )
    if hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__"):
        kind, _ = value.__dlpack_device__()
        if int(kind) not in _HOST:
            raise TypeError(
                f"{name}: expected an array in the processor's memory, got one on the DLPack device {int(kind)}; move "
                "it to the CPU first"
            )
        return np.from_dlpack(value)
    return np.asarray(value)


def borrowable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array itself, or a copy if it is not in native byte order and aligned: strides of any number of elements
    need no copy."""
    size = array.dtype.itemsize
    plain = type(array) is np.ndarray
    if array.dtype.isnative and array.flags.aligned and all(stride % size == 0 for stride in array.strides):
        # No element of an empty array may be pointed to.
        if array.size or all(stride >= 0 for stride in array.strides):
            return array if plain else array.view(np.ndarray)
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C", subok=False)


def normalized_axes(axis: int | Sequence[int] | None, ndim: int) -> list[int]:
    """The axes as numbers from 0; `AxisError` for one that does not exist."""
    if axis is None:
        return list(range(ndim))
    if isinstance(axis, (list, tuple)):
        axes = [_index(one) for one in axis]
    else:
        axes = [_index(axis)]
    found = []
    for one in axes:
        if not -ndim <= one < ndim:
            raise np.exceptions.AxisError(one, ndim)
        found.append(one % ndim)
    if len(set(found)) != len(found):
        raise ValueError(f"duplicate value in 'axis': expected each axis once, got {axis}")
    return found


def _index(value: Any) -> int:
    import operator

    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"axis: expected an integer, a tuple of integers or None, got {value!r}") from None
