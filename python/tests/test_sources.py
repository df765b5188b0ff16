"""Arrays in files: opened, described, reduced within a budget, watched and interrupted."""

import _thread
import pathlib
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest
import wavemill

OSTIA = pathlib.Path(__file__).resolve().parents[2] / "examples/data/ostia_monthly.nc"


@pytest.fixture
def field(tmp_path: pathlib.Path) -> tuple[str, np.ndarray[Any, Any]]:
    x = (273 + np.random.default_rng(5).standard_normal((40, 30, 50))).astype("f4")
    x[3, 4, 5:9] = np.nan
    np.save(tmp_path / "x.npy", x)
    return str(tmp_path / "x.npy"), x


def test_an_array_is_described_before_it_is_read(field: Any) -> None:
    name, x = field
    source = wavemill.open(name)
    assert (source.shape, source.dtype, source.ndim, source.size) == (x.shape, x.dtype, 3, x.size)
    assert source.dims == (None, None, None) and "x.npy" in repr(source) and "40" in repr(source)
    assert source.coordinates(0) is None


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), [1]])
@pytest.mark.parametrize("skipna", [False, True])
def test_results_are_those_of_arrays_in_memory(field: Any, axis: Any, skipna: bool) -> None:
    name, x = field
    ops = ["sum", "mean", "std", "min", "max", "count", "any"]
    for keepdims in (False, True):
        found = wavemill.open(name).reduce(ops, axis, keepdims=keepdims, skipna=skipna, ddof=1, memory="2MB")
        known = wavemill.reduce(x, ops, axis, keepdims=keepdims, skipna=skipna, ddof=1)
        for op, a, b in zip(ops, found, known):
            np.testing.assert_allclose(a, b, rtol=2e-7, err_msg=op)
            assert np.asarray(a).dtype == np.asarray(b).dtype, op


def test_parts_of_axes(field: Any) -> None:
    name, x = field
    found = wavemill.open(name).mean(0, select={0: slice(10, 40, 3), 2: -1, 1: 4})
    np.testing.assert_allclose(found, x[10:40:3, 4:5, -1:].astype("f8").mean(axis=0), rtol=1e-7)
    with pytest.raises(ValueError, match="step"):
        wavemill.open(name).mean(0, select={0: slice(None, None, -1)})


def test_axes_have_names() -> None:
    import netCDF4

    source = wavemill.open(str(OSTIA))
    variable = source.name.split(":")[-1]
    with netCDF4.Dataset(OSTIA) as file:
        x = np.ma.filled(file[variable][:].astype("f8"), np.nan)
        assert source.dims == file[variable].dimensions
    found = source.mean("time", skipna=True)
    np.testing.assert_allclose(found, wavemill.reduce(x, "mean", 0, skipna=True), rtol=1e-6)
    with pytest.raises(ValueError, match="expected one of"):
        source.mean("tiem")


def test_what_cannot_be_opened_or_reduced_says_why(field: Any, tmp_path: pathlib.Path) -> None:
    name, _ = field
    with pytest.raises(ValueError, match="nothing.npy"):
        wavemill.open(str(tmp_path / "nothing.npy"))
    with pytest.raises(MemoryError, match="at least"):
        wavemill.open(name).mean(0, memory=1000)
    with pytest.raises(ValueError, match="memory"):
        wavemill.open(name).mean(0, memory="much")
    with pytest.raises(np.exceptions.AxisError):
        wavemill.open(name).mean(3)


def test_a_plan_names_its_memory(field: Any) -> None:
    name, _ = field
    assert "MB" in wavemill.open(name).plan(["mean", "std"], 0, memory="3MB")


def test_progress_is_told_and_an_exception_stops(field: Any, capsys: Any) -> None:
    name, x = field
    seen: list[tuple[int, int]] = []
    wavemill.open(name).mean(0, progress=lambda done, total: seen.append((done, total)))
    assert seen and seen[-1] == (x.nbytes, x.nbytes)
    wavemill.open(name).mean(0, progress=True)
    assert "MB" in capsys.readouterr().err

    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        wavemill.open(name).mean(0, progress=stop)


def test_an_interrupt_ends_a_pass_within_a_second(tmp_path: pathlib.Path) -> None:
    # A file of zeros that takes no space, and more than seconds to read.
    path = tmp_path / "long.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": (4_000_000, 1000)}
        )
        file.truncate(file.tell() + 4_000_000 * 1000 * 8)
    asked: list[float] = []

    def interrupt() -> None:
        asked.append(time.perf_counter())
        _thread.interrupt_main()

    # Programs that are started in the background ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.5, interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            wavemill.open(str(path)).sum(0, memory="64MB")
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.perf_counter() - asked[0] < 1.0
