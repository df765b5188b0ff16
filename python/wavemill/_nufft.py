"""Non-uniform FFTs with FINUFFT's names, arguments and conventions."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from . import _wavemill
from ._arrays import borrowable, host_array
from ._device import device
from ._wavemill import Device

Array = npt.NDArray[Any]
Modes = int | tuple[int, ...]

#: Options of FINUFFT that name parts of its engine. They are accepted, and have no effect.
IGNORED_OPTIONS = (
    "debug",
    "spread_debug",
    "showwarn",
    "fftw",
    "spread_sort",
    "spread_kerevalmeth",
    "spread_kerpad",
    "spread_thread",
    "maxbatchsize",
    "spread_nthr_atomic",
    "spread_max_sp_size",
    "spread_kerformula",
)

_NAMES = ("x", "y", "z"), ("s", "t", "u")


class Plan:
    """A non-uniform FFT for given modes and tolerance, to be executed with any points and data.

    Type 1 computes ``f[k] = sum_j c[j] exp(±i k·x[j])``, type 2 ``c[j] = sum_k f[k] exp(±i k·x[j])`` and type 3
    ``f[k] = sum_j c[j] exp(±i s[k]·x[j])``, for ``k`` from ``-(N//2)`` on each axis, without a factor 1/N. The first
    coordinate belongs to the first axis of the modes.

    Parameters
    ----------
    nufft_type : int
        1, 2 or 3.
    n_modes_or_dim : int or tuple of int
        The number of modes on each axis; for type 3 the number of axes, 1 to 3.
    n_trans : int
        Transforms computed at once, over the same points; arrays then have a leading axis of that length.
    eps : float
        The relative error to keep.
    isign : int, optional
        The sign of the exponent, + if it is 0 or more. Default: + for types 1 and 3, - for type 2.
    dtype : str or numpy.dtype
        ``complex64`` or ``complex128``. Coordinates may be float64 in either case: they are never rounded to float32.
    modeord : int
        0: modes from ``-(N//2)`` on; 1: in the order of FFTs.
    upsampfac : float
        The ratio of the fine grid to the modes, 1.2 to 4; 0 lets a cost model choose it. Not for type 3.
    nthreads : int
        Threads of the CPU; 0 means one for each core.
    spreadinterponly : int
        1: spread to, or interpolate from, a grid of ``n_modes`` cells from -pi on, without any FFT.
    device : str or Device
        Where to compute; see `wavemill.device`.
    allow_eps_too_small : bool
        Take the smallest reachable eps where the one asked for is out of reach, instead of an error.

    Raises
    ------
    ValueError
        For parameters or arrays out of their range, and NaN or infinity among the coordinates. Nothing is written then.
    TypeError
        For arrays of a dtype that the plan does not take.
    MemoryError
        For sizes that memory does not hold.

    Examples
    --------
    >>> import numpy as np, wavemill
    >>> plan = wavemill.Plan(1, (5,), eps=1e-12)
    >>> plan.setpts(np.array([0.0, np.pi]))
    >>> np.allclose(plan.execute(np.array([1.0, 1.0])), [2, 0, 2, 0, 2])
    True
    """

    _error: ClassVar[type[Exception]] = ValueError

    def __init__(
        self,
        nufft_type: int,
        n_modes_or_dim: Any,
        n_trans: int = 1,
        eps: float = 1e-6,
        isign: int | None = None,
        dtype: npt.DTypeLike = "complex128",
        *,
        modeord: int = 0,
        upsampfac: float | None = 0.0,
        nthreads: int = 0,
        spreadinterponly: int = 0,
        device: str | Device = "cpu",
        allow_eps_too_small: bool | int = False,
        **options: Any,
    ) -> None:
        self._options(options)
        self._dtype = np.dtype(dtype)
        if self._dtype not in (np.complex64, np.complex128):
            raise self._error(
                f"dtype (precision type) must be single or double: expected complex64 or complex128, got {self._dtype}"
            )
        if nufft_type not in (1, 2, 3):
            raise self._error(f"transform type invalid: expected 1, 2 or 3, got {nufft_type}")
        self._type = int(nufft_type)
        self._modes, self._dim = self._extents(n_modes_or_dim)
        self._n_trans = operator.index(n_trans)
        if self._n_trans < 1:
            raise self._error(f"number of transforms n_trans invalid: expected 1 or more, got {n_trans}")
        if isign is None:
            isign = -1 if self._type == 2 else 1
        if modeord not in (0, 1):
            raise self._error(f"modeord = {modeord}; must be 0 (from -(N//2) on) or 1 (the order of FFTs)")
        self._device = _device(device, nthreads)
        self._spreads = bool(spreadinterponly) and self._type != 3
        self._parameters: dict[str, Any] = {
            "modes": list(self._modes),
            "dimensions": self._dim,
            "batch": self._n_trans,
            "tolerance": float(eps),
            "accept": bool(allow_eps_too_small),
            "plus": isign >= 0,
            "fft_order": bool(modeord),
            "upsampling": float(upsampfac) if upsampfac else None,
            "points": None,
            "spreads": self._spreads,
            "single": self._dtype == np.complex64,
        }
        self._expected = max(1, int(np.prod([float(n) for n in self._modes]))) if self._modes else 1
        self._points: int | None = None
        self._targets = 0
        self._plan = self._built()

    @classmethod
    def _precision(cls, x: Array, data: Array) -> str:
        """The dtype of a plan for these points and data: that of the data."""
        return "complex64" if data.dtype in (np.complex64, np.float32) else "complex128"

    def _options(self, options: dict[str, Any]) -> None:
        for name in options:
            if name not in IGNORED_OPTIONS:
                raise TypeError(
                    f"unexpected option {name!r}: expected modeord, upsampfac, nthreads, spreadinterponly, device, "
                    f"allow_eps_too_small, or one that has no effect here: {', '.join(IGNORED_OPTIONS)}"
                )

    def _extents(self, n_modes_or_dim: Any) -> tuple[tuple[int, ...], int]:
        values = np.asarray(n_modes_or_dim)
        if values.size and values.dtype.kind not in "iu":
            raise self._error(f"n_modes must be integers, got {n_modes_or_dim!r}")
        if self._type == 3:
            if values.size != 1:
                raise self._error(
                    f"type 3 plan n_modes_or_dim must be one number, the dimension, got {n_modes_or_dim!r}"
                )
            dim = int(values.reshape(-1)[0])
            if not 1 <= dim <= 3:
                raise self._error(f"number of dimensions dim invalid: expected 1, 2 or 3, got {dim}")
            return (), dim
        if not 1 <= values.size <= 3:
            raise self._error(f"n_modes dimension must be 1, 2, or 3, got {values.size}")
        modes = tuple(int(n) for n in values.reshape(-1))
        if min(modes) < 1:
            raise self._error(f"n_modes must be at least 1 on each axis, got {modes}")
        return modes, len(modes)

    def _built(self) -> _wavemill.Nufft:
        return _wavemill.Nufft(self._type == 3, self._parameters, self._device)

    @property
    def type(self) -> int:
        """The type of the transform, 1, 2 or 3."""
        return self._type

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of strengths and modes."""
        return self._dtype

    @property
    def dim(self) -> int:
        """The number of axes."""
        return self._dim

    @property
    def n_modes(self) -> tuple[int, ...]:
        """The number of modes on each axis; empty for type 3."""
        return self._modes

    @property
    def n_trans(self) -> int:
        """The number of transforms computed at once."""
        return self._n_trans

    def describe(self) -> str:
        """What the plan chose: kernel, width, grid and the error to expect."""
        return self._plan.describe()

    def setpts(
        self,
        x: Any = None,
        y: Any = None,
        z: Any = None,
        s: Any = None,
        t: Any = None,
        u: Any = None,
    ) -> None:
        """Set the points, and for type 3 the targets ``s``, ``t``, ``u``: one array of floats for each axis.

        Points may lie outside ``[-pi, pi)``; they are folded without rounding. On an error the earlier points stay.
        """
        points = self._coordinates((x, y, z), 0)
        targets = self._coordinates((s, t, u), 1) if self._type == 3 else []
        if any(axis.dtype != np.float32 for axis in points + targets):
            points, targets = ([axis.astype(np.float64, copy=False) for axis in axes] for axes in (points, targets))
        count = points[0].size
        if self._spreads:
            # The grid begins at -pi.
            points = [axis + axis.dtype.type(np.pi) for axis in points]
        # The choice of a grid depends on the number of points. It is made again if that is quite another.
        if self._type != 3 and not self._spreads and not 1 / 8 <= max(count, 1) / self._expected <= 8:
            self._parameters["points"] = self._expected = max(count, 1)
            self._plan = self._built()
            self._points = None
        self._plan.set_points(points, targets)
        self._points = count
        self._targets = targets[0].size if targets else 0

    def _coordinates(self, given: Sequence[Any], kind: int) -> list[Array]:
        names = _NAMES[kind]
        arrays: list[Array] = []
        for name, value in zip(names[: self._dim], given):
            if value is None:
                raise self._error(f"{name} must be a vector: a plan with {self._dim} axes needs it, got None")
            array = self._coordinate(value, name)
            if array.ndim != 1:
                raise self._error(f"{name} must be a vector, got the shape {array.shape}")
            if arrays and array.size != arrays[0].size:
                raise self._error(
                    f"{name} must have same length as {names[0]}: expected {arrays[0].size}, got {array.size}"
                )
            arrays.append(borrowable(array))
        return arrays

    def _coordinate(self, value: Any, name: str) -> Array:
        array = host_array(value, name)
        if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
            raise TypeError(f"{name} does not have the correct dtype: expected float64 or float32, got {array.dtype}")
        # All axes have one type; float32 alone stays as it is.
        return array if array.dtype == np.float32 else array.astype(np.float64, copy=False)

    def execute(self, data: Any, out: Array | None = None) -> Array:
        """Execute the plan.

        Parameters
        ----------
        data : array
            Strengths at the points (types 1 and 3), or modes (type 2), with a leading axis of ``n_trans`` if that is
            above 1. Strengths may be real, which takes about half the time.
        out : array, optional
            Where to write the result; else it is allocated.

        Returns
        -------
        array
            Modes (type 1), values at the points (type 2) or at the targets (type 3).
        """
        return self._execute(data, out, False)

    def execute_adjoint(self, data: Any, out: Array | None = None) -> Array:
        """Execute the adjoint: from what `execute` gives to what it takes, with the opposite sign."""
        return self._execute(data, out, True)

    def _execute(self, data: Any, out: Array | None, adjoint: bool) -> Array:
        if self._points is None:
            raise self._error("execute needs points: call setpts first")
        to_points = (self._type == 2) != adjoint
        array = self._input(data, real=not self._spreads and (self._type == 3 or not to_points))
        uniform = self._type != 3
        if uniform and to_points:
            self._check_modes(array.shape, "data")
            lead = array.shape[: -self._dim]
        else:
            count = self._targets if self._type == 3 and adjoint else self._points
            self._check_values(array.shape, count, "c", "x.size")
            lead = array.shape[:-1]
        result: tuple[int, ...]
        if uniform and not to_points:
            result = self._modes
        elif self._type == 3 and not adjoint:
            result = (self._targets,)
        else:
            result = (self._points,)
        if out is None:
            target = np.empty(lead + result, dtype=self._dtype)
        else:
            target = self._output(out)
            if uniform and not to_points:
                self._check_modes(target.shape, "out")
            elif self._type == 3 and not adjoint:
                self._check_values(target.shape, self._targets, "f", "nk")
            else:
                self._check_values(target.shape, self._points, "c", "x.size")
        direction = ("3", "adjoint 3")[adjoint] if self._type == 3 else ("1", "2")[to_points]
        if self._spreads:
            direction = ("spread", "interpolate")[to_points]
        n = self._n_trans
        # Without a batch the leading axis may be left out.
        shape = (n,) + array.shape[array.ndim - (self._dim if uniform and to_points else 1) :]
        given = borrowable(array.reshape(shape))
        view = target.reshape((n,) + result)
        self._plan.execute(direction, given, view, adjoint and uniform)
        return target if out is None else out

    def _input(self, data: Any, real: bool) -> Array:
        array = host_array(data, "data")
        single = self._dtype == np.complex64
        if array.dtype == self._dtype or (real and array.dtype == (np.float32 if single else np.float64)):
            return array
        if array.dtype.kind in "biu" or (array.dtype.kind in "fc" and np.can_cast(array.dtype, self._dtype)):
            kind = self._dtype if array.dtype.kind == "c" or not real else np.dtype(np.float32 if single else float)
            return array.astype(kind)
        raise TypeError(
            f"data does not have the correct dtype: expected {self._dtype} or what converts to it without loss, got "
            f"{array.dtype}; convert it with astype, or make a plan of dtype complex128"
        )

    def _output(self, out: Array) -> Array:
        if not isinstance(out, np.ndarray) or out.dtype != self._dtype:
            got = out.dtype if isinstance(out, np.ndarray) else type(out).__name__
            raise TypeError(f"out does not have the correct dtype: expected an array of {self._dtype}, got {got}")
        if not out.flags.writeable:
            raise TypeError("out does not satisfy the following requirement: W (writeable)")
        if not np.may_share_memory(borrowable(out), out) and out.size:
            raise TypeError("out: expected an array aligned to its elements and in native byte order")
        return out

    def _check_values(self, shape: tuple[int, ...], count: int, name: str, size: str) -> None:
        """Checks the shape of numbers at points or targets, in FINUFFT's words."""
        n, got = self._n_trans, f"got the shape {shape}"
        wanted = "c.size must be same as" if name == "c" else "f.size of must be"
        if n == 1:
            if len(shape) not in (1, 2):
                raise self._error(f"{name}.ndim must be 1 or 2 if n_trans == 1, {got}")
            if shape[-1] != count or int(np.prod(shape)) != count:
                raise self._error(f"{wanted} {size} if n_trans == 1: expected {count} numbers, {got}")
        else:
            if len(shape) != 2:
                raise self._error(f"{name}.ndim must be 2 if n_trans > 1, {got}")
            if shape != (n, count):
                raise self._error(f"{name}.shape must be (n_trans, {size}) if n_trans > 1: expected {(n, count)}, {got}")

    def _check_modes(self, shape: tuple[int, ...], name: str) -> None:
        """Checks the shape of modes, in FINUFFT's words."""
        n, dim, got = self._n_trans, self._dim, f"got the shape {shape} of {name}"
        if n == 1 and len(shape) not in (dim, dim + 1):
            raise self._error(f"f.ndim must be same as the problem dimension {dim}, or one more, if n_trans == 1, {got}")
        if n > 1 and len(shape) != dim + 1:
            raise self._error(f"f.ndim must be same as the problem dimension + 1 for n_trans > 1, {got}")
        if len(shape) == dim + 1 and shape[0] != n:
            raise self._error(f"f.shape[0] must be n_trans = {n}, {got}")
        if shape[-dim:] != self._modes:
            raise self._error(f"f.shape is not consistent with n_modes = {self._modes}, {got}")

    def __repr__(self) -> str:
        extents = self._dim if self._type == 3 else self._modes
        return f"<wavemill.Plan type {self._type}, {extents}, n_trans {self._n_trans}, {self._dtype}>"


_device = device


def _modes(error: type[Exception], n_modes: Any, dim: int) -> tuple[int, ...] | None:
    if n_modes is None:
        return None
    if isinstance(n_modes, numbers.Integral):
        return (int(n_modes),) * dim
    if not isinstance(n_modes, tuple):
        raise error(f"input n_modes must be a tuple or an integer, got {n_modes!r}")
    if len(n_modes) != dim:
        raise error(f"input n_modes dimension does not match problem dimension: expected {dim}, got {len(n_modes)}")
    if not all(isinstance(n, numbers.Integral) for n in n_modes):
        raise error(f"all elements of input n_modes must be integer, got {n_modes!r}")
    return tuple(int(n) for n in n_modes)


def _split(error: type[Exception], shape: tuple[int, ...], dim: int) -> tuple[int, tuple[int, ...]]:
    """The number of transforms and the modes of an array of modes."""
    if len(shape) == dim:
        return 1, shape
    if len(shape) == dim + 1:
        return shape[0], shape[1:]
    raise error(
        "type 1 output dimension or type 2 input dimension must be either dim (n_trans == 1) or dim + 1 (n_trans >= "
        f"1), with dim = {dim}, got the shape {shape}"
    )


def transform(
    plan: type[Plan],
    kind: int,
    points: Sequence[Any],
    data: Any,
    targets: Sequence[Any],
    n_modes: Any,
    out: Array | None,
    eps: float,
    isign: int,
    options: dict[str, Any],
) -> Array:
    """One transform without a plan that stays: what the functions ``nufft1d1`` to ``nufft3d3`` call."""
    error, dim = plan._error, len(points)
    x = host_array(points[0], "x")
    array = host_array(data, "data")
    dtype = plan._precision(x, array)
    modes = _modes(error, n_modes, dim)
    if kind == 2:
        n_trans, modes = _split(error, array.shape, dim)
    else:
        # An empty batch has no points from which to count transforms.
        n_trans = array.size // x.size if x.size else int(np.prod(array.shape[:-1]))
        if n_trans * x.size != array.size:
            raise error(f"c.size must be divisible by x.size: expected a multiple of {x.size}, got {array.size}")
        if kind == 1 and out is not None:
            got, found = _split(error, out.shape, dim)
            if got != n_trans:
                raise error(f"input n_trans and output n_trans do not match: {n_trans} and {got}")
            if modes is not None and modes != found:
                raise error(f"input n_modes and output n_modes do not match: {modes} and {found}")
            modes = found
        if kind == 1 and modes is None:
            raise error("type 1 input must supply n_modes or output vector, or both")
    made = plan(kind, dim if kind == 3 else modes, max(n_trans, 1), eps, isign, dtype, **options)
    made.setpts(*points, *(None,) * (3 - dim), *targets)
    return made.execute(array, out)


def nufft1d1(
    x: Any,
    c: Any,
    n_modes: Modes | None = None,
    out: Array | None = None,
    eps: float = 1e-6,
    isign: int = 1,
    **options: Any,
) -> Array:
    """Type 1 in 1-D: modes from strengths ``c`` at points ``x``; see `Plan` for the formula and the options."""
    return transform(Plan, 1, (x,), c, (), n_modes, out, eps, isign, options)


def nufft1d2(
    x: Any,
    f: Any,
    out: Array | None = None,
    eps: float = 1e-6,
    isign: int = -1,
    **options: Any,
) -> Array:
    """Type 2 in 1-D: values at points ``x`` from modes ``f``; see `Plan` for the formula and the options."""
    return transform(Plan, 2, (x,), f, (), None, out, eps, isign, options)


def nufft1d3(
    x: Any,
    c: Any,
    s: Any,
    out: Array | None = None,
    eps: float = 1e-6,
    isign: int = 1,
    **options: Any,
) -> Array:
    """Type 3 in 1-D: values at targets ``s`` from strengths ``c`` at points ``x``; see `Plan`."""
    return transform(Plan, 3, (x,), c, (s,), None, out, eps, isign, options)


def nufft2d1(
    x: Any,
    y: Any,
    c: Any,
    n_modes: Modes | None = None,
    out: Array | None = None,
    eps: float = 1e-6,
    isign: int = 1,
    **options: Any,
) -> Array:
    """Type 1 in 2-D: modes from strengths ``c`` at points ``x``, ``y``; see `Plan` for the formula and the options."""
    return transform(Plan, 1, (x, y), c, (), n_modes, out, eps, isign, options)


def nufft2d2(
    x: Any,
    y: Any,
    f: Any,
    out: Array | None = None,
    eps: float = 1e-6,
    isign: int = -1,
    **options: Any,
) -> Array:
    """Type 2 in 2-D: values at points ``x``, ``y`` from modes ``f``; see `Plan` for the formula and the options."""
    return transform(Plan, 2, (x, y), f, (), None, out, eps, isign, options)


def nufft2d3(
    x: Any,
    y: Any,
    c: Any,
    s: Any,
    t: Any,
    out: Array | None = None,
    eps: float = 1e-6,
    isign: int = 1,
    **options: Any,
) -> Array:
    """Type 3 in 2-D: values at targets ``s``, ``t`` from strengths ``c`` at points ``x``, ``y``; see `Plan`."""
    return transform(Plan, 3, (x, y), c, (s, t), None, out, eps, isign, options)


def nufft3d1(
    x: Any,
    y: Any,
    z: Any,
    c: Any,
    n_modes: Modes | None = None,
    out: Array | None = None,
    eps: float = 1e-6,
    isign: int = 1,
    **options: Any,
) -> Array:
    """Type 1 in 3-D: modes from strengths ``c`` at points ``x``, ``y``, ``z``; see `Plan` for the formula and the options."""
    return transform(Plan, 1, (x, y, z), c, (), n_modes, out, eps, isign, options)


def nufft3d2(
    x: Any,
    y: Any,
    z: Any,
    f: Any,
    out: Array | None = None,
    eps: float = 1e-6,
    isign: int = -1,
    **options: Any,
) -> Array:
    """Type 2 in 3-D: values at points ``x``, ``y``, ``z`` from modes ``f``; see `Plan` for the formula and the options."""
    return transform(Plan, 2, (x, y, z), f, (), None, out, eps, isign, options)


def nufft3d3(
    x: Any,
    y: Any,
    z: Any,
    c: Any,
    s: Any,
    t: Any,
    u: Any,
    out: Array | None = None,
    eps: float = 1e-6,
    isign: int = 1,
    **options: Any,
) -> Array:
    """Type 3 in 3-D: values at targets ``s``, ``t``, ``u`` from strengths ``c`` at points ``x``, ``y``, ``z``; see `Plan`."""
    return transform(Plan, 3, (x, y, z), c, (s, t, u), None, out, eps, isign, options)
