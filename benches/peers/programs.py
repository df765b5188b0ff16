"""Runs wavemill and its peers: each `run_` returns median seconds in total and of an execution, and the result.

All follow the protocol of `wavemill nufft --repeat`: the total is plan, points and one execution into a fresh array;
then comes an execution into the same array with the points set. Results and plans are freed outside the timings. The
first round of every program is not counted.
"""

import json
import os
import pathlib
import statistics
import subprocess
import time

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # Else FINUFFT's short two-thread times are milliseconds of spinning.

import ducc0  # noqa: E402
import finufft  # noqa: E402
import numpy as np  # noqa: E402

# DUCC's type 3 is still experimental, and not in every version.
DUCC_TYPE3 = getattr(ducc0.nufft, "experimental", None)

# The exceptions of programs that cannot do a case.
REFUSALS = (RuntimeError, ValueError, NotImplementedError, subprocess.CalledProcessError)

# FINUFFT's upsampling factor for each of the names it has here; 0 lets it choose.
UPSAMPLING = {"finufft 2.0": 2.0, "finufft auto": 0.0}


def wavemill_command(problem, tolerance, threads, binary):
    def files(letter, arrays):
        return ",".join(str(problem.folder / f"{letter}{axis}.npy") for axis in range(len(arrays)))

    extent = ["--targets", files("s", problem.targets)] if problem.kind == 3 else \
             ["--modes", ",".join(map(str, problem.modes))]
    return [binary, "nufft", "--type", str(problem.kind), *extent, "--points", files("x", problem.x),
            "--values", str(problem.folder / "values.npy"), "--tol", repr(tolerance), "--sign", "+",
            "--precision", problem.precision, "--device", "cpu", "--threads", str(threads),
            "--out", str(problem.folder / "out.npy")]


def run_wavemill(problem, tolerance, threads, repeats, binary):
    timings = pathlib.Path(problem.folder / "timings.json")
    command = wavemill_command(problem, tolerance, threads, binary)
    # A fresh process gets memory that the system must first provide, while the peers' process goes on.
    subprocess.run([*command, "--warmup", "1", "--repeat", str(repeats), "--timings", str(timings)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    stages = json.loads(timings.read_text())["timings"]
    return stages["total"], stages["execute"], np.load(problem.folder / "out.npy")


def finufft_once(problem, tolerance, threads, upsampling):
    """Makes a plan, sets its points and executes it; returns the plan and the result."""
    extents = len(problem.modes) if problem.kind == 3 else problem.modes
    plan = finufft.Plan(problem.kind, extents, problem.batch, eps=tolerance, isign=1, dtype=problem.complex,
                        nthreads=threads, upsampfac=upsampling)
    plan.setpts(*problem.x, **dict(zip("stu", problem.targets)))
    return plan, plan.execute(problem.values)


def run_finufft(problem, tolerance, threads, repeats, upsampling):
    totals, executions = [], []
    for _ in range(repeats + 1):
        plan = result = None
        start = time.perf_counter()
        plan, result = finufft_once(problem, tolerance, threads, upsampling)
        totals.append(time.perf_counter() - start)
        start = time.perf_counter()
        plan.execute(problem.values, out=result)
        executions.append(time.perf_counter() - start)
    return statistics.median(totals[1:]), statistics.median(executions[1:]), result


def ducc_once(problem, tolerance, threads):
    common = {"forward": False, "epsilon": tolerance, "nthreads": threads}
    if problem.kind == 1:
        out = np.empty((problem.batch,) * (problem.batch > 1) + tuple(problem.modes), problem.complex)
        return ducc0.nufft.nu2u(points=problem.values, coord=problem.coord, out=out, fft_order=False, **common)
    if problem.kind == 2:
        return ducc0.nufft.u2nu(grid=problem.values, coord=problem.coord, fft_order=False, **common)
    return DUCC_TYPE3.nu2nu(points_in=problem.values, coord_in=problem.coord, coord_out=problem.coord_out, **common)


def ducc_execution(problem, tolerance, threads):
    """A function that executes a plan into an array."""
    common = {"epsilon": tolerance, "nthreads": threads}
    if problem.kind == 3:
        plan = DUCC_TYPE3.plan3(coord_in=problem.coord, coord_out=problem.coord_out, **common)
        return lambda out: plan.exec(forward=False, points_in=problem.values, points_out=out)
    plan = ducc0.nufft.plan(nu2u=problem.kind == 1, coord=problem.coord, grid_shape=problem.modes, fft_order=False,
                            **common)
    if problem.kind == 1:
        return lambda out: plan.nu2u(forward=False, points=problem.values, out=out)
    return lambda out: plan.u2nu(forward=False, grid=problem.values, out=out)


def run_ducc(problem, tolerance, threads, repeats):
    if problem.kind == 3 and not hasattr(DUCC_TYPE3, "plan3"):
        raise NotImplementedError("this version has no type 3")
    execution = ducc_execution(problem, tolerance, threads)
    totals, executions = [], []
    for _ in range(repeats + 1):
        result = None
        start = time.perf_counter()
        # This is DUCC's one-shot function, which does not copy the points as its plan does.
        result = ducc_once(problem, tolerance, threads)
        totals.append(time.perf_counter() - start)
        start = time.perf_counter()
        execution(result)
        executions.append(time.perf_counter() - start)
    return statistics.median(totals[1:]), statistics.median(executions[1:]), result
