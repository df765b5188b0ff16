"""Reductions of xarray's arrays: ``import wavemill.xarray`` adds the accessor ``array.wavemill``.

xarray computes means by itself and asks no chunk manager for one; through the accessor they come from `wavemill.reduce`
for arrays in memory, and lazily from `wavemill.dask.reduce` for arrays in chunks.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from . import _reduce
from ._arrays import host_array

Dim = str | Sequence[Hashable] | None


@xr.register_dataarray_accessor("wavemill")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
class Accessor:
    """Reductions over named dimensions.

    Examples
    --------
    >>> import numpy as np, xarray as xr, wavemill.xarray
    >>> t = xr.DataArray(np.ones((3, 2), "f4"), dims=("time", "x"))
    >>> t.wavemill.mean("time").dims
    ('x',)
    """

    def __init__(self, array: Any) -> None:
        self._array = array

    def reduce(
        self,
        ops: str | Sequence[str],
        dim: Dim = None,
        *,
        keepdims: bool = False,
        skipna: bool = True,
        ddof: float = 0,
        weights: Any = None,
    ) -> Any:
        """Several reductions from one read: a Dataset with one variable for each, or one array if `ops` is one name.

        Without `dim` all dimensions are reduced. NaN is skipped, as xarray does, unless `skipna` is false.
        """
        array = self._array
        names = [ops] if isinstance(ops, str) else list(ops)
        dims = list(array.dims) if dim is None else [dim] if isinstance(dim, str) else list(dim)
        missing = [name for name in dims if name not in array.dims]
        if missing:
            raise ValueError(f"dim: expected some of {array.dims}, got {missing}")
        axes = tuple(array.dims.index(name) for name in dims)
        if isinstance(weights, xr.DataArray):
            weights = weights.broadcast_like(array).transpose(*array.dims).data
        options: dict[str, Any] = {"keepdims": keepdims, "ddof": ddof, "weights": weights}
        options["skipna"] = skipna and np.dtype(array.dtype).kind in "fc"
        if hasattr(array.data, "__dask_graph__"):
            from . import dask

            results = dask.reduce(array.data, names, axes, **options)
        else:
            results = _reduce.reduce(host_array(array.data), names, axes, **options)
        made = {name: self._wrapped(result, dims, keepdims) for name, result in zip(names, results)}
        if not isinstance(ops, str):
            return xr.Dataset(made)
        return made[ops].rename(array.name)

    def _wrapped(self, result: Any, dims: Sequence[Hashable], keepdims: bool) -> Any:
        array = self._array
        kept = [name for name in array.dims if keepdims or name not in dims]
        coordinates = {
            name: coordinate for name, coordinate in array.coords.items() if not set(coordinate.dims) & set(dims)
        }
        return xr.DataArray(result, dims=kept, coords=coordinates, attrs=array.attrs)

    def sum(self, dim: Dim = None, **options: Any) -> Any:
        """The sum."""
        return self.reduce("sum", dim, **options)

    def mean(self, dim: Dim = None, **options: Any) -> Any:
        """The mean: the exact sum, divided once."""
        return self.reduce("mean", dim, **options)

    def var(self, dim: Dim = None, **options: Any) -> Any:
        """The variance."""
        return self.reduce("var", dim, **options)

    def std(self, dim: Dim = None, **options: Any) -> Any:
        """The standard deviation."""
        return self.reduce("std", dim, **options)

    def min(self, dim: Dim = None, **options: Any) -> Any:
        """The least element."""
        return self.reduce("min", dim, **options)

    def max(self, dim: Dim = None, **options: Any) -> Any:
        """The greatest element."""
        return self.reduce("max", dim, **options)

    def count(self, dim: Dim = None, **options: Any) -> Any:
        """The number of elements that are not NaN."""
        return self.reduce("count", dim, **options)
