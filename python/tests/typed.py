"""Calls whose types `mypy --strict` checks; `ci/python` runs it, pytest does not collect it."""

from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import wavemill
import wavemill.finufft

Array = npt.NDArray[Any]

plan = wavemill.Plan(1, (8, 8), eps=1e-5, modeord=1, nthreads=2)
plan.setpts(np.zeros(3), np.zeros(3))
assert_type(plan.execute(np.zeros(3)), Array)
assert_type(plan.n_modes, tuple[int, ...])
assert_type(wavemill.nufft1d1(np.zeros(3), np.zeros(3), 5), Array)
assert_type(wavemill.finufft.nufft2d2(np.zeros(3), np.zeros(3), np.zeros((2, 2), complex)), Array)
assert_type(wavemill.device("cpu"), wavemill.Device)
mean, std = wavemill.reduce(np.zeros((2, 2)), ["mean", "std"], axis=(0,), ddof=1)
wavemill.sum(np.zeros(3), axis=0, keepdims=True)
