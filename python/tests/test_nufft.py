"""Transforms against their definitions, and FINUFFT's interface."""

import itertools
import warnings

import numpy as np
import pytest

import wavemill
import wavemill.finufft as finufft
from wavemill.finufft._interfaces import Plan as DropIn

RNG = np.random.default_rng(1)


def indices(modes, order):
    axes = [np.arange(n) - n // 2 for n in modes]
    return [np.fft.ifftshift(k) if order else k for k in axes]


def phases(points, modes, sign, order=0):
    """exp(±i k·x) as an array of points by modes."""
    grids = np.meshgrid(*indices(modes, order), indexing="ij")
    total = sum(np.multiply.outer(x.astype(float), k) for x, k in zip(points, grids))
    return np.exp(1j * sign * total).reshape(len(points[0]), -1)


def relative(got, exact):
    return np.linalg.norm(got - exact) / np.linalg.norm(exact)


def numbers(*shape, dtype="complex128"):
    return (RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)).astype(dtype)


@pytest.mark.parametrize("module", [wavemill, finufft])
@pytest.mark.parametrize("modes", [(12,), (7, 6), (4, 5, 6)])
@pytest.mark.parametrize("isign", [None, 1, -1])
@pytest.mark.parametrize("modeord", [0, 1])
@pytest.mark.parametrize("batch", [(), (1,), (3,)])
def test_types_1_and_2(module, modes, isign, modeord, batch):
    dim, points = len(modes), RNG.uniform(-9, 9, (len(modes), 50))
    options = {"eps": 1e-11, "modeord": modeord} | ({} if isign is None else {"isign": isign})
    c, f = numbers(*batch, 50), numbers(*batch, *modes)
    forward = phases(points, modes, 1 if isign is None else isign, modeord)
    got = getattr(module, f"nufft{dim}d1")(*points, c, modes, **options)
    assert got.shape == batch + modes
    assert relative(got, (c @ forward).reshape(got.shape)) < 1e-10
    backward = phases(points, modes, -1 if isign is None else isign, modeord)
    got = getattr(module, f"nufft{dim}d2")(*points, f, **options)
    assert got.shape == (*batch, 50)
    assert relative(got, f.reshape(*batch, -1) @ backward.T) < 1e-10


@pytest.mark.parametrize("module", [wavemill, finufft])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_type_3(module, dim):
    x, s = RNG.uniform(-2, 2, (dim, 40)), RNG.uniform(-8, 8, (dim, 30))
    c = numbers(2, 40)
    exact = c @ np.exp(1j * (x.T @ s))
    function = getattr(module, f"nufft{dim}d3")
    out = np.empty((2, 30), complex)
    assert function(*x, c, *s, out=out, eps=1e-10) is out
    assert relative(out, exact) < 1e-9
    minus = function(*x, c[0], *s, eps=1e-10, isign=-1)
    assert relative(minus, c[0] @ np.exp(-1j * (x.T @ s))) < 1e-9


def test_points_of_float64_keep_their_digits_in_single_precision():
    x = RNG.uniform(-np.pi, np.pi, 1000)
    c = numbers(1000, dtype="complex64")
    n = 1 << 16
    f = wavemill.nufft1d1(x, c, n, eps=1e-6)
    assert f.dtype == np.complex64
    k = np.arange(n)[::997] - n // 2
    exact = np.exp(1j * np.multiply.outer(k, x)) @ c.astype(complex)
    assert relative(f[::997], exact) < 5e-6
    # Points of float32 lose them, whatever is done afterwards.
    assert relative(finufft.nufft1d1(x.astype("float32"), c, n)[::997], exact) > 1e-4


def test_real_strengths():
    x, c = RNG.uniform(0, 6, 64), RNG.standard_normal((2, 64))
    real = wavemill.nufft1d1(x, c, 20, eps=1e-12)
    assert relative(real, wavemill.nufft1d1(x, c.astype(complex), 20, eps=1e-12)) < 1e-13
    with pytest.raises(TypeError, match="float64 was given, but complex128"):
        finufft.nufft1d1(x, c, 20)


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize("plan", [wavemill.Plan, DropIn])
def test_the_adjoint_is_the_adjoint(plan, kind):
    made = plan(kind, 2 if kind == 3 else (9, 8), n_trans=2, eps=1e-9)
    x = RNG.uniform(-3, 3, (2, 70))
    targets = RNG.uniform(-3, 3, (2, 72)) if kind == 3 else ()
    made.setpts(*x, *([None] if kind == 3 else []), *targets)
    a = numbers(2, 9, 8) if kind == 2 else numbers(2, 70)
    forward = made.execute(a)
    b = numbers(*forward.shape)
    back = made.execute_adjoint(b)
    assert back.shape == a.shape
    out = np.empty_like(a)
    assert made.execute_adjoint(b, out) is out and np.array_equal(out, back)
    assert abs(np.vdot(b, forward) - np.vdot(back, a)) < 1e-13 * np.linalg.norm(b) * np.linalg.norm(forward)


def test_results_are_the_same_bits_for_any_threads_and_batch():
    x = RNG.uniform(-3, 3, (2, 30_000))
    c = numbers(2, 30_000)
    one = wavemill.nufft2d1(*x, c, (64, 50), nthreads=1)
    two = wavemill.nufft2d1(*x, c, (64, 50), nthreads=2)
    assert np.array_equal(one, two)
    assert np.array_equal(wavemill.nufft2d1(*x, c[0], (64, 50)), one[0])


def test_strided_arrays_are_read_and_written_in_place():
    points = RNG.uniform(-3, 3, (100, 2))
    c = numbers(100, 3)
    f = wavemill.nufft2d1(*points.T, c.T, (8, 10))
    same = wavemill.nufft2d1(*np.ascontiguousarray(points.T), np.ascontiguousarray(c.T), (8, 10))
    assert np.array_equal(f, same)
    out = np.zeros((3, 10, 8), complex).transpose(0, 2, 1)
    assert wavemill.nufft2d1(*points.T, c.T, out=out) is out
    assert np.array_equal(out, same)


def test_nan_is_refused_and_nothing_written():
    x = np.array([0.0, 1.0, np.nan])
    out = np.full(5, 7.0 + 0j)
    for module in (wavemill, finufft):
        with pytest.raises(ValueError, match="point 2 has the coordinate NaN on axis 0"):
            module.nufft1d1(x, numbers(3), 5, out=out)
    assert (out == 7).all()
    # Earlier points stay.
    plan = wavemill.Plan(1, 5)
    plan.setpts(np.zeros(3))
    with pytest.raises(ValueError, match="point 2"):
        plan.setpts(x)
    assert np.allclose(plan.execute(np.ones(3)), 3)


def test_too_large_is_a_memory_error():
    with pytest.raises(MemoryError, match="needs"):
        wavemill.Plan(1, (1 << 20, 1 << 20, 1 << 20))
    with pytest.raises(MemoryError):
        wavemill.Plan(1, (1 << 40,))


def test_eps_out_of_reach():
    with pytest.raises(wavemill.ToleranceError, match="smallest reachable one is .*allow_eps_too_small=True"):
        wavemill.Plan(1, 8, eps=1e-17)
    assert issubclass(wavemill.ToleranceError, ValueError)
    wavemill.Plan(1, 8, eps=1e-17, allow_eps_too_small=True)
    with pytest.warns(Warning, match="eps tolerance too small"):
        plan = finufft.Plan(3, 1, eps=0)
    plan.setpts(np.array([0.5]), s=np.array([2.0]))
    assert abs(plan.execute(np.array([1.0 + 0j]))[0] - np.exp(1j)) < 1e-13
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        finufft.Plan(1, 8, eps=1e-30, showwarn=0)


def test_options():
    assert finufft.__version__ == "2.5.1"
    x, c = RNG.uniform(0, 6, 64), numbers(64)
    plain = finufft.nufft1d1(x, c, 30, eps=1e-8)
    for name in wavemill.IGNORED_OPTIONS:
        assert np.array_equal(finufft.nufft1d1(x, c, 30, eps=1e-8, **{name: 1}), plain)
    assert relative(finufft.nufft1d1(x, c, 30, eps=1e-5, upsampfac=1.5), plain) < 1e-4
    plan = wavemill.Plan(1, 1000, upsampfac=1.5)
    assert "upsampling 1.5" in plan.describe()
    with pytest.raises(ValueError, match="1.2 <= upsampling <= 4"):
        wavemill.Plan(1, 1000, upsampfac=9)
    with pytest.raises(TypeError, match="unexpected option 'mode_order'"):
        wavemill.Plan(1, 8, mode_order=1)
    with pytest.raises(ValueError, match="nthreads = -1"):
        wavemill.Plan(1, 8, nthreads=-1)
    with pytest.raises(ValueError, match="modeord = 2"):
        wavemill.Plan(1, 8, modeord=2)


@pytest.mark.parametrize("shape", [(40,), (37, 40), (24, 25, 26)])
@pytest.mark.parametrize("plan", [wavemill.Plan, DropIn])
def test_spreading_alone(plan, shape):
    dim = len(shape)
    x = RNG.uniform(-7, 7, (dim, 20))
    spreads = plan(1, shape, eps=1e-4, spreadinterponly=1)
    spreads.setpts(*x)
    c = numbers(20)
    grid = spreads.execute(c)
    assert grid.shape == shape
    # A kernel of height 1 that is wider than a cell: on its own a point leaves one bump at its place, from -pi on.
    alone = spreads.execute(np.eye(20)[3].astype(complex))
    assert 0.3 < alone.real.max() <= 1.0 and abs(alone.imag).max() == 0
    at = np.unravel_index(np.argmax(alone.real), shape)
    for axis in range(dim):
        cell = ((x[axis, 3] + np.pi) / (2 * np.pi) * shape[axis]) % shape[axis]
        assert abs((at[axis] - cell + shape[axis] / 2) % shape[axis] - shape[axis] / 2) <= 0.51
    # Interpolation is its adjoint.
    reads = plan(2, shape, eps=1e-4, spreadinterponly=1)
    reads.setpts(*x)
    b = numbers(*shape)
    assert abs(np.vdot(b, grid) - np.vdot(reads.execute(b), c)) < 1e-12 * np.linalg.norm(b) * np.linalg.norm(grid)


def test_shapes_that_do_not_fit():
    plan = wavemill.Plan(1, (4, 5), n_trans=2)
    with pytest.raises(ValueError, match="call setpts first"):
        plan.execute(numbers(2, 3))
    with pytest.raises(ValueError, match="y must be a vector"):
        plan.setpts(np.zeros(3))
    with pytest.raises(ValueError, match="same length as x: expected 3, got 4"):
        plan.setpts(np.zeros(3), np.zeros(4))
    plan.setpts(np.zeros(3), np.zeros(3))
    out = np.full((2, 5, 4), 3.0 + 0j)
    with pytest.raises(ValueError, match=r"not consistent with n_modes = \(4, 5\)"):
        plan.execute(numbers(2, 3), out)
    assert (out == 3).all()
    with pytest.raises(TypeError, match="expected an array of complex128, got float64"):
        plan.execute(numbers(2, 3), np.zeros((2, 4, 5)))
    with pytest.raises(TypeError, match="complex64 or what converts"):
        wavemill.nufft1d1(np.zeros(3), numbers(3), 4, eps=1e-3, out=None) is not None
        single = wavemill.Plan(1, 4, dtype="complex64", eps=1e-3)
        single.setpts(np.zeros(3))
        single.execute(numbers(3))
    overlapping = numbers(2, 20)
    plan.setpts(np.zeros(20), np.zeros(20))
    with pytest.raises(ValueError, match="shares no memory"):
        plan.execute(overlapping, overlapping.reshape(2, 4, 5))


@pytest.mark.parametrize("count", [0, 1])
def test_few_points(count):
    x = np.zeros(count)
    for module, dim in itertools.product((wavemill, finufft), (1, 2, 3)):
        f = getattr(module, f"nufft{dim}d1")(*[x] * dim, np.ones(count, complex), (3,) * dim)
        assert np.allclose(f, count)
        c = getattr(module, f"nufft{dim}d2")(*[x] * dim, np.ones((1,) * dim, complex))
        assert c.shape == (count,) and np.allclose(c, 1)


def test_a_plan_that_meets_many_more_points_than_modes():
    plan = wavemill.Plan(1, (16,), eps=1e-9)
    for count in (10, 10_000, 5):
        x, c = RNG.uniform(-3, 3, count), numbers(count)
        plan.setpts(x)
        assert relative(plan.execute(c), c @ phases([x], (16,), 1)) < 1e-8
