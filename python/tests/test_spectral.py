"""Periodograms: against a fit at each frequency, and against astropy where it is installed."""

import numpy as np
import pytest

import wavemill

RNG = np.random.default_rng(1)
T = np.sort(RNG.uniform(0, 80, 150))
DY = RNG.uniform(0.5, 2, 150)
Y = 3 + np.sin(2 * np.pi * T / 7.3) + 0.3 * DY * RNG.standard_normal(150)


def by_fit(frequency, dy, fit_mean, center, nterms):
    w = np.broadcast_to(1 / np.asarray(1.0 if dy is None else dy), T.shape)
    y = Y - np.average(Y, weights=w**2) if center or fit_mean else Y
    base = y - np.average(y, weights=w**2) if center or fit_mean else y
    powers = []
    for f in frequency:
        phase = 2 * np.pi * f * np.multiply.outer(T, np.arange(1, nterms + 1))
        columns = [np.ones((len(T), 1))] if fit_mean else []
        x = np.hstack([*columns, np.sin(phase), np.cos(phase)]) * w[:, None]
        left = y * w - x @ np.linalg.lstsq(x, y * w, rcond=None)[0]
        powers.append(1 - (left @ left) / ((base * w) @ (base * w)))
    return np.array(powers)


@pytest.mark.parametrize("dy", [None, 0.7, DY])
@pytest.mark.parametrize("fit_mean, center", [(True, True), (False, True), (True, False)])
@pytest.mark.parametrize("nterms", [1, 3])
def test_power_is_that_of_a_fit(dy, fit_mean, center, nterms):
    search = wavemill.LombScargle(T, Y, dy, fit_mean, center, nterms)
    grid = 0.02 + 0.013 * np.arange(60)
    expected = by_fit(grid, dy, fit_mean, center, nterms)
    np.testing.assert_allclose(search.power(grid), expected, rtol=1e-8, atol=1e-12)
    shuffled = RNG.permutation(60)
    np.testing.assert_allclose(search.power(grid[shuffled]), expected[shuffled], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(search.power(grid[7]), expected[7], rtol=1e-8)


@pytest.mark.parametrize("normalization", ["standard", "model", "log", "psd"])
@pytest.mark.parametrize("nterms", [1, 2])
def test_as_astropy(normalization, nterms):
    timeseries = pytest.importorskip("astropy.timeseries")
    ours = wavemill.LombScargle(T, Y, DY, nterms=nterms, normalization=normalization)
    theirs = timeseries.LombScargle(T, Y, DY, nterms=nterms, normalization=normalization)
    frequency, power = ours.autopower()
    np.testing.assert_allclose(frequency, theirs.autofrequency(), rtol=1e-12)
    exact = theirs.power(frequency, method="chi2" if nterms > 1 else "slow")
    np.testing.assert_allclose(power, exact, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours.model(T, 0.137), theirs.model(T, 0.137), rtol=1e-9)
    np.testing.assert_allclose(ours.model_parameters(0.137), theirs.model_parameters(0.137), rtol=1e-8, atol=1e-10)
    assert abs(ours.offset() - theirs.offset()) < 1e-12
    if nterms == 1:
        for method in ("baluev", "davies", "naive"):
            got = ours.false_alarm_probability(power[:9], method=method)
            np.testing.assert_allclose(got, theirs.false_alarm_probability(power[:9], method=method), rtol=1e-4)


def test_significance():
    search = wavemill.LombScargle(T, Y)
    frequency, power = search.autopower(maximum_frequency=2)
    assert frequency[-1] <= 2.01 and abs(1 / frequency[power.argmax()] - 7.3) < 0.05
    assert search.false_alarm_probability(power.max()) < 1e-6
    level = search.false_alarm_level([0.1, 0.01])
    np.testing.assert_allclose(search.false_alarm_probability(level), [0.1, 0.01], rtol=1e-6)
    drawn = {"n_bootstraps": 50, "random_seed": 3}
    assert search.false_alarm_probability(power.max(), "bootstrap", method_kwds=drawn) == 0
    assert search.false_alarm_probability(0, "bootstrap", method_kwds=drawn) == 1
    level = search.false_alarm_level(0.5, "bootstrap", method_kwds=drawn)
    assert 0.3 < search.false_alarm_probability(level, "bootstrap", method_kwds=drawn) < 0.7


def test_refusals():
    with pytest.raises(ValueError, match="values that vary"):
        wavemill.LombScargle(T, np.ones(150))
    with pytest.raises(ValueError, match="normalization = \"psdd\""):
        wavemill.LombScargle(T, Y, normalization="psdd")
    with pytest.raises(ValueError, match="finite"):
        wavemill.LombScargle(T, np.where(T > 40, np.nan, Y))
    with pytest.raises(ValueError):
        wavemill.LombScargle(T, Y[:-1])
    with pytest.raises(ValueError, match="must be 'auto'"):
        wavemill.LombScargle(T, Y).power([0.1], method="quick")
    with pytest.raises(TypeError, match="n_bootstraps"):
        wavemill.LombScargle(T, Y).false_alarm_probability(0.5, method_kwds={"draws": 3})
