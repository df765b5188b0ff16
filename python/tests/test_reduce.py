"""Reductions against NumPy's, over shapes, strides, types and NaN."""

import math
import warnings
from fractions import Fraction

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wavemill

TYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
PLAIN = ["sum", "prod", "mean", "var", "std", "min", "max", "argmin", "argmax", "any", "all", "count_nonzero"]
NAN = ["nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmin", "nanmax", "nanargmin", "nanargmax"]


@st.composite
def arrays(draw):
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6))
    if dtype.kind in "fc":
        width = dtype.itemsize * 8 // (2 if dtype.kind == "c" else 1)
        real = st.floats(-8, 8, width=width) | st.sampled_from([0.0, -0.0, math.nan, 1.0, 1.0])
        elements = real if dtype.kind == "f" else st.builds(complex, real, real)
    else:
        elements = hnp.from_dtype(dtype) if dtype.kind == "b" else st.integers(0 if dtype.kind == "u" else -9, 9)
    a = draw(hnp.arrays(dtype, shape, elements=elements))
    # Any strides: steps, reversals, transpositions, repeated elements, and bytes in the other order.
    steps = tuple(slice(None, None, draw(st.sampled_from([1, 1, 2, -1, -2]))) for _ in shape)
    a = a[steps].transpose(draw(st.permutations(range(a.ndim))))
    if a.ndim and draw(st.integers(0, 9)) == 0:
        a = np.broadcast_to(a, (2, *a.shape))
    if draw(st.integers(0, 9)) == 0 and dtype.kind != "b":
        a = a.astype(dtype.newbyteorder())
    return a


@st.composite
def problems(draw, names):
    name, a = draw(st.sampled_from(names)), draw(arrays())
    one = st.integers(-a.ndim, a.ndim - 1) if a.ndim else st.none()
    axis = draw(st.none() | one)
    if "arg" not in name and axis is not None and draw(st.booleans()):
        axes = draw(st.permutations(range(a.ndim)))
        axis = tuple(axes[: draw(st.integers(0, a.ndim))])
    options = {"axis": axis}
    if draw(st.booleans()):
        options["keepdims"] = draw(st.booleans())
    if name[-3:] in ("var", "std"):
        options["ddof"] = draw(st.sampled_from([0, 1, 2]))
    return name, a, options


def outcome(module, name, a, options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            return getattr(module, name)(a, **options), caught
        except (ValueError, TypeError, RuntimeError) as error:
            return error, caught


def check(problem):
    name, a, options = problem
    if a.dtype.kind == "c" and name.endswith(("min", "max")):
        with pytest.raises((TypeError, ValueError), match="complex ones have no order|element to choose"):
            getattr(wavemill, name)(a, **options)
        return
    with np.errstate(all="ignore"):
        wide = a.astype("f8") if a.dtype.kind == "f" else a.astype("c16") if a.dtype.kind == "c" else a
        expected, _ = outcome(np, name, wide, options)
        theirs, _ = outcome(np, name, a, options)
    got, _ = outcome(wavemill, name, a, options)
    if isinstance(theirs, Exception):
        assert isinstance(got, ValueError), (got, theirs)
        return
    if isinstance(got, Exception):
        raise got
    assert np.shape(got) == np.shape(theirs)
    assert got.dtype == theirs.dtype, name
    assert isinstance(got, np.ndarray) == isinstance(theirs, np.ndarray)
    # NumPy's own result in float16 and float32 is the less exact one: the reference is its result in float64.
    if got.dtype.kind in "fc":
        eps = float(np.finfo(got.dtype).eps)
        scale = 1e-300 + np.finfo(got.dtype).smallest_subnormal
        slack = 40 * eps * float(np.nansum(np.abs(wide)) ** (2 if "var" in name else 1)) if "prod" not in name else 0
        with np.errstate(over="ignore", invalid="ignore"):
            np.testing.assert_allclose(got, np.asarray(expected).astype(got.dtype), rtol=8 * eps, atol=slack + scale)
    else:
        np.testing.assert_array_equal(got, theirs)


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems(PLAIN))
def test_as_numpy(problem):
    check(problem)


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems(NAN))
def test_nan_forms_as_numpy(problem):
    check(problem)


def test_float32_keeps_its_digits_on_every_axis():
    a = np.full((200_000, 3), 273.15, np.float32)
    assert (wavemill.mean(a, axis=0) == np.float32(273.15)).all()
    assert (np.mean(a, axis=0) != np.float32(273.15)).all()
    values = np.random.default_rng(2).standard_normal(3000).astype(np.float32)
    exact = sum(Fraction(float(x)) for x in values)
    assert wavemill.sum(values) == np.float32(float(exact))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "c16"])
def test_several_from_one_read(dtype):
    a = (np.random.default_rng(3).standard_normal((7, 40, 5)) * 50).astype(dtype)
    mean, std, total, norm = wavemill.reduce(a, ["mean", "std", "sum", "norm2"], axis=(0, 2), ddof=1)
    np.testing.assert_array_equal(mean, wavemill.mean(a, axis=(0, 2)))
    np.testing.assert_array_equal(std, wavemill.std(a, axis=(0, 2), ddof=1))
    np.testing.assert_array_equal(total, wavemill.sum(a, axis=(0, 2)))
    np.testing.assert_allclose(norm, np.sqrt((np.abs(a) ** 2.0).sum(axis=(0, 2))), rtol=1e-5)
    assert wavemill.reduce(a, "mean", axis=1, keepdims=True).shape == (7, 1, 5)


def test_skipping_nan():
    a = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, 5.0]])
    mean, count, first = wavemill.reduce(a[:, ::2], ["mean", "count", "argmax"], axis=1, skipna=True)
    assert mean.tolist() == [2.0, 5.0] and count.tolist() == [2, 1] and first.tolist() == [1, 1]
    with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
        assert np.isnan(wavemill.nanmean(a, axis=0)[1])
    with pytest.warns(RuntimeWarning, match="All-NaN slice"):
        wavemill.nanmax(a, axis=0)
    with pytest.raises(ValueError, match="NaN"):
        wavemill.nanargmin(a, axis=0)


def test_warnings_of_empty_slices():
    with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
        assert np.isnan(wavemill.mean(np.zeros(0)))
    with pytest.warns(RuntimeWarning, match="Degrees of freedom"):
        wavemill.var(np.ones(1), ddof=1)
    with pytest.raises(ValueError):
        wavemill.max(np.zeros((0, 3)), axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert wavemill.mean(np.zeros((0, 3)), axis=1).shape == (0,)
        assert wavemill.sum(np.zeros(0)) == 0 and wavemill.prod(np.zeros(0)) == 1


def test_out():
    a = np.arange(12.0).reshape(3, 4)
    out = np.zeros(4)
    assert wavemill.sum(a, axis=0, out=out) is out
    np.testing.assert_array_equal(out, a.sum(axis=0))
    # The data may be the target: the result is complete before it is written.
    b = a.copy()
    wavemill.max(b, axis=0, out=b[0])
    np.testing.assert_array_equal(b[0], a.max(axis=0))
    single = np.zeros(4, np.float32)
    wavemill.mean(a, axis=0, out=single)
    np.testing.assert_array_equal(single, a.mean(axis=0))
    with pytest.raises(ValueError, match=r"expected the shape \(4,\), got \(3,\)"):
        wavemill.sum(a, axis=0, out=np.zeros(3))
    with pytest.raises(TypeError):
        wavemill.sum(a, axis=0, out=np.zeros(4, int))
    with pytest.raises(TypeError, match="expected an array"):
        wavemill.sum(a, axis=0, out=[0] * 4)


def test_what_is_not_supported_is_a_type_error():
    a = np.arange(4.0)
    for name in ("sum", "prod", "mean", "var", "std", "min", "max", "any", "all", "nansum", "nanmean"):
        with pytest.raises(TypeError, match="where is not supported"):
            getattr(wavemill, name)(a, where=a > 1)
    with pytest.raises(TypeError, match="initial is not supported"):
        wavemill.sum(a, initial=3)
    with pytest.raises(TypeError, match="one axis or None"):
        wavemill.argmin(a.reshape(2, 2), axis=(0, 1))
    with pytest.raises(TypeError, match="without a mask"):
        wavemill.sum(np.ma.masked_greater(a, 2))
    with pytest.raises(TypeError, match="got object"):
        wavemill.sum(np.array([object()]))
    with pytest.raises(TypeError, match="convert it with astype"):
        wavemill.sum(np.zeros(2, np.longdouble))
    with pytest.raises(np.exceptions.AxisError):
        wavemill.sum(a, axis=1)
    with pytest.raises(ValueError, match="duplicate"):
        wavemill.sum(a.reshape(2, 2), axis=(0, -2))
    with pytest.raises(TypeError, match="integer"):
        wavemill.sum(a, axis=0.5)
    with pytest.raises(ValueError, match="one of sum, mean"):
        wavemill.reduce(a, ["median"])
    with pytest.raises(ValueError, match="simultaneously"):
        wavemill.var(a, ddof=1, correction=1)
    assert wavemill.var(a, correction=1) == np.var(a, ddof=1)


def test_dtype():
    a = np.arange(6, dtype=np.int16)
    assert wavemill.sum(a, dtype="f4").dtype == np.float32
    assert wavemill.mean(a, dtype="f4").dtype == np.float32
    f = np.full(1000, 0.1, np.float32)
    assert wavemill.sum(f, dtype=np.float64) == f.astype(float).sum()
    for numbers, kind in (([0.5, 0.7, 0.2, 1.5], "i4"), ([-1, 2], "u1"), ([3.9, -2.9], "i8")):
        theirs = np.sum(np.array(numbers), dtype=kind)
        ours = wavemill.sum(np.array(numbers), dtype=kind)
        assert ours == theirs and ours.dtype == theirs.dtype, (numbers, kind)
    with pytest.raises(TypeError, match="convert it"):
        wavemill.sum(np.zeros(3), dtype=object)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "c8"])
@pytest.mark.parametrize("axis", [None, 0, 1, (1, 0)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_average(dtype, axis, keepdims):
    a = (np.random.default_rng(4).standard_normal((6, 5)) * 20).astype(dtype)
    shapes = [a.shape] + ([(a.shape[axis],)] if isinstance(axis, int) else [])
    for shape in shapes:
        for kind in ("f4", "f8", "i4"):
            w = np.random.default_rng(5).uniform(1, 3, shape).astype(kind)
            got, scale = wavemill.average(a, axis, w, returned=True, keepdims=keepdims)
            theirs, their_scale = np.average(a, axis, w, returned=True, keepdims=keepdims)
            assert got.dtype == theirs.dtype and np.shape(got) == np.shape(theirs)
            np.testing.assert_allclose(got, theirs, rtol=2e-5 if "4" in dtype + kind else 1e-13, atol=1e-5)
            np.testing.assert_allclose(scale, their_scale, rtol=1e-6)
    np.testing.assert_allclose(
        wavemill.average(a, axis, keepdims=keepdims), np.average(a, axis, keepdims=keepdims), rtol=1e-4, atol=1e-5
    )


def test_average_refuses():
    a = np.ones((2, 3))
    with pytest.raises(ZeroDivisionError, match="sum to zero"):
        wavemill.average(a, weights=np.zeros((2, 3)))
    with pytest.raises(TypeError, match="pass axis"):
        wavemill.average(a, weights=np.ones(3))
    with pytest.raises(ValueError, match="expected"):
        wavemill.average(a, axis=0, weights=np.ones(3))
    with pytest.raises(ValueError, match="weights"):
        wavemill.reduce(a, "average")


def test_norms():
    a = np.random.default_rng(6).standard_normal((4, 5, 6))
    for order in (None, 1, 2, np.inf):
        np.testing.assert_allclose(wavemill.norm(a, order, axis=1), np.linalg.norm(a, order, axis=1), rtol=1e-15)
    np.testing.assert_allclose(wavemill.norm(a), np.linalg.norm(a), rtol=1e-15)
    np.testing.assert_allclose(wavemill.norm(a[0], "fro"), np.linalg.norm(a[0], "fro"), rtol=1e-15)
    with pytest.raises(ValueError, match="matrix norm"):
        wavemill.norm(a, 1, axis=(0, 1))
    with pytest.raises(ValueError, match="numpy.linalg"):
        wavemill.norm(a, 3)


def test_other_libraries_arrays():
    torch = pytest.importorskip("torch")
    t = torch.arange(12, dtype=torch.float32).reshape(3, 4).T
    got = wavemill.mean(t, axis=0)
    np.testing.assert_array_equal(got, t.numpy().mean(axis=0))
    np.testing.assert_array_equal(torch.from_dlpack(got).numpy(), got)


def test_dlpack():
    class Foreign:
        """An array that has nothing but DLPack."""

        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    a = np.arange(6.0).reshape(2, 3)
    assert wavemill.sum(Foreign(a)) == 15
    np.testing.assert_array_equal(wavemill.matmul(Foreign(a), Foreign(a.T)), a @ a.T)

    class Elsewhere(Foreign):
        def __dlpack_device__(self):
            return (2, 0)

    with pytest.raises(TypeError, match="move it to the CPU"):
        wavemill.sum(Elsewhere(a))
