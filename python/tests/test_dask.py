"""Reductions, products and transforms of Dask arrays: against the same in memory, and with workers that are killed."""

import os
import pickle
import signal

import numpy as np
import pytest

import wavemill

dask = pytest.importorskip("dask")
import dask.callbacks  # noqa: E402

import wavemill.dask as wd  # noqa: E402

RNG = np.random.default_rng(1)
PACKAGES = ["dask.array", "dask_array"]


@pytest.fixture(params=PACKAGES)
def da(request):
    with dask.config.set(scheduler="threads"):
        yield pytest.importorskip(request.param)


OPS = ["sum", "mean", "var", "std", "min", "max", "argmin", "argmax", "prod", "norm1", "norm2", "norminf", "count"]
OPS += ["any", "all"]


@pytest.mark.parametrize("axis", [0, -1, (0, 1), (1, 2), None, ()])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "i2", "?", "f2"])
def test_as_in_memory(da, axis, keepdims, dtype):
    x = (RNG.standard_normal((13, 11, 7)) * 9).astype(dtype)
    got = wd.reduce(da.from_array(x, chunks=(4, 3, 7)), OPS, axis=axis, keepdims=keepdims, ddof=1, split_every=4)
    expected = wavemill.reduce(x, OPS, axis=axis, keepdims=keepdims, ddof=1)
    for op, lazy, exact in zip(OPS, got, expected):
        found = lazy.compute()
        assert lazy.shape == np.shape(found) == np.shape(exact), op
        assert lazy.dtype == found.dtype == np.asarray(exact).dtype, op
        rtol = 1e-3 if dtype == "f2" else 3e-7
        np.testing.assert_allclose(found.astype(float), np.asarray(exact, float), rtol=rtol, atol=1e-9, err_msg=op)


def test_complex_numbers(da):
    x = RNG.standard_normal((9, 8)) + 1j * RNG.standard_normal((9, 8))
    mean, norm = wd.reduce(da.from_array(x, chunks=4), ["mean", "norm2"], axis=1)
    np.testing.assert_allclose(mean.compute(), x.mean(axis=1), rtol=1e-14)
    np.testing.assert_allclose(norm.compute(), np.linalg.norm(x, axis=1), rtol=1e-14)
    with pytest.raises(TypeError, match="complex"):
        wd.reduce(da.from_array(x, chunks=4), "max")


def test_the_first_index_of_all_chunks_counts(da):
    # dask's own argmin gives 4 here: it takes the first chunk that has the least element.
    x = np.full((4, 4), 5)
    x[0, 2] = x[1, 0] = 0
    lazy = da.from_array(x, chunks=2)
    assert int(wd.reduce(lazy, "argmin").compute()) == x.argmin() == 2
    y = x.astype(float)
    y[3, 3] = np.nan
    assert int(wd.reduce(da.from_array(y, chunks=2), "argmin").compute()) == y.argmin() == 15
    assert int(wd.reduce(da.from_array(y, chunks=2), "argmin", skipna=True).compute()) == np.nanargmin(y) == 2


def test_skipping_nan(da):
    x = RNG.standard_normal((12, 10)).astype("f4")
    x[RNG.uniform(size=x.shape) < 0.4] = np.nan
    x[:, 0] = 1
    mean, std = wd.reduce(da.from_array(x, chunks=(5, 3)), ["mean", "std"], axis=1, skipna=True)
    np.testing.assert_array_equal(mean.compute(), wavemill.nanmean(x, axis=1))
    np.testing.assert_allclose(std.compute(), np.nanstd(x.astype(float), axis=1), rtol=1e-6)


@pytest.mark.parametrize("lazy", [False, True])
def test_weights(da, lazy):
    x, w = RNG.standard_normal((12, 10)), RNG.uniform(1, 2, 12)
    d = da.from_array(x, chunks=(5, 3))
    weights = da.from_array(w, chunks=4) if lazy else w
    np.testing.assert_allclose(
        wd.reduce(d, "average", axis=0, weights=weights).compute(), np.average(x, axis=0, weights=w), rtol=1e-13
    )
    np.testing.assert_allclose(wd.reduce(d, "wsum", weights=x * x).compute(), (x**3).sum(), rtol=1e-12)
    with pytest.raises(ValueError, match="broadcasts"):
        wd.reduce(d, "average", axis=0, weights=np.ones(11))
    with pytest.raises(ValueError, match="weights"):
        wd.reduce(d, "average", axis=0).compute()


def test_any_tree_gives_the_same_bits(da):
    x = (RNG.standard_normal((60, 30)) * 10.0 ** RNG.integers(-9, 9, (60, 30))).astype("f8")
    d = da.from_array(x, chunks=(7, 4))
    ops = ["sum", "mean", "var", "norm2", "argmax"]
    results = {
        tuple(np.asarray(r.compute()).tobytes() for r in wd.reduce(d, ops, axis=axis, split_every=every))
        for axis in [None]
        for every in (2, 4, 9, 1000)
    }
    assert len(results) == 1


def test_one_read_for_several_results():
    import dask.array as da

    reads = []

    def block(block_info=None):
        reads.append(block_info[None]["chunk-location"])
        return np.full((5, 4), 3.0)

    x = da.map_blocks(block, chunks=((5,) * 6, (4,)), dtype=float, meta=np.empty((0, 0)))
    with dask.config.set(scheduler="sync"):
        mean, top, where = dask.compute(*wd.reduce(x, ["mean", "max", "argmax"], axis=0))
    assert (mean == 3).all() and (top == 3).all() and (where == 0).all()
    assert len(reads) == 6


def test_refusals(da):
    with pytest.raises(TypeError, match="expected an array of dask.array"):
        wd.reduce(np.ones(3), "sum")
    x = da.from_array(np.ones((4, 4)), chunks=2)
    with pytest.raises(TypeError, match="use wavemill.dask"):
        wavemill.sum(x)
    with pytest.raises(ValueError, match="one of sum"):
        wd.reduce(x, "median")
    with pytest.raises(np.exceptions.AxisError):
        wd.reduce(x, "sum", axis=2)
    unknown = x[x > 0]
    with pytest.raises(ValueError, match="chunks of known sizes"):
        wd.reduce(unknown, "sum")


def test_damaged_states_are_refused():
    spec = wd._specified(_lazy(), ["mean"], 0, 0, False)
    chunk = wd._chunk(np.ones((2, 3)), spec=spec, starts=((0,), (0,)), length=4000, block_id=(0, 0))
    merged = wd._merge(chunk, spec=spec)
    chunk[..., 60] ^= 1
    with pytest.raises(ValueError, match="damaged|something else"):
        wd._merge(chunk, spec=spec)
    assert wd._finish(merged, spec=spec, index=0, keepdims=False, ndim=1).tolist() == [1, 1, 1]
    assert pickle.loads(pickle.dumps(spec)) == spec


def _lazy():
    import dask.array

    return dask.array.ones((2, 3), chunks=(2, 3))


@pytest.mark.parametrize("dtype", ["f4", "f8", "c16", "i8"])
def test_matmul(da, dtype):
    a, b = (RNG.integers(-9, 9, shape).astype(dtype) for shape in ((15, 11), (11, 9)))
    got = wd.matmul(da.from_array(a, chunks=(4, 5)), da.from_array(b, chunks=(3, 4)))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.compute(), a @ b)
    with pytest.raises(ValueError, match=r"\[m, k\] and \[k, n\]"):
        wd.matmul(da.from_array(a, chunks=4), da.from_array(a, chunks=4))


def test_matmul_has_no_partial_products():
    import dask.array as da

    x = da.ones((100, 100), chunks=10)
    tiles = wd.matmul(x, x.T)
    names = [key for key in dict(tiles.dask) if isinstance(key, tuple) and "tile" in str(key[0]).lower()]
    assert len(names) == 100
    np.testing.assert_array_equal(tiles.compute(scheduler="sync"), np.full((100, 100), 100.0))


@pytest.mark.parametrize("dim", [1, 2])
def test_type_1_over_chunks_of_points(da, dim):
    x, c = RNG.uniform(-3, 3, (dim, 900)), RNG.standard_normal((2, 900))
    modes = (20, 14)[:dim]
    lazy = wd.nufft1([da.from_array(axis, chunks=250) for axis in x], da.from_array(c, chunks=(1, 200)), modes, 1e-9)
    assert lazy.shape == (2, *modes)
    expected = getattr(wavemill, f"nufft{dim}d1")(*x, c, modes, eps=1e-9)
    np.testing.assert_allclose(lazy.compute(), expected, atol=1e-6)
    with pytest.raises(ValueError, match="900 coordinates"):
        wd.nufft1(da.from_array(x[0][:5], chunks=5), da.from_array(c, chunks=(1, 200)), 9)


def test_type_1_of_many_series(da):
    x, c = RNG.uniform(-3, 3, (6, 100)), RNG.standard_normal((6, 100)).astype("f4")
    lazy = wd.nufft1(da.from_array(x, chunks=(2, 50)), da.from_array(c, chunks=(2, 50)), 16, 1e-5)
    assert lazy.shape == (6, 16) and lazy.dtype == np.complex64
    for row, points, strengths in zip(lazy.compute(), x, c):
        np.testing.assert_allclose(row, wavemill.nufft1d1(points, strengths, 16, eps=1e-5), atol=1e-3)


class Count(dask.callbacks.Callback):
    """Counts the tasks that run."""

    tasks = 0

    def _pretask(self, key, dsk, state):
        self.tasks += 1


def test_what_a_plan_says_is_what_happens(capsys):
    import dask.array as da

    x = da.ones((40, 30, 20), chunks=(4, 15, 20), dtype="f4")
    for axis, every in ((0, 4), ((0, 1), 16), (None, 8), (2, 2)):
        cost = wd.plan(x, ["mean", "std"], axis=axis, split_every=every)
        assert f"tasks             {cost.tasks}, in a tree of depth {cost.depth}" in capsys.readouterr().out
        with Count() as count:
            dask.persist(*wd.reduce(x, ["mean", "std"], axis=axis, split_every=every), scheduler="sync")
        # dask joins tasks that follow one another: at most one for each level of the tree.
        assert cost.tasks - cost.depth <= count.tasks <= cost.tasks, (axis, every)
    assert cost.bytes_read == 40 * 30 * 20 * 4 and cost.chunks == 20
    spec = wd._specified(x, ["mean"], 0, 0, False)
    state = wd._chunk(np.ones((4, 15, 20), "f4"), spec=spec, starts=((0,),) * 3, length=10**6, block_id=(0, 0, 0))
    _, body = wd._unpack(state.reshape(-1), 3)
    mean = wd.plan(x, "mean", axis=0, show=False)
    assert mean.bytes_of_states == 20 * (len(body) + 8 * 4)


def test_xarray():
    xr = pytest.importorskip("xarray")
    import wavemill.xarray  # noqa: F401

    x = RNG.standard_normal((10, 4, 6)).astype("f4")
    array = xr.DataArray(x, dims=("time", "lat", "lon"), coords={"lat": [1, 2, 3, 4]}, name="t", attrs={"units": "K"})
    for data in (array, array.chunk({"time": 3, "lat": 2})):
        mean = data.wavemill.mean("time")
        assert mean.dims == ("lat", "lon") and mean.attrs["units"] == "K" and list(mean.lat) == [1, 2, 3, 4]
        np.testing.assert_array_equal(mean.values, wavemill.mean(x, axis=0))
        both = data.wavemill.reduce(["std", "argmax"], dim=["lat", "lon"], ddof=1)
        np.testing.assert_array_equal(both["argmax"].values, x.reshape(10, -1).argmax(axis=1))
        np.testing.assert_allclose(both["std"].values, x.reshape(10, -1).std(axis=1, ddof=1), rtol=1e-6)
        assert data.wavemill.max().dims == ()


def slow_block(block_info=None):
    import time

    location = block_info[None]["array-location"]
    time.sleep(0.1)
    rng = np.random.default_rng(location[0][0])
    return (rng.standard_normal((50, 300)) * 10.0 ** rng.integers(-5, 5, (50, 300))).astype("f4")


def finished_tasks(dask_scheduler):
    return sum(task.state == "memory" for task in dask_scheduler.tasks.values())


def test_a_killed_worker_changes_no_bit():
    distributed = pytest.importorskip("distributed")
    import dask.array as da

    x = da.map_blocks(slow_block, chunks=((50,) * 60, (300,)), dtype="f4", meta=np.empty((0, 0), "f4"))
    ops = ["mean", "std", "argmax", "sum"]
    lazy = [*wd.reduce(x, ops, axis=0, split_every=4), *wd.reduce(x, ops, split_every=4)]
    with dask.config.set(scheduler="sync"):
        alone = dask.compute(*lazy)
    cluster = distributed.LocalCluster(
        n_workers=4, threads_per_worker=1, processes=True, memory_limit="1GB", dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        futures = client.compute(lazy)
        # In the middle: some states are made, and no result is.
        while client.run_on_scheduler(finished_tasks) < 8:
            assert not all(future.done() for future in futures)
        victim = next(iter(client.run(os.getpid).values()))
        os.kill(victim, signal.SIGKILL)
        found = client.gather(futures)
        assert victim not in client.run(os.getpid).values()
    for ours, exact in zip(found, alone):
        assert np.asarray(ours).tobytes() == np.asarray(exact).tobytes()
