"""FINUFFT's plan and functions: stricter about dtypes than wavemill's own, and with FINUFFT's kinds of exceptions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import _wavemill
from .._nufft import IGNORED_OPTIONS, Array, Modes
from .._nufft import Plan as _Plan
from .._nufft import transform


class Plan(_Plan):
    __doc__ = _Plan.__doc__

    _error = RuntimeError

    def __init__(
        self,
        nufft_type: int,
        n_modes_or_dim: Any,
        n_trans: int = 1,
        eps: float = 1e-6,
        isign: int | None = None,
        dtype: Any = "complex128",
        **options: Any,
    ) -> None:
        self._tell = bool(options.get("showwarn", 1))
        super().__init__(nufft_type, n_modes_or_dim, n_trans, eps, isign, dtype, **options)

    @classmethod
    def _precision(cls, x: Array, data: Array) -> str:
        if x.dtype == np.float64:
            return "complex128"
        if x.dtype == np.float32:
            return "complex64"
        raise RuntimeError(f"x dtype should be float64 for double precision or float32 for single, got {x.dtype}")

    def _options(self, options: dict[str, Any]) -> None:
        for name in options:
            if name in ("fftw_lock_fun", "fftw_unlock_fun", "fftw_lock_data"):
                raise TypeError(f"invalid option {name!r}: there is no FFTW to lock")
            if name not in IGNORED_OPTIONS:
                warnings.warn(f'finufft_opts does not have attribute "{name}"; it has no effect', Warning, stacklevel=4)

    def _built(self) -> _wavemill.Nufft:
        # FINUFFT takes any eps, and warns where it cannot keep it.
        asked = self._parameters["tolerance"]
        self._parameters["tolerance"] = min(max(asked, np.finfo(float).tiny), 0.9)
        try:
            return super()._built()
        except _wavemill.ToleranceError as error:
            if self._tell:
                text = f"FINUFFT eps tolerance too small to achieve; the smallest reachable one is taken: {error}"
                warnings.warn(text, Warning, stacklevel=4)
            self._parameters["accept"] = True
            return super()._built()

    @property
    def n_modes(self) -> tuple[int, ...]:
        """The number of modes on each axis, the last axis first, as FINUFFT's plan has it."""
        return self._modes[::-1] if self._type != 3 else (1,) * self._dim

    def _coordinate(self, value: Any, name: str) -> Array:
        wanted = np.dtype(np.float32 if self._dtype == np.complex64 else np.float64)
        return _exact(value, name, wanted)

    def _input(self, data: Any, real: bool) -> Array:
        return _exact(data, "data", self._dtype)

    def _output(self, out: Array) -> Array:
        target = super()._output(out)
        if not target.flags.c_contiguous:
            raise TypeError("Argument `out` does not satisfy the following requirement: C (order)")
        return target


def _exact(value: Any, name: str, dtype: np.dtype[Any]) -> Array:
    array: Array = value
    if array.dtype != dtype:
        raise TypeError(
            f"Argument `{name}` does not have the correct dtype: {array.dtype} was given, but {dtype} was expected."
        )
    array = np.asarray(array)
    if not array.flags.c_contiguous:
        warnings.warn(
            f"Argument `{name}` does not satisfy the following requirement: C. Copying array (this may reduce "
            "performance)",
            stacklevel=5,
        )
        array = np.ascontiguousarray(array)
    return array


def nufft1d1(
    x: Any,
    c: Any,
    n_modes: Modes | None = None,
    out: Array | None = None,
    eps: float = 1e-6,
    isign: int = 1,
    **options: Any,
) -> Array:
    """Type 1 in 1-D: modes from strengths ``c`` at points ``x``; the precision is that of ``x``."""
    return transform(Plan, 1, (x,), c, (), n_modes, out, eps, isign, options)


def nufft1d2(
    x: Any,
    f: Any,
    out: Array | None = None,
    eps: float = 1e-6,
    isign: int = -1,
    **options: Any,
) -> Array:
    """Type 2 in 1-D: values at points ``x`` from modes ``f``; the precision is that of ``x``."""
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
    """Type 3 in 1-D: values at targets ``s`` from strengths ``c`` at points ``x``; the precision is that of ``x``."""
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
    """Type 1 in 2-D: modes from strengths ``c`` at points ``x``, ``y``; the precision is that of ``x``."""
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
    """Type 2 in 2-D: values at points ``x``, ``y`` from modes ``f``; the precision is that of ``x``."""
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
    """Type 3 in 2-D: values at targets ``s``, ``t`` from strengths ``c`` at points ``x``, ``y``; the precision is that of ``x``."""
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
    """Type 1 in 3-D: modes from strengths ``c`` at points ``x``, ``y``, ``z``; the precision is that of ``x``."""
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
    """Type 2 in 3-D: values at points ``x``, ``y``, ``z`` from modes ``f``; the precision is that of ``x``."""
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
    """Type 3 in 3-D: values at targets ``s``, ``t``, ``u`` from strengths ``c`` at points ``x``, ``y``, ``z``; the precision is that of ``x``."""
    return transform(Plan, 3, (x, y, z), c, (s, t, u), None, out, eps, isign, options)
