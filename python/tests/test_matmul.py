"""Products against NumPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wavemill

TYPES = ["?", "i2", "i8", "u1", "f2", "f4", "f8", "c8", "c16"]


@st.composite
def factors(draw):
    m, k, n = (draw(st.integers(0, 6)) for _ in range(3))
    batch = draw(st.sampled_from([((), ()), ((2,), ()), ((), (3,)), ((2,), (2,)), ((2, 1), (3,)), ((1,), (2,))]))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))

    def matrix(lead, rows, columns):
        dtype = np.dtype(draw(st.sampled_from(TYPES)))
        turned = draw(st.booleans())
        shape = (*lead, columns, rows) if turned else (*lead, rows, columns)
        values = rng.integers(0 if dtype.kind in "u?b" else -4, 5, shape)
        if dtype.kind == "c":
            values = values + 1j * rng.integers(-4, 5, shape)
        values = values.astype(dtype)
        values = values.swapaxes(-1, -2) if turned else values
        return values[..., ::-1, :] if draw(st.booleans()) else values

    a, b = matrix(batch[0], m, k), matrix(batch[1], k, n)
    if draw(st.integers(0, 4)) == 0:
        a = a[..., 0, :] if m and not batch[0] else a
    if draw(st.integers(0, 4)) == 0:
        b = b[..., 0] if n and not batch[1] else b
    return a, b


@settings(max_examples=600, deadline=None)
@given(factors())
def test_as_numpy(pair):
    a, b = pair
    expected = a @ b
    got = wavemill.matmul(a, b)
    assert got.dtype == expected.dtype and np.shape(got) == np.shape(expected)
    # Small integers: every product is exact in every type.
    np.testing.assert_array_equal(got, expected)
    out = np.empty_like(np.asarray(expected))
    assert wavemill.matmul(a, b, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_out_that_is_an_argument():
    a = np.arange(9.0).reshape(3, 3)
    expected = a @ a
    assert wavemill.matmul(a, a, out=a) is a
    np.testing.assert_array_equal(a, expected)


def test_threads_give_the_same_bits():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((150, 300)), rng.standard_normal((300, 200))
    np.testing.assert_array_equal(wavemill.matmul(a, b, nthreads=1), wavemill.matmul(a, b, nthreads=2))
    np.testing.assert_allclose(wavemill.matmul(a, b), a @ b, rtol=0, atol=1e-12)


def test_refusals():
    with pytest.raises(ValueError, match="as many columns of a as rows of b, got 3 and 2"):
        wavemill.matmul(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="no axes"):
        wavemill.matmul(3.0, np.ones((2, 3)))
    with pytest.raises(TypeError, match="got <U1|got .*for a"):
        wavemill.matmul(np.array(["a"]), np.ones(1))
    with pytest.raises(ValueError, match="expected the shape"):
        wavemill.matmul(np.ones((2, 3)), np.ones((3, 2)), out=np.zeros((3, 3)))
    with pytest.raises(TypeError, match="can be converted"):
        wavemill.matmul(np.ones((2, 3)), np.ones((3, 2)), out=np.zeros((2, 2), int))
    with pytest.raises(ValueError):
        wavemill.matmul(np.ones((2, 2, 3)), np.ones((3, 3, 2)))
