"""A phantom measured along radial lines, as magnetic resonance imaging does, and the image from the measurement.

Type 2 takes the image to its Fourier transform at the samples; its adjoint with density weights is the quick way back,
and conjugate gradients on the normal equations the good one. Drawn as a PNG.

    python radial_mri.py [--size 192] [--spokes 120] [--out .]
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import wavemill

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

# Ellipses of a head: brightness, half axes, centre and angle, in units of half the image.
HEAD = [
    (1.0, 0.69, 0.92, 0.0, 0.0, 0),
    (-0.8, 0.66, 0.87, 0.0, -0.02, 0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18),
    (0.3, 0.21, 0.25, 0.0, 0.35, 0),
    (0.3, 0.05, 0.05, 0.0, 0.1, 0),
    (0.3, 0.05, 0.02, -0.08, -0.6, 0),
    (0.3, 0.02, 0.05, 0.06, -0.6, 0),
]


def phantom(size):
    axis = (np.arange(size) - size // 2) / (size / 2)
    y, x = np.meshgrid(-axis, axis, indexing="ij")
    image = np.zeros((size, size))
    for value, a, b, u, v, angle in HEAD:
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        along, across = c * (x - u) + s * (y - v), c * (y - v) - s * (x - u)
        image[(along / a) ** 2 + (across / b) ** 2 <= 1] += value
    return image


def solve(plan, measured, weights, steps):
    """The image of least weighted misfit, by conjugate gradients from 0."""
    residual = plan.execute_adjoint(weights * measured)
    image, direction = np.zeros_like(residual), residual.copy()
    power = np.vdot(residual, residual).real
    for _ in range(steps):
        bent = plan.execute_adjoint(weights * plan.execute(direction))
        step = power / np.vdot(direction, bent).real
        image += step * direction
        residual -= step * bent
        power, before = np.vdot(residual, residual).real, power
        direction = residual + power / before * direction
    return image


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--spokes", type=int, default=120)
    parser.add_argument("--out", type=Path, default=Path("."))
    given = parser.parse_args()
    image = phantom(given.size)
    # Spokes turned by the golden angle, samples from edge to edge.
    radius = np.linspace(-np.pi, np.pi, 2 * given.size, endpoint=False)
    angle = np.arange(given.spokes) * np.pi * (np.sqrt(5) - 1) / 2
    points = [np.multiply.outer(turn, radius).reshape(-1) for turn in (np.sin(angle), np.cos(angle))]

    plan = wavemill.Plan(2, image.shape, eps=1e-6)
    plan.setpts(*points)
    rng = np.random.default_rng(1)
    measured = plan.execute(image)
    noise = rng.standard_normal((2, measured.size)) * 0.01 * np.abs(measured).std()
    measured = measured + noise[0] + 1j * noise[1]

    # Samples are the rarer the farther they are from the centre.
    weights = np.tile(np.maximum(np.abs(radius), radius[1] - radius[0]), given.spokes)
    quick = plan.execute_adjoint(weights * measured).real
    quick *= (quick * image).sum() / (quick * quick).sum()
    good = solve(plan, measured, weights, 12).real
    fig, axes = plt.subplots(1, 4, figsize=(14, 4), layout="constrained")
    axes[0].scatter(points[1][::7], points[0][::7], s=0.2)
    axes[0].set(title=f"{given.spokes} spokes", aspect="equal", xticks=[], yticks=[])
    for plot, (title, picture) in zip(axes[1:], [("phantom", image), ("adjoint", quick), ("12 iterations", good)]):
        error = np.linalg.norm(picture - image) / np.linalg.norm(image)
        plot.imshow(picture, cmap="gray", vmin=0, vmax=0.6)
        plot.set(title=f"{title}, error {error:.3f}" if picture is not image else title, xticks=[], yticks=[])
        print(f"{title}: relative error {error:.4f}")
    fig.savefig(given.out / "radial_mri.png", dpi=110)


if __name__ == "__main__":
    main()
