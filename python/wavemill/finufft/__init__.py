"""A drop-in for FINUFFT 2.5.1: ``import wavemill.finufft as finufft``.

It has FINUFFT's functions, plan, defaults, warnings and exceptions. Options that only name parts of FINUFFT's engine
are accepted and have no effect: ``debug``, ``spread_debug``, ``showwarn`` (0 silences the warning of an eps out of
reach), ``fftw``, ``spread_sort``, ``spread_kerevalmeth``, ``spread_kerpad``, ``spread_thread``, ``maxbatchsize``,
``spread_nthr_atomic``, ``spread_max_sp_size`` and ``spread_kerformula``.

Beyond FINUFFT, NaN or infinity among the points is a ValueError that names the first one, and results are the same
bits for any number of threads.
"""

from ._interfaces import (
    Plan,
    nufft1d1,
    nufft1d2,
    nufft1d3,
    nufft2d1,
    nufft2d2,
    nufft2d3,
    nufft3d1,
    nufft3d2,
    nufft3d3,
)

__all__ = [
    "Plan",
    "nufft1d1",
    "nufft1d2",
    "nufft1d3",
    "nufft2d1",
    "nufft2d2",
    "nufft2d3",
    "nufft3d1",
    "nufft3d2",
    "nufft3d3",
]

#: The version of FINUFFT whose interface this is.
__version__ = "2.5.1"
