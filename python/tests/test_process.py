"""What the package does to the process around it: memory, the interpreter's lock, forks."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import wavemill


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


MEMORY = """
import resource, numpy as np, wavemill
a = np.zeros((4000, 5000), {dtype})[{slices}]
a.base[...] = 1
wavemill.sum(np.ones(10)); wavemill.matmul(np.ones((2, 2)), np.ones((2, 2)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{work}
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * 1024 / a.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
@pytest.mark.parametrize("dtype", ["np.float32", "np.float64", "np.int32", "np.bool_", "np.complex64"])
@pytest.mark.parametrize("slices", [":", "::2, ::-1", "::-1, 1::2"])
def test_input_is_not_copied(dtype, slices):
    work = "for axis in (None, 0, 1): wavemill.reduce(a, ['sum', 'var', 'any'], axis=axis); wavemill.count_nonzero(a)"
    share = float(run(MEMORY.format(dtype=dtype, slices=slices, work=work)))
    # Results of 5000 columns and blocks of them are some megabytes.
    assert share < 0.35


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_strengths_are_not_copied():
    work = "x = np.zeros(16); p = wavemill.Plan(1, 16, n_trans=4000 * 5000 // 16); p.setpts(x)\n"
    work += "b = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
    work = work.replace("p = wavemill", "c = a.reshape(-1, 16); out = np.ones((len(c), 16), complex); p = wavemill")
    code = MEMORY.format(dtype="complex", slices=":", work=work + "before = b; p.execute(c, out)")
    assert float(run(code)) < 0.1


def test_other_threads_run_meanwhile():
    a = np.ones((1500, 1500))
    ticks = 0
    done = threading.Event()

    def work():
        for _ in range(4):
            wavemill.matmul(a, a, nthreads=1)
        done.set()

    wavemill.matmul(a, a, nthreads=1)
    thread = threading.Thread(target=work)
    longest, last = 0.0, time.perf_counter()
    thread.start()
    while not done.is_set():
        time.sleep(0.001)
        now = time.perf_counter()
        longest, last, ticks = max(longest, now - last), now, ticks + 1
    thread.join()
    # With the lock held through a product, there would be four ticks at most.
    assert ticks > 20, (ticks, longest)


def test_threads_share_a_plan():
    rng = np.random.default_rng(1)
    x, c = rng.uniform(-3, 3, 20_000), rng.standard_normal((6, 20_000)) + 0j
    plan = wavemill.Plan(1, 500, nthreads=1)
    plan.setpts(x)
    expected = [plan.execute(row) for row in c]
    found = [None] * 6

    def work(i):
        for _ in range(5):
            found[i] = plan.execute(c[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(np.array_equal(a, b) for a, b in zip(found, expected))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_work_after_a_fork():
    code = """
import os, warnings, numpy as np, wavemill
warnings.simplefilter("ignore")
a = np.random.default_rng(1).standard_normal((600, 600))
x = np.linspace(0, 6, 100_000)
def work():
    return wavemill.matmul(a, a), wavemill.sum(a), wavemill.nufft1d1(x, x, 1000)
before = work()
child = os.fork()
if child == 0:
    same = all(np.array_equal(p, q) for p, q in zip(before, work()))
    os._exit(0 if same else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(code).strip() == "0"


def test_show_and_metadata(capsys):
    from importlib.metadata import metadata

    wavemill.show()
    text = capsys.readouterr().out
    assert "cpu    CPU, " in text and "--device auto" in text
    about = metadata("wavemill")
    assert about["Version"] == wavemill.__version__
    assert about["License-Expression"] == "MIT OR Apache-2.0"


def test_devices():
    assert wavemill.device("cpu", 2).name == "CPU, 2 threads"
    assert wavemill.device("cpu", 2) is wavemill.device("cpu", 2)
    with pytest.raises(ValueError, match='must be "cpu", "auto", "gpu" or "gpu:N"'):
        wavemill.device("tpu")
    with pytest.raises(RuntimeError, match="expected"):
        wavemill.device("gpu:99")
    assert wavemill.sum(np.ones(3)) == wavemill.reduce(np.ones(3), "sum", device="auto")
