#!/usr/bin/env python3
"""How well the cost model chooses: the chosen width and grid beside a scan over upsampling factors, on this machine.

    cargo build --release --features cli
    python3 benches/peers/choice.py [--binary target/release/wavemill] [--threads 1] [--rounds 3] [--out FILE]

For each case the transform is executed as chosen and at upsampling factors from 1.25 to 2.25, in alternation; the least
time of each counts. The last column is the time of the choice over that of the best of the scan: 1.00 is the best
possible, and the aim is 1.15 at most. The model is `src/nufft/choice.rs`; its constants come from the stage times of
runs like these.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = [(modes, points, precision, tolerance)
         for modes, points in (((1_000_000,), 1_000_000), ((1000, 1000), 1_000_000), ((100, 100, 100), 1_000_000),
                               ((1000, 1000), 50_000), ((64, 64, 64), 2_000_000))
         for precision, tolerance in (("f64", 1e-6), ("f64", 1e-12), ("f32", 1e-4))]
FACTORS = (1.25, 1.4, 1.5, 1.6, 1.75, 1.9, 2.0, 2.16, 2.25)


def execute(options, kind, modes, folder, precision, tolerance, factor):
    """The seconds of one execution and the recipe; None if the factor cannot keep the tolerance."""
    timings = folder / "timings.json"
    command = [options.binary, "nufft", "--type", str(kind), "--modes", ",".join(map(str, modes)),
               "--points", ",".join(str(folder / f"x{axis}.npy") for axis in range(len(modes))),
               "--values", str(folder / ("c.npy" if kind == 1 else "f.npy")), "--tol", repr(tolerance), "--precision", precision,
               "--device", "cpu", "--threads", str(options.threads), "--repeat", "3", "--timings", str(timings)]
    if factor:
        command += ["--upsampling", str(factor)]
    if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
        return None
    found = json.loads(timings.read_text())
    return min(found["samples"]["execute"]), found["recipe"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(ROOT / "target/release/wavemill"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out")
    options = parser.parse_args()
    lines = ["| modes | points | precision, tol | type | chosen: width, upsampling | best of the scan | ms chosen | ms best | loss |",
             "|" + "---|" * 9]
    losses = []
    for modes, points, precision, tolerance in CASES:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            rng = np.random.default_rng(1)
            for axis in range(len(modes)):
                np.save(folder / f"x{axis}.npy", rng.uniform(-np.pi, np.pi, points))
            np.save(folder / "c.npy", rng.standard_normal(points) + 1j * rng.standard_normal(points))
            np.save(folder / "f.npy", rng.standard_normal(modes) + 1j * rng.standard_normal(modes))
            for kind in (1, 2):
                best = {}
                for _ in range(options.rounds):
                    for factor in (None, *FACTORS):
                        found = execute(options, kind, modes, folder, precision, tolerance, factor)
                        if found and found[0] < best.get(factor, found)[0] + 1e-12:
                            best[factor] = found
                chosen, recipe = best.pop(None)
                factor = min(best, key=lambda factor: best[factor][0])
                least, other = best[factor]
                losses.append(chosen / min(chosen, least))
                lines.append(f"| {'x'.join(map(str, modes))} | {points} | {precision} {tolerance:.0e} | {kind} "
                             f"| {recipe['width']}, {recipe['upsampling']:.2f} | {other['width']}, {other['upsampling']:.2f} "
                             f"| {1e3 * chosen:.1f} | {1e3 * least:.1f} | {losses[-1]:.2f} |")
                print(lines[-1], flush=True)
    lines += ["", f"Worst {max(losses):.2f}, geometric mean {np.exp(np.mean(np.log(losses))):.2f}; "
              f"{sum(loss > 1.15 for loss in losses)} of {len(losses)} above 1.15. {options.threads} thread(s)."]
    print(lines[-1])
    if options.out:
        pathlib.Path(options.out).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
