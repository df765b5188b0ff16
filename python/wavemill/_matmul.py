"""Matrix products with NumPy's signature."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import _wavemill
from ._arrays import borrowable, host_array
from ._device import device
from ._wavemill import Device

Array = npt.NDArray[Any]
_FLOATS = ("float32", "float64", "complex64", "complex128")


def matmul(a: Any, b: Any, out: Array | None = None, *, nthreads: int = 0, device: str | Device = "cpu") -> Any:
    """The product of matrices, or of stacks of them, as `numpy.matmul` computes it; float32 stays float32.

    Parameters
    ----------
    a, b : array
        Matrices in any strides, with axes of a batch in front that broadcast; vectors are a row (a) or a column (b).
        Both are converted to their common type if they have none: integers are multiplied modulo 2**64.
    out : array, optional
        Where to write the product: of its shape, and a dtype to which it can be converted.
    nthreads : int
        Threads of the CPU; 0 means one for each core.
    device : str or Device
        Where to compute; see `wavemill.device`.

    Examples
    --------
    >>> import numpy as np, wavemill
    >>> wavemill.matmul(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, -1.0])).tolist()
    [-1.0, -1.0]
    """
    left, right = host_array(a, "a"), host_array(b, "b")
    for name, array in (("a", left), ("b", right)):
        if array.ndim == 0:
            raise ValueError(f"matmul: {name} has no axes: expected at least one; multiply by a scalar with `*`")
        if array.dtype.kind not in "fciub":
            raise TypeError(f"matmul: expected numbers, got {array.dtype} for {name}")
    kind = np.result_type(left.dtype, right.dtype)
    exact = kind.kind in "iub"
    if not exact and kind.name not in _FLOATS and kind != np.float16:
        raise TypeError(f"matmul: expected float16 to float64, complex64 or complex128, got {kind}; convert with astype")
    work = np.dtype(np.int64) if exact else np.dtype(np.float32) if kind == np.float16 else kind
    vectors = left.ndim == 1, right.ndim == 1
    left = left[np.newaxis, :] if vectors[0] else left
    right = right[:, np.newaxis] if vectors[1] else right
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(
            f"matmul: expected as many columns of a as rows of b, got {left.shape[-1]} and {right.shape[-2]}"
        )
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    shape = (*batch, left.shape[-2], right.shape[-1])
    left, right = (borrowable(array.astype(work, copy=False)) for array in (left, right))
    final = shape[:-2] + (() if vectors[0] else shape[-2:-1]) + (() if vectors[1] else shape[-1:])
    if out is not None:
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out: expected an array, got {type(out).__name__}")
        if out.shape != final:
            raise ValueError(f"out: expected the shape {final}, got {out.shape}")
        if not np.can_cast(kind, out.dtype, "same_kind"):
            raise TypeError(f"out: expected a dtype to which {kind} can be converted, got {out.dtype}")
    direct = (
        out is not None
        and out.dtype == work == kind
        and out.flags.writeable
        and out.flags.c_contiguous
        and out.flags.aligned
        and not np.may_share_memory(out, left)
        and not np.may_share_memory(out, right)
    )
    product = out.reshape(shape) if direct and out is not None else np.empty(shape, dtype=work)
    if product.size:
        on = _device(device, nthreads)
        if exact:
            _integers(left, right, product, batch)
        else:
            _wavemill.matmul(left, right, product, False, on)
    if direct:
        return out
    result = product.reshape(final)
    if kind.kind == "b":
        result = result != 0
    elif work != kind:
        result = result.astype(kind)
    if out is not None:
        np.copyto(out, result, casting="same_kind")
        return out
    return result[()] if result.ndim == 0 else result


_device = device


def _integers(left: Array, right: Array, product: Array, batch: tuple[int, ...]) -> None:
    left = np.broadcast_to(left, (*batch, *left.shape[-2:]))
    right = np.broadcast_to(right, (*batch, *right.shape[-2:]))
    for index in np.ndindex(*batch):
        _wavemill.matmul_integers(left[index], right[index], product[index])
