"""Arrays in files and stores, which are reduced without being read into memory."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _wavemill
from ._arrays import normalized_axes
from ._device import device as _device
from ._reduce import _as_numpy
from ._wavemill import Device

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
AxisNames = int | str | Sequence[int | str] | None


def _bytes(memory: int | str | None) -> int | None:
    """A number of bytes, as `1000`, `"512MB"` or `"1.5 GiB"`."""
    if memory is None or isinstance(memory, int):
        return memory
    found = re.fullmatch(r"\s*([0-9.]+)\s*([kmgt]?i?)b?\s*", str(memory).lower())
    try:
        if found is None or found[2] == "i":
            raise ValueError
        return int(float(found[1]) * _UNITS[found[2]])
    except ValueError:
        raise ValueError(f"memory: expected a number of bytes such as 512MB or 1.5GiB, got {memory!r}") from None


class _Bar:
    """Progress on a terminal or in a notebook: a line that is written over."""

    def __init__(self) -> None:
        self.shown = False

    def __call__(self, done: int, total: int) -> None:
        share = done / total if total else 1.0
        full = int(30 * share)
        sys.stderr.write(f"\r[{'#' * full}{'.' * (30 - full)}] {100 * share:3.0f} %, {done / 1e6:,.0f} MB")
        sys.stderr.flush()
        self.shown = True

    def close(self) -> None:
        if self.shown:
            sys.stderr.write("\r" + " " * 70 + "\r")
            sys.stderr.flush()


class Source:
    """An array in a file, a store or several files, from `wavemill.open`. Nothing is read until it is reduced."""

    def __init__(self, source: _wavemill.Source) -> None:
        self._source = source

    @property
    def name(self) -> str:
        """The file and the variable in it."""
        return self._source.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The extents."""
        return tuple(self._source.shape)

    @property
    def chunks(self) -> tuple[int, ...]:
        """The extents of a chunk in the file."""
        return tuple(self._source.chunks)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._source.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for extent in self._source.shape:
            size *= extent
        return size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements as they are decoded."""
        return np.dtype(self._source.dtype)

    @property
    def dims(self) -> tuple[str | None, ...]:
        """The names of the axes."""
        return tuple(self._source.dims)

    @property
    def units(self) -> str | None:
        """The unit of the elements."""
        return self._source.units

    def __repr__(self) -> str:
        axes = [f"{name or number}: {extent}" for number, (name, extent) in enumerate(zip(self.dims, self.shape))]
        return f"<wavemill.Source {self.name} ({', '.join(axes)}) {self.dtype}, {self._source.format}>"

    def coordinates(self, axis: int | str) -> npt.NDArray[np.float64] | None:
        """The coordinates along an axis, if the file has any."""
        [number] = self._axes(axis)
        found = self._source.coordinates(number)
        return None if found is None else found[0]

    def _axes(self, axis: AxisNames) -> list[int]:
        names = self.dims

        def number(one: int | str) -> int:
            if not isinstance(one, str):
                return one
            if one not in names:
                known = ", ".join(str(name) for name in names if name) or "numbers, since none has a name"
                raise ValueError(f"axis: expected one of {known}, got {one!r}")
            return names.index(one)

        if axis is None:
            return normalized_axes(None, self.ndim)
        if isinstance(axis, (int, str)):
            return normalized_axes(number(axis), self.ndim)
        return normalized_axes([number(one) for one in axis], self.ndim)

    def _parts(self, select: Mapping[Any, Any] | None) -> list[tuple[int, tuple[int | None, int | None, int]]]:
        parts = []
        for axis, part in (select or {}).items():
            [number] = self._axes(axis)
            if not isinstance(part, slice):
                at = int(part)
                part = slice(at, at + 1 if at != -1 else None)
            if part.step is not None and part.step < 1:
                raise ValueError(f"select: expected a step of at least 1, got {part.step}")
            parts.append((number, (part.start, part.stop, 1 if part.step is None else part.step)))
        return parts

    def reduce(
        self,
        ops: str | Sequence[str],
        axis: AxisNames = None,
        *,
        keepdims: bool = False,
        skipna: bool = False,
        ddof: float = 0,
        select: Mapping[Any, Any] | None = None,
        memory: int | str | None = None,
        progress: bool | Callable[[int, int], Any] = False,
        nthreads: int = 0,
        device: str | Device = "cpu",
    ) -> Any:
        """Several reductions from one pass over the data.

        Parameters
        ----------
        ops : str or sequence of str
            Of sum, mean, var, std, min, max, argmin, argmax, prod, norm1, norm2, norminf, count, any, all.
        axis : int, str, sequence of these or None
            The axes to reduce, by number or name; None means all.
        keepdims, skipna, ddof, nthreads, device
            As those of `wavemill.reduce`.
        select : mapping, optional
            Slices, or single indices, of axes: ``{"time": slice(0, 12), "lat": -1}``. Axes of single indices stay.
        memory : int or str, optional
            The most bytes for results, slabs and states, as ``"512MB"``; half of what is free if left out.
        progress : bool or function
            True draws a bar on standard error; a function is called with the bytes that were read and those of all.

        Returns
        -------
        array or tuple of arrays
            One result for each operation, in their order; alone if `ops` is a single name.

        Raises
        ------
        MemoryError
            If the budget is too small; the message names the smallest that is enough.

        Examples
        --------
        >>> import numpy as np, tempfile, wavemill
        >>> folder = tempfile.TemporaryDirectory()
        >>> np.save(f"{folder.name}/x.npy", np.arange(12.0).reshape(3, 4))
        >>> x = wavemill.open(f"{folder.name}/x.npy")
        >>> mean, top = x.reduce(["mean", "argmax"], axis=0, memory="1MB")
        >>> mean.tolist(), top.tolist()
        ([4.0, 5.0, 6.0, 7.0], [2, 2, 2, 2])
        """
        names = [ops] if isinstance(ops, str) else list(ops)
        request: _wavemill.Request = {
            "ops": [(name, float(ddof)) for name in names],
            "axes": self._axes(axis),
            "keepdims": keepdims,
            "skip": skipna,
        }
        bar = _Bar() if progress is True else None
        watch: Callable[[int, int], Any] | None = bar
        if not isinstance(progress, bool):
            watch = progress
        try:
            found = self._source.reduce(request, self._parts(select), _bytes(memory), _device(device, nthreads), watch)
        finally:
            if bar is not None:
                bar.close()
        numpys = (_as_numpy(op, result, self.dtype) for op, result in zip(names, found))
        results = tuple(result[()] if result.ndim == 0 else result for result in numpys)
        return results[0] if isinstance(ops, str) else results

    def plan(
        self,
        ops: str | Sequence[str],
        axis: AxisNames = None,
        *,
        select: Mapping[Any, Any] | None = None,
        memory: int | str | None = None,
    ) -> str:
        """What `reduce` would do, in words: what it reads, how the array is cut, and the memory it takes."""
        names = [ops] if isinstance(ops, str) else list(ops)
        request: _wavemill.Request = {
            "ops": [(name, 0.0) for name in names],
            "axes": self._axes(axis),
            "keepdims": False,
            "skip": False,
        }
        return self._source.plan(request, self._parts(select), _bytes(memory), _device())

    def sum(self, axis: AxisNames = None, **options: Any) -> Any:
        """The sum; options as those of `reduce`."""
        return self.reduce("sum", axis, **options)

    def mean(self, axis: AxisNames = None, **options: Any) -> Any:
        """The mean; options as those of `reduce`."""
        return self.reduce("mean", axis, **options)

    def var(self, axis: AxisNames = None, **options: Any) -> Any:
        """The variance; options as those of `reduce`."""
        return self.reduce("var", axis, **options)

    def std(self, axis: AxisNames = None, **options: Any) -> Any:
        """The standard deviation; options as those of `reduce`."""
        return self.reduce("std", axis, **options)

    def min(self, axis: AxisNames = None, **options: Any) -> Any:
        """The least element; options as those of `reduce`."""
        return self.reduce("min", axis, **options)

    def max(self, axis: AxisNames = None, **options: Any) -> Any:
        """The greatest element; options as those of `reduce`."""
        return self.reduce("max", axis, **options)


def open(name: str, *, along: str | int | None = None, raw: bool = False) -> Source:
    """Opens an array in a file, a store or several files, without reading it.

    Parameters
    ----------
    name : str
        ``"x.npy"``, ``"x.nc:sst"``, ``"x.zarr:t2m"``, or a pattern of files (``"data/*.nc:sst"``), which follow one
        another along an axis. The variable may be left out if there is only one.
    along : str or int, optional
        The axis along which files follow one another, the first if left out.
    raw : bool
        Take elements as they are stored, without fill values, scale factors and offsets.

    Returns
    -------
    Source
        With the array's shape, dtype and dims, and `reduce`.

    Raises
    ------
    ValueError
        If there is nothing of that name, or it has several variables and none was named.
    """
    return Source(_wavemill.Source(name, None if along is None else str(along), raw))
