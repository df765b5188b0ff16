"""Non-uniform FFTs, reductions and matrix products, right to the last digit and the same bits for any threads.

- `nufft1d1` to `nufft3d3` and `Plan`: FINUFFT's interface; ``import wavemill.finufft as finufft`` is a drop-in.
- `sum`, `mean`, `var` and the others: NumPy's reductions; `reduce` computes several from one read.
- `open`: arrays in .npy, NetCDF and Zarr, reduced in one pass within a memory budget.
- `matmul`: NumPy's product.
- `LombScargle`: periodograms with astropy's names.
- `wavemill.dask`: the same on arrays in chunks, on any number of machines.
- `show`: the devices found.
"""

from . import _wavemill
from ._device import device, show
from ._functions import (
    all,
    any,
    argmax,
    argmin,
    max,
    mean,
    min,
    nanargmax,
    nanargmin,
    nanmax,
    nanmean,
    nanmin,
    nanprod,
    nanstd,
    nansum,
    nanvar,
    prod,
    std,
    sum,
    var,
)
from ._matmul import matmul
from ._nufft import (
    IGNORED_OPTIONS,
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
from ._reduce import OPERATIONS, average, count_nonzero, norm, reduce
from ._sources import Source, open
from ._spectral import LombScargle
from ._wavemill import Device, ToleranceError

__version__: str = _wavemill.version

__all__ = [
    "IGNORED_OPTIONS",
    "OPERATIONS",
    "Device",
    "LombScargle",
    "Plan",
    "Source",
    "ToleranceError",
    "all",
    "any",
    "argmax",
    "argmin",
    "average",
    "count_nonzero",
    "device",
    "matmul",
    "max",
    "mean",
    "min",
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
    "norm",
    "nufft1d1",
    "nufft1d2",
    "nufft1d3",
    "nufft2d1",
    "nufft2d2",
    "nufft2d3",
    "nufft3d1",
    "nufft3d2",
    "nufft3d3",
    "open",
    "prod",
    "reduce",
    "show",
    "std",
    "sum",
    "var",
]
