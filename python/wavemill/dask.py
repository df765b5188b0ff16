"""Reductions, products and transforms of Dask arrays, on any number of machines.

A reduction's chunks become states: arrays of bytes with one element for each block. States merge to the same bits in any
order and grouping, so results do not depend on the scheduler, on the number of workers, on the shape of the tree, or
on workers that are lost and whose chunks are read again.

Arrays of `dask.array` and of the package `dask_array` are taken, and results are of the same kind.
"""

from __future__ import annotations

import functools
import importlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _wavemill
from ._arrays import borrowable, host_array, normalized_axes
from ._device import device
from ._matmul import matmul as _product
from ._nufft import Plan, _modes
from ._reduce import _as_numpy, _compute, _readable

Array = npt.NDArray[Any]
Axis = int | Sequence[int] | None

__all__ = ["CostPlan", "matmul", "nufft1", "plan", "reduce"]

#: States merged by one task, unless the caller says otherwise.
SPLIT_EVERY = 16


def _package(x: Any) -> Any:
    """The package that x is an array of, whose functions make more of them."""
    name = type(x).__module__.partition(".")[0]
    if name == "dask":
        return importlib.import_module("dask.array")
    if name == "dask_array":
        return importlib.import_module("dask_array")
    raise TypeError(
        f"x: expected an array of dask.array or dask_array, got {type(x).__name__}; wrap it with dask.array.from_array, "
        "or use wavemill.reduce for an array in memory"
    )


@dataclass(frozen=True)
class _Spec:
    """What every task of a reduction knows: it is pickled with the graph."""

    ops: tuple[tuple[str, float], ...]
    axes: tuple[int, ...]
    skip: bool
    dtype: str
    #: Extents of the whole array along the reduced axes; those of a block along the others are in its state.
    shape: tuple[int, ...]

    def request(self, keepdims: bool) -> _wavemill.Request:
        return {"ops": list(self.ops), "axes": list(self.axes), "keepdims": keepdims, "skip": self.skip}

    def like(self) -> Array:
        """An empty array of the type in which elements are reduced."""
        return _readable(np.empty(0, dtype=self.dtype))[0]

    def whole(self, block: Sequence[int]) -> list[int]:
        return [n if axis in self.axes else block[axis] for axis, n in enumerate(self.shape)]


# A state in an array: the extents of its block's results, the number of its bytes, the bytes, and zeros up to the
# length of the longest state.
def _pack(state: bytes, whole: Sequence[int], length: int) -> Array:
    head = np.array([*whole, len(state)], dtype="<u8").tobytes()
    packed = np.zeros((1,) * len(whole) + (length,), dtype=np.uint8)
    packed[..., : len(head) + len(state)] = np.frombuffer(head + state, dtype=np.uint8)
    return packed


def _unpack(row: Array, ndim: int) -> tuple[list[int], bytes]:
    head = 8 * (ndim + 1)
    *whole, length = np.frombuffer(row[:head].tobytes(), dtype="<u8").tolist()
    return whole, row[head : head + length].tobytes()


def _chunk(
    x: Any,
    weights: Any = None,
    *,
    spec: _Spec,
    starts: tuple[tuple[int, ...], ...],
    length: int,
    block_id: tuple[int, ...] | None = None,
) -> Array:
    """The state of one chunk."""
    if block_id is None or not isinstance(x, np.ndarray) and np.ndim(x) == 0:
        return np.empty((0,) * (len(spec.shape) + 1), dtype=np.uint8)
    array, _ = _readable(x, "chunk")
    whole = spec.whole(array.shape)
    at = [starts[axis][block_id[axis]] if axis in spec.axes else 0 for axis in range(array.ndim)]
    wide = None if weights is None else borrowable(np.asarray(weights, dtype=np.float64))
    # One thread: the scheduler runs as many tasks as it has been given threads.
    state = _wavemill.state(array, whole, at, spec.request(False), wide, device("cpu", 1))
    return _pack(state, whole, length)


def _same(x: Array, axis: Any = None, keepdims: Any = None) -> Array:
    return x


def _merge(x: Array, axis: Any = None, keepdims: Any = None, *, spec: _Spec) -> Array:
    """The state of all chunks whose states are in x."""
    if x.size == 0:
        return x
    rows = x.reshape(-1, x.shape[-1])
    unpacked = [_unpack(row, len(spec.shape)) for row in rows]
    whole = unpacked[0][0]
    state = _wavemill.merge(
        spec.like(), [state for _, state in unpacked], whole, spec.request(False), device("cpu", 1)
    )
    return _pack(state, whole, x.shape[-1])


def _finish(x: Array, *, spec: _Spec, index: int, keepdims: bool, ndim: int) -> Array:
    """One result of a block of results."""
    if x.size == 0:
        return np.empty((0,) * ndim)
    whole, state = _unpack(x.reshape(-1, x.shape[-1])[0], len(spec.shape))
    found = _wavemill.finish(spec.like(), state, whole, spec.request(keepdims), device("cpu", 1))
    return _as_numpy(spec.ops[index][0], found[index], np.dtype(spec.dtype))


def _specified(x: Any, ops: str | Sequence[str], axis: Axis, ddof: float, skipna: bool) -> _Spec:
    names = [ops] if isinstance(ops, str) else list(ops)
    if any(math.isnan(n) for n in x.shape):
        raise ValueError("x: expected chunks of known sizes, got unknown ones; call x.compute_chunk_sizes() first")
    if not x.ndim:
        raise ValueError("x: expected at least one axis, got none; compute it and use wavemill.reduce")
    axes = tuple(normalized_axes(axis, x.ndim))
    dtype = np.dtype(x.dtype).newbyteorder("=")
    spec = _Spec(tuple((name, float(ddof)) for name in names), axes, skipna, dtype.str, tuple(x.shape))
    # What cannot be computed is refused now, and not on a worker.
    weights = np.ones((1,) * x.ndim) if any(name in ("wsum", "average") for name in names) else None
    array, given = _readable(np.ones((1,) * x.ndim, dtype=dtype), "x")
    _compute(array, given, list(spec.ops), list(axes), False, skipna, weights)
    return spec


def _length(spec: _Spec, chunks: Sequence[Sequence[int]]) -> int:
    """The bytes of the longest state in an array."""
    block = [max(extents, default=0) for extents in chunks]
    empty = np.empty([0 if axis in spec.axes else n for axis, n in enumerate(block)], dtype=spec.like().dtype)
    weights = np.ones((1,) * len(block)) if any(name in ("wsum", "average") for name, _ in spec.ops) else None
    whole, at = spec.whole(block), [0] * len(block)
    state = _wavemill.state(empty, whole, at, spec.request(False), weights, device("cpu", 1))
    return 8 * (len(block) + 1) + len(state)


def reduce(
    x: Any,
    ops: str | Sequence[str],
    axis: Axis = None,
    *,
    keepdims: bool = False,
    ddof: float = 0,
    skipna: bool = False,
    weights: Any = None,
    split_every: int | None = None,
) -> Any:
    """Several reductions of a Dask array, lazily, from one read of each chunk.

    Parameters
    ----------
    x : dask array
        Real or complex numbers, in chunks of known sizes.
    ops, axis, keepdims, ddof, skipna
        As `wavemill.reduce`. Positions are those of the whole array, whatever its chunks.
    weights : array, optional
        For wsum and average: an array that broadcasts to x, or of one axis as long as the one that is reduced.
    split_every : int, optional
        How many states a task merges, 16 by default; results do not depend on it.

    Returns
    -------
    dask array or tuple of dask arrays
        One for each operation; alone if `ops` is a single name.

    Examples
    --------
    >>> import dask.array as da, wavemill.dask
    >>> x = da.arange(10, chunks=3).astype("f4")
    >>> mean, last = wavemill.dask.reduce(x, ["mean", "argmax"])
    >>> float(mean.compute()), int(last.compute())
    (4.5, 9)
    """
    package = _package(x)
    spec = _specified(x, ops, axis, ddof, skipna)
    length = _length(spec, x.chunks)
    starts = tuple(tuple(np.cumsum([0, *extents[:-1]]).tolist()) for extents in x.chunks)
    inputs = [x]
    if weights is not None:
        inputs.append(_chunked_weights(package, weights, x, spec.axes))
    states = package.map_blocks(
        _chunk,
        *inputs,
        spec=spec,
        starts=starts,
        length=length,
        dtype=np.uint8,
        new_axis=x.ndim,
        chunks=(*((1,) * len(extents) for extents in x.chunks), (length,)),
        meta=np.empty((0,) * (x.ndim + 1), dtype=np.uint8),
    )
    if spec.axes:
        # The tree has as many branches at each node whatever the number of axes.
        merge = functools.partial(_merge, spec=spec)
        states = package.reduction(
            states,
            chunk=_same,
            combine=merge,
            aggregate=merge,
            axis=spec.axes,
            keepdims=True,
            dtype=np.uint8,
            split_every=split_every or SPLIT_EVERY,
            meta=np.empty((0,) * (x.ndim + 1), dtype=np.uint8),
        )
    results = tuple(_result(package, states, spec, index, keepdims, x.chunks) for index in range(len(spec.ops)))
    return results[0] if isinstance(ops, str) else results


def _result(package: Any, states: Any, spec: _Spec, index: int, keepdims: bool, chunks: Any) -> Any:
    kept = [axis for axis in range(len(chunks)) if axis not in spec.axes]
    ndim = len(chunks) if keepdims else len(kept)
    array, given = _readable(np.ones((1,) * len(chunks), dtype=spec.dtype))
    weights = np.ones((1,) * len(chunks))
    weighs = spec.ops[index][0] in ("wsum", "average")
    op = [spec.ops[index]]
    dtype = _compute(array, given, op, list(spec.axes), False, spec.skip, weights if weighs else None)[0].dtype
    gone = [] if keepdims else list(spec.axes)
    return package.map_blocks(
        _finish,
        states,
        spec=spec,
        index=index,
        keepdims=keepdims,
        ndim=ndim,
        dtype=dtype,
        drop_axis=[*gone, len(chunks)],
        chunks=tuple(
            (1,) if axis in spec.axes else extents
            for axis, extents in enumerate(chunks)
            if keepdims or axis not in spec.axes
        ),
        meta=np.empty((0,) * ndim, dtype=dtype),
    )


def _chunked_weights(package: Any, weights: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """Weights with the axes of x, in chunks like its own or of one element."""
    lazy = hasattr(weights, "chunks")
    wide: Any = weights if lazy else np.asarray(host_array(weights, "weights"), dtype=np.float64)
    if wide.ndim == 1 and len(axes) == 1 and x.ndim > 1 and wide.shape[0] == x.shape[axes[0]]:
        wide = wide.reshape([-1 if axis == axes[0] else 1 for axis in range(x.ndim)])
    wide = wide.reshape((1,) * (x.ndim - wide.ndim) + tuple(wide.shape))
    if any(got not in (1, n) for got, n in zip(wide.shape, x.shape)):
        raise ValueError(f"weights: expected a shape that broadcasts to {x.shape}, got {wide.shape}")
    chunks = tuple(extents if n > 1 else (1,) for n, extents in zip(wide.shape, x.chunks))
    return wide.rechunk(chunks) if lazy else package.from_array(wide, chunks=chunks)


@dataclass(frozen=True)
class _Tile:
    """A tile of the product, from the blocks of a row of a and of a column of b."""

    __name__ = "matmul_tile"

    dtype: str

    def __call__(self, a: Any, b: Any) -> Array:
        lefts, rights = (list(blocks) if isinstance(blocks, (list, tuple)) else [blocks] for blocks in (a, b))
        kind = np.dtype(self.dtype)
        tile = np.zeros((lefts[0].shape[0], rights[0].shape[1]), dtype=kind)
        for left, right in zip(lefts, rights):
            if kind.kind in "iu":
                tile += _product(left, right, nthreads=1)
            elif tile.size:
                left, right = (borrowable(host_array(block).astype(kind, copy=False)) for block in (left, right))
                _wavemill.matmul(left, right, tile, True, device("cpu", 1))
        return tile


def matmul(a: Any, b: Any) -> Any:
    """The product of two Dask matrices: one task for each tile, which adds the products of blocks in place.

    There are no partial products: a task holds a row of blocks of `a`, a column of blocks of `b` and its tile.

    Examples
    --------
    >>> import dask.array as da, wavemill.dask
    >>> x = da.ones((6, 4), chunks=2)
    >>> float(wavemill.dask.matmul(x, x.T).sum().compute())
    144.0
    """
    package = _package(a)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"matmul: expected matrices [m, k] and [k, n], got {a.shape} and {b.shape}")
    dtype = np.result_type(a.dtype, b.dtype)
    if dtype.kind not in "fciu" or dtype.itemsize > (16 if dtype.kind == "c" else 8) or dtype == np.float16:
        raise TypeError(f"matmul: expected integers, float32, float64, complex64 or complex128, got {dtype}")
    if a.chunks[1] != b.chunks[0]:
        b = b.rechunk({0: a.chunks[1]})
    with warnings.catch_warnings():
        # A product has more blocks than its factors, of which dask warns.
        warnings.filterwarnings("ignore", "Increasing number of chunks")
        return package.blockwise(
            _Tile(dtype.str), "ij", a, "ik", b, "kj", dtype=dtype, meta=np.empty((0, 0), dtype=dtype), concatenate=False
        )


@dataclass(frozen=True)
class _Type1:
    """The modes of a chunk of points."""

    __name__ = "nufft1"

    modes: tuple[int, ...]
    eps: float
    isign: int
    dtype: str

    def __call__(self, strengths: Any, *points: Any) -> Array:
        if strengths.size == 0:
            return np.zeros((1, *strengths.shape[:-1], *self.modes), dtype=self.dtype)
        batch = strengths.shape[:-1]
        made = Plan(1, self.modes, max(1, math.prod(batch)), self.eps, self.isign, self.dtype, nthreads=1)
        made.setpts(*points)
        flat = strengths.reshape((-1, strengths.shape[-1]) if batch else (-1,))
        return made.execute(flat).reshape((1, *batch, *self.modes))


@dataclass(frozen=True)
class _Series:
    """The modes of series that each have their own points, along the last axis."""

    __name__ = "nufft1_series"

    modes: tuple[int, ...]
    eps: float
    isign: int
    dtype: str

    def __call__(self, strengths: Any, *points: Any) -> Array:
        lead = strengths.shape[:-1]
        modes = np.empty((*lead, *self.modes), dtype=self.dtype)
        wide = [np.broadcast_to(axis, strengths.shape) for axis in points]
        for index in np.ndindex(*lead):
            made = Plan(1, self.modes, 1, self.eps, self.isign, self.dtype, nthreads=1)
            made.setpts(*(axis[index] for axis in wide))
            modes[index] = made.execute(strengths[index])
        return modes


def nufft1(points: Any, strengths: Any, n_modes: Any, eps: float = 1e-6, isign: int = 1) -> Any:
    """Type 1 of a Dask array of strengths, lazily: of more points than fit in memory, or of many series.

    Parameters
    ----------
    points : dask array or sequence of dask arrays
        The coordinates on each axis. Of one axis, ``(M,)``, they are the points of all strengths, and each chunk of
        points is transformed by itself. Of the shape of `strengths`, each series has its own.
    strengths : dask array
        ``(M,)``, or ``(..., M)`` for a batch.
    n_modes : int or tuple of int
        The number of modes on each axis.

    Returns
    -------
    dask array
        ``(..., *n_modes)``.
    """
    package = _package(strengths)
    axes = [points] if hasattr(points, "chunks") or isinstance(points, np.ndarray) else list(points)
    if not 1 <= len(axes) <= 3:
        raise ValueError(f"points: expected the coordinates on 1, 2 or 3 axes, got {len(axes)}")
    modes = _modes(ValueError, n_modes, len(axes))
    if modes is None:
        raise ValueError("n_modes: expected the number of modes on each axis, got None")
    dtype = np.dtype("complex64" if strengths.dtype in (np.float32, np.complex64) else "complex128")
    lead = strengths.ndim - 1
    last = strengths.chunks[-1]
    if all(axis.ndim == 1 for axis in axes):
        if any(axis.shape != strengths.shape[-1:] for axis in axes):
            raise ValueError(
                f"points: expected {strengths.shape[-1]} coordinates on each axis, as strengths have, got "
                f"{[axis.shape[0] for axis in axes]}"
            )
        axes = [
            axis.rechunk((last,)) if hasattr(axis, "chunks") else package.from_array(axis, chunks=(last,))
            for axis in axes
        ]
        names = tuple(range(strengths.ndim))
        made = tuple(range(strengths.ndim, strengths.ndim + len(modes)))
        parts = package.blockwise(
            _Type1(modes, float(eps), int(isign), dtype.str),
            (names[-1], *names[:-1], *made),
            strengths,
            names,
            *(part for axis in axes for part in (axis, names[-1:])),
            dtype=dtype,
            meta=np.empty((0,) * (lead + 1 + len(modes)), dtype=dtype),
            new_axes=dict(zip(made, modes)),
            adjust_chunks={names[-1]: 1},
        )
        return parts.sum(axis=0)
    if any(axis.shape != strengths.shape for axis in axes):
        raise ValueError(f"points: expected the shape (M,) or {strengths.shape}, as strengths have")
    series = _Series(modes, float(eps), int(isign), dtype.str)
    core, grown = "(m)", "(" + ",".join(f"k{i}" for i in range(len(modes))) + ")"
    whole = [array.rechunk({lead: -1}) for array in (strengths, *axes)]
    return package.apply_gufunc(
        series,
        ",".join([core] * len(whole)) + "->" + grown,
        *whole,
        output_dtypes=dtype,
        output_sizes={f"k{i}": n for i, n in enumerate(modes)},
    )


@dataclass(frozen=True)
class CostPlan:
    """What a reduction will cost; `str` gives it in words."""

    chunks: int
    tasks: int
    depth: int
    bytes_read: int
    bytes_of_states: int
    bytes_a_result: float
    peak_bytes: int
    workers: int
    threads: int

    def __str__(self) -> str:
        return "\n".join(
            [
                f"chunks            {self.chunks}",
                f"tasks             {self.tasks}, in a tree of depth {self.depth}",
                f"read              {_written(self.bytes_read)}",
                f"states moved      {_written(self.bytes_of_states)} at most, {self.bytes_a_result:.0f} bytes a result",
                f"memory a worker   {_written(self.peak_bytes)} with {self.threads} threads, on {self.workers} workers",
            ]
        )


def _written(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000:
            break
        count /= 1000
    else:
        unit = "PB"
    return f"{count:.3g} {unit}"


def tree(blocks: Sequence[int], axes: Sequence[int], split_every: int) -> tuple[int, int]:
    """The number of tasks and the depth of the tree that merges states of so many blocks."""
    each = max(int(split_every ** (1 / max(len(axes), 1))), 2)
    counts, tasks, depth = list(blocks), 0, 0
    while any(counts[axis] > 1 for axis in axes) or depth == 0:
        counts = [-(-n // each) if axis in axes else n for axis, n in enumerate(counts)]
        tasks += math.prod(counts)
        depth += 1
    return tasks, depth


def plan(
    x: Any,
    ops: str | Sequence[str],
    axis: Axis = None,
    *,
    workers: int = 1,
    threads: int = 1,
    skipna: bool = False,
    split_every: int | None = None,
    show: bool = True,
) -> CostPlan:
    """What `reduce` will do, without doing it: tasks, bytes read, bytes of states moved, memory and depth.

    Examples
    --------
    >>> import dask.array as da, wavemill.dask
    >>> x = da.zeros((366, 721, 1440), chunks=(4, 200, 200), dtype="f4")
    >>> cost = wavemill.dask.plan(x, ["mean", "std"], axis=0, workers=4, show=False)
    >>> cost.chunks, cost.bytes_read
    (2944, 1519983360)
    """
    _package(x)
    spec = _specified(x, ops, axis, 0, skipna)
    length = _length(spec, x.chunks)
    blocks = [len(extents) for extents in x.chunks]
    chunks = math.prod(blocks)
    merges, depth = tree(blocks, spec.axes, split_every or SPLIT_EVERY)
    outputs = math.prod(n for at, n in enumerate(blocks) if at not in spec.axes)
    largest = math.prod(max(extents) for extents in x.chunks) * x.dtype.itemsize
    results = math.prod(max(extents) for at, extents in enumerate(x.chunks) if at not in spec.axes)
    cost = CostPlan(
        chunks=chunks,
        # Reading and making the state of a chunk are one task after fusion.
        tasks=chunks + merges + outputs * len(spec.ops),
        depth=depth,
        bytes_read=math.prod(x.shape) * x.dtype.itemsize,
        bytes_of_states=chunks * length,
        bytes_a_result=length / max(results, 1),
        peak_bytes=threads * (largest + length * ((split_every or SPLIT_EVERY) + 1)),
        workers=workers,
        threads=threads,
    )
    if show:
        print(cost)
    return cost
