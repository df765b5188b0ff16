"""The examples draw their pictures."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"
RUNS = {
    "finufft_speed": (["--points", "4000"], "wavemill"),
    "radial_mri": (["--size", "64", "--spokes", "101"], "12 iterations: relative error 0.17"),
    "co2_periodogram": ([], "highest peak at 0.999|highest peak at 1.000"),
    "sst_mean": (["--days", "20", "--step", "6"], "20 maps of (30, 60)"),
    "scale": (["--seconds-a-task", "2e-4"], "40 PB"),
}


@pytest.mark.parametrize("name", RUNS)
def test_an_example_draws_its_picture(name, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip({"finufft_speed": "finufft", "sst_mean": "netCDF4"}.get(name, "numpy"))
    options, said = RUNS[name]
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *options, "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert any(text in done.stdout for text in said.split("|")), done.stdout
    picture = (tmp_path / f"{name}.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n" and len(picture) > 5000
