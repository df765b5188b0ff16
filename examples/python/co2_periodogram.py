"""The periodogram of weekly CO2 at Mauna Loa with its gaps: the year, its half, and nothing else. Drawn as a PNG.

    python co2_periodogram.py [--out .]
"""

import argparse
import csv
import datetime
from pathlib import Path

import matplotlib
import numpy as np

import wavemill

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


def years(text):
    date = datetime.datetime.strptime(text, "%Y%m%d").date()
    begin = datetime.date(date.year, 1, 1)
    return date.year + (date - begin).days / (datetime.date(date.year + 1, 1, 1) - begin).days


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent.parent / "data" / "mauna_loa_co2.csv")
    parser.add_argument("--out", type=Path, default=Path("."))
    given = parser.parse_args()
    with given.data.open() as file:
        rows = [row for row in csv.DictReader(file) if row["co2"]]
    t, y = np.array([years(row["date"]) for row in rows]), np.array([float(row["co2"]) for row in rows])
    # The rise is not a wave: a cubic takes it away first.
    y -= np.polynomial.Polynomial.fit(t, y, 3)(t)

    search = wavemill.LombScargle(t, y)
    frequency, power = search.autopower(minimum_frequency=0.05, maximum_frequency=6)
    level = search.false_alarm_level(1e-6, maximum_frequency=6)
    best = frequency[power.argmax()]
    print(f"highest peak at {best:.4f} cycles a year, power {power.max():.3f}")
    print(f"a power of {level:.4f} has the false-alarm probability 1e-6")

    fig, (above, below) = plt.subplots(2, 1, figsize=(9, 6), layout="constrained")
    above.plot(frequency, power, lw=0.8)
    above.axhline(level, color="C1", lw=0.8, label="false alarm 1e-6")
    above.set(xlabel="cycles a year", ylabel="power", title="CO2 at Mauna Loa")
    above.legend()
    phase = np.linspace(0, 2, 400)
    below.plot(t % 1, y, ".", ms=2)
    below.plot(t % 1 + 1, y, ".", ms=2, color="C0")
    two = wavemill.LombScargle(t, y, nterms=2)
    below.plot(phase, two.model(phase, 1.0), color="C1")
    below.set(xlabel="year", ylabel="ppm", title="folded by the year, with two terms")
    fig.savefig(given.out / "co2_periodogram.png", dpi=110)


if __name__ == "__main__":
    main()
