"""The speed beside FINUFFT's on this machine: types 1 and 2 in one to three dimensions, drawn as a PNG.

    python finufft_speed.py [--points 1000000] [--out .]
"""

import argparse
import time
from pathlib import Path

import finufft
import matplotlib
import numpy as np

import wavemill
import wavemill.finufft

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


def seconds(work, repeats=5):
    """The median time of a call, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return float(np.median(times))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=Path("."))
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    tolerances = [1e-3, 1e-6, 1e-9, 1e-12]
    for plot, kind in zip(axes, (1, 2)):
        for dim in (1, 2, 3):
            x = rng.uniform(-np.pi, np.pi, (dim, given.points))
            modes = (round(given.points ** (1 / dim)),) * dim
            shape = (given.points,) if kind == 1 else modes
            data = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
            ratios = []
            for eps in tolerances:
                times = []
                for module in (finufft, wavemill.finufft):
                    function = getattr(module, f"nufft{dim}d{kind}")
                    extra = (modes,) if kind == 1 else ()
                    times.append(seconds(lambda: function(*x, data, *extra, eps=eps)))
                ratios.append(times[0] / times[1])
                print(f"type {kind} {dim}-D {eps:.0e}: FINUFFT {times[0]:.4f} s, wavemill {times[1]:.4f} s")
            plot.semilogx(tolerances, ratios, "o-", label=f"{dim}-D, {' × '.join(map(str, modes))} modes")
        plot.axhline(1, color="grey", lw=1)
        plot.set(title=f"type {kind}, {given.points} points, plan included", xlabel="eps")
        plot.legend()
    axes[0].set_ylabel("FINUFFT's time / wavemill's")
    fig.savefig(given.out / "finufft_speed.png", dpi=120)
    print(wavemill.device().name)


if __name__ == "__main__":
    main()
