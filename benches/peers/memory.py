"""The peak resident memory of one transform beyond its input and output, with each program in a process of its own.

A process inherits the peak of the one that started it. So it is started by the small process `launch` below, which
imports nothing large.
"""

import json
import os
import resource
import subprocess
import sys

NAMES = ("arrays", "wavemill", "finufft 2.0", "finufft auto", "ducc")
UNIT = 1024  # Linux counts ru_maxrss in KiB.


def peaks(problem, tolerance, binary):
    """The bytes of each program, and those of input and output ("arrays")."""
    import numpy as np

    import programs

    points = 8 * sum(len(x) for x in (*problem.x, *problem.targets))
    found = {"arrays": points + problem.values.nbytes + problem.outputs() * problem.values.itemsize}
    ran = launched(programs.wavemill_command(problem, tolerance, 1, binary))
    if ran["rc"] == 0:
        found["wavemill"] = ran["peak"] - found["arrays"]
    np.save(problem.folder / "coord.npy", problem.coord)
    if problem.kind == 3:
        np.save(problem.folder / "coord_out.npy", problem.coord_out)
    for name in (*programs.UPSAMPLING, "ducc"):
        case = {"program": name, "folder": str(problem.folder), "kind": problem.kind, "modes": problem.modes,
                "tolerance": tolerance}
        ran = launched([sys.executable, __file__, "child", json.dumps(case)])
        if ran["rc"] == 0:
            found[name] = json.loads(ran["stdout"])
    return found


def launched(command):
    ran = subprocess.run([sys.executable, __file__, "launch", *command], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(ran.stdout)


def launch(command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    stdout = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    print(json.dumps({"rc": process.returncode, "peak": usage.ru_maxrss * UNIT, "stdout": stdout}))


def child(case):
    """Runs one peer's transform of the files in a folder; returns what it adds to the peak, without the output."""
    from types import SimpleNamespace

    import numpy as np

    import programs

    def load(*names):
        return [np.load(f"{case['folder']}/{name}.npy") for name in names]

    problem = SimpleNamespace(batch=1, kind=case["kind"], modes=tuple(case["modes"]), targets=[], values=load("values")[0])
    problem.complex = problem.values.dtype
    axes, third = len(problem.modes), problem.kind == 3
    # Only the arrays that this program needs are read: a second copy of the points would raise the earlier peak.
    if case["program"] == "ducc":
        problem.coord, problem.coord_out = load("coord")[0], load("coord_out")[0] if third else None
    else:
        problem.x = load(*(f"x{axis}" for axis in range(axes)))
        problem.targets = load(*(f"s{axis}" for axis in range(axes))) if third else []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if case["program"] == "ducc":
        result = programs.ducc_once(problem, case["tolerance"], 1)
    else:
        _, result = programs.finufft_once(problem, case["tolerance"], 1, programs.UPSAMPLING[case["program"]])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print((after - before) * UNIT - result.nbytes)


if __name__ == "__main__":
    if sys.argv[1] == "launch":
        launch(sys.argv[2:])
    else:
        child(json.loads(sys.argv[2]))
