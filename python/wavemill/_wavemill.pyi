"""Types of the extension module."""

from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

version: str
gpu: bool

class ToleranceError(ValueError): ...

class Device:
    def __new__(cls, name: str, threads: int) -> Device: ...
    @property
    def name(self) -> str: ...
    @property
    def reason(self) -> str: ...

class Request(TypedDict):
    ops: list[tuple[str, float]]
    axes: list[int]
    keepdims: bool
    skip: bool

class Nufft:
    def __new__(cls, type3: bool, parameters: dict[str, Any], device: Device) -> Nufft: ...
    def tolerance(self) -> float | None: ...
    def describe(self) -> str: ...
    def set_points(self, points: list[npt.NDArray[Any]], targets: list[npt.NDArray[Any]]) -> None: ...
    def execute(self, direction: str, data: npt.NDArray[Any], out: npt.NDArray[Any], opposite: bool) -> None: ...

_Grid = tuple[float, float, int]

class Periodogram:
    def __new__(
        cls,
        times: npt.NDArray[np.float64],
        values: npt.NDArray[np.float64],
        errors: npt.NDArray[np.float64] | None,
        error: float | None,
        fit_mean: bool,
        centre: bool,
        terms: int,
        normalization: str,
        device: Device,
    ) -> Periodogram: ...
    def autofrequency(
        self, samples_per_peak: float, nyquist_factor: float, minimum: float | None, maximum: float | None
    ) -> _Grid: ...
    def power(self, frequencies: _Grid | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]: ...
    def false_alarm(
        self, powers: list[float], method: str, highest: float, grid: _Grid, draws: int, seed: int
    ) -> list[float]: ...
    def false_alarm_level(
        self, probabilities: list[float], method: str, highest: float, grid: _Grid, draws: int, seed: int
    ) -> list[float]: ...
    def coefficients(self, frequency: float) -> npt.NDArray[np.float64]: ...
    def offset(self) -> float: ...
    def model(self, times: npt.NDArray[np.float64], frequency: float) -> npt.NDArray[np.float64]: ...

def devices() -> str: ...
def reduce(
    data: npt.NDArray[Any], request: Request, weights: npt.NDArray[np.float64] | None, device: Device
) -> list[npt.NDArray[Any]]: ...
def state(
    data: npt.NDArray[Any],
    whole: list[int],
    at: list[int],
    request: Request,
    weights: npt.NDArray[np.float64] | None,
    device: Device,
) -> bytes: ...
def merge(
    like: npt.NDArray[Any], states: list[bytes], whole: list[int], request: Request, device: Device
) -> bytes: ...
def finish(
    like: npt.NDArray[Any], state: bytes, whole: list[int], request: Request, device: Device
) -> list[npt.NDArray[Any]]: ...
def matmul(
    a: npt.NDArray[Any], b: npt.NDArray[Any], c: npt.NDArray[Any], add: bool, device: Device
) -> None: ...
def matmul_integers(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], c: npt.NDArray[np.int64]) -> None: ...
