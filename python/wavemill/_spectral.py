"""The Lomb-Scargle periodogram with astropy's names."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import _wavemill
from ._arrays import borrowable, host_array
from ._device import device
from ._wavemill import Device

Array = npt.NDArray[Any]


class LombScargle:
    """The generalised Lomb-Scargle periodogram of unevenly sampled values, with the names of astropy's.

    Parameters
    ----------
    t, y : array
        Times, in any order, and values.
    dy : float or array, optional
        The standard deviation of all values or of each; values weigh as its inverse square.
    fit_mean : bool
        Whether the model has a mean of its own at each frequency.
    center_data : bool
        Whether the weighted mean is subtracted first.
    nterms : int
        Fourier terms of the model, 1 to 10.
    normalization : str
        ``standard``, ``model``, ``log`` or ``psd``.
    nthreads : int
        Threads of the CPU; 0 means one for each core.
    device : str or Device
        Where to compute; see `wavemill.device`.

    Examples
    --------
    >>> import numpy as np, wavemill
    >>> t = np.sort(np.random.default_rng(1).uniform(0, 100, 200))
    >>> search = wavemill.LombScargle(t, np.sin(2 * np.pi * t / 7.3))
    >>> frequency, power = search.autopower()
    >>> bool(abs(1 / frequency[power.argmax()] - 7.3) < 0.1)
    True
    """

    def __init__(
        self,
        t: Any,
        y: Any,
        dy: Any = None,
        fit_mean: bool = True,
        center_data: bool = True,
        nterms: int = 1,
        normalization: str = "standard",
        *,
        nthreads: int = 0,
        device: str | Device = "cpu",
    ) -> None:
        self._t, self._y = _series(t, "t"), _series(y, "y")
        errors, error = None, None
        if dy is not None:
            if np.ndim(dy) == 0:
                error = float(dy)
            else:
                errors = _series(dy, "dy")
        self._options = (errors, error, bool(fit_mean), bool(center_data), int(nterms))
        self._device = _device(device, nthreads)
        self.normalization = normalization
        self._search = self._made(normalization)

    def _made(self, normalization: str) -> _wavemill.Periodogram:
        return _wavemill.Periodogram(self._t, self._y, *self._options, normalization, self._device)

    def autofrequency(
        self,
        samples_per_peak: float = 5,
        nyquist_factor: float = 5,
        minimum_frequency: float | None = None,
        maximum_frequency: float | None = None,
        return_freq_limits: bool = False,
    ) -> Any:
        """Evenly spaced frequencies that resolve every peak, or the lowest and the highest of them."""
        first, step, count = self._search.autofrequency(
            samples_per_peak, nyquist_factor, minimum_frequency, maximum_frequency
        )
        if return_freq_limits:
            return first, first + step * (count - 1)
        return first + step * np.arange(count)

    def autopower(
        self,
        method: str = "auto",
        method_kwds: Any = None,
        normalization: str | None = None,
        samples_per_peak: float = 5,
        nyquist_factor: float = 5,
        minimum_frequency: float | None = None,
        maximum_frequency: float | None = None,
    ) -> tuple[Array, Array]:
        """Frequencies chosen by `autofrequency`, and the power at each."""
        _only_auto(method, method_kwds)
        grid = self._search.autofrequency(samples_per_peak, nyquist_factor, minimum_frequency, maximum_frequency)
        return grid[0] + grid[1] * np.arange(grid[2]), self._with(normalization).power(grid)

    def power(
        self,
        frequency: Any,
        normalization: str | None = None,
        method: str = "auto",
        assume_regular_frequency: bool = False,
        method_kwds: Any = None,
    ) -> Any:
        """The power at any frequencies; evenly spaced ones are found out, and are the fastest."""
        _only_auto(method, method_kwds)
        wanted = np.asarray(frequency, dtype=np.float64)
        flat = np.ascontiguousarray(wanted.reshape(-1))
        search = self._with(normalization)
        grid = _regular(flat, assume_regular_frequency)
        power = search.power(flat if grid is None else grid).reshape(wanted.shape)
        return power[()] if power.ndim == 0 else power

    def _with(self, normalization: str | None) -> _wavemill.Periodogram:
        return self._search if normalization in (None, self.normalization) else self._made(str(normalization))

    def false_alarm_probability(
        self,
        power: Any,
        method: str = "baluev",
        samples_per_peak: float = 5,
        nyquist_factor: float = 5,
        minimum_frequency: float | None = None,
        maximum_frequency: float | None = None,
        method_kwds: dict[str, Any] | None = None,
    ) -> Any:
        """The probability that noise alone has a peak of at least this power up to the highest frequency.

        `method` is ``baluev``, ``davies``, ``naive`` or ``bootstrap``; the last takes ``n_bootstraps`` and
        ``random_seed`` from `method_kwds`.
        """
        return self._alarm("false_alarm", power, method, samples_per_peak, nyquist_factor, minimum_frequency,
                           maximum_frequency, method_kwds)

    def false_alarm_level(
        self,
        false_alarm_probability: Any,
        method: str = "baluev",
        samples_per_peak: float = 5,
        nyquist_factor: float = 5,
        minimum_frequency: float | None = None,
        maximum_frequency: float | None = None,
        method_kwds: dict[str, Any] | None = None,
    ) -> Any:
        """The power that noise alone exceeds with this probability."""
        return self._alarm("false_alarm_level", false_alarm_probability, method, samples_per_peak, nyquist_factor,
                           minimum_frequency, maximum_frequency, method_kwds)

    def _alarm(
        self,
        what: str,
        values: Any,
        method: str,
        samples_per_peak: float,
        nyquist_factor: float,
        minimum: float | None,
        maximum: float | None,
        method_kwds: dict[str, Any] | None,
    ) -> Any:
        options = dict(method_kwds or {})
        draws, seed = int(options.pop("n_bootstraps", 1000)), int(options.pop("random_seed", 0) or 0)
        if options:
            raise TypeError(f"method_kwds: expected n_bootstraps or random_seed, got {sorted(options)}")
        grid = self._search.autofrequency(samples_per_peak, nyquist_factor, minimum, maximum)
        highest = grid[0] + grid[1] * (grid[2] - 1)
        wanted = np.asarray(values, dtype=np.float64)
        function = getattr(self._search, what)
        found = np.array(function(wanted.reshape(-1).tolist(), method, highest, grid, draws, seed))
        found = found.reshape(wanted.shape)
        return found[()] if found.ndim == 0 else found

    def model(self, t: Any, frequency: float) -> Array:
        """The model of a frequency at given times."""
        times = np.asarray(t, dtype=np.float64)
        return self._search.model(np.ascontiguousarray(times.reshape(-1)), float(frequency)).reshape(times.shape)

    def offset(self) -> float:
        """What the model adds to the product of its columns and coefficients."""
        return self._search.offset()

    def model_parameters(self, frequency: float, units: bool = True) -> Array:
        """The mean, if the model has one, then the coefficients of ``sin(2πn f t)`` and ``cos(2πn f t)`` for each n."""
        return self._search.coefficients(float(frequency))


_device = device


def _series(values: Any, name: str) -> Array:
    array = host_array(values, name)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{name}: expected one dimension, got the shape {array.shape}")
    return borrowable(array.astype(np.float64, copy=False))


def _only_auto(method: str, method_kwds: Any) -> None:
    if method not in ("auto", "fast", "fastchi2", "slow", "chi2", "cython", "scipy") or method_kwds:
        raise ValueError(
            f"method = {method!r} with {method_kwds!r}; must be 'auto': all methods of astropy's give the same powers, "
            "and there is one way to compute them here"
        )


def _regular(frequency: Array, assume: bool) -> tuple[float, float, int] | None:
    """The first frequency, the step and the count of frequencies that are evenly spaced up to rounding."""
    if frequency.size < 3:
        return None
    step = (frequency[-1] - frequency[0]) / (frequency.size - 1)
    if not step > 0:
        return None
    grid = (float(frequency[0]), float(step), int(frequency.size))
    if assume:
        return grid
    off = np.abs(frequency - (grid[0] + grid[1] * np.arange(grid[2])))
    return grid if off.max() <= 4 * np.finfo(float).eps * np.abs(frequency).max() else None
