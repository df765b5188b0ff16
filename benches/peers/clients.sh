#!/usr/bin/env bash
# Runs the test-suites of programs that use FINUFFT on wavemill.finufft, and on FINUFFT itself for comparison: FINUFFT's
# own, nifty-ls's, mri-nufft's and pytorch-finufft's. Nothing of them is kept in this repository.
#
#     benches/peers/clients.sh [finufft|nifty-ls|mri-nufft|pytorch-finufft ...]
#
# FINUFFT's source distribution has no tests: they are cloned at the tag of the release, or taken from the git
# repository that $FINUFFT_REPOSITORY names. $WAVEMILL_WHEEL names a wheel that is built already.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
work=${CARGO_TARGET_DIR:-$root/target}/clients
mkdir -p "$work"
wheel=${WAVEMILL_WHEEL:-}
if [ -z "$wheel" ]; then
    rm -rf "$work/wheel"
    python3 -m pip wheel --quiet --no-deps --wheel-dir "$work/wheel" python
    wheel=$(echo "$work"/wheel/*.whl)
fi

# The plug-in that puts wavemill.finufft in FINUFFT's place before a test imports it.
cat >"$work/wavemill_drop_in.py" <<'PY'
import sys

import wavemill.finufft._finufft
import wavemill.finufft._interfaces

for name in ("", "._interfaces", "._finufft"):
    sys.modules["finufft" + name] = sys.modules["wavemill.finufft" + name]
PY

# suite NAME DIRECTORY "PACKAGES" PYTEST-ARGUMENTS...: both runs, in an environment of their own.
suite() {
    local name=$1 directory=$2 packages=$3 venv=$work/venv-$1
    shift 3
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    # shellcheck disable=SC2086
    "$venv/bin/pip" install --quiet finufft==2.5.1 $packages
    "$venv/bin/pip" install --quiet --force-reinstall --no-deps "$wheel"
    for engine in wavemill finufft; do
        local plugin=()
        [ "$engine" = finufft ] || plugin=(-p wavemill_drop_in)
        (cd "$directory" && PYTHONPATH=$work "$venv/bin/python" -m pytest "${plugin[@]}" --quiet --tb=line \
            -p no:cacheprovider --junitxml="$work/$name-$engine.xml" "$@" >"$work/$name-$engine.log" 2>&1) || true
    done
    python3 - "$name" "$work/$name-wavemill.xml" "$work/$name-finufft.xml" <<'PY'
import sys
import xml.etree.ElementTree as tree

name, *files = sys.argv[1:]
runs = []
for file in files:
    run = {}
    for case in tree.parse(file).iter("testcase"):
        kinds = {child.tag for child in case}
        verdict = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        run[f"{case.get('classname')}::{case.get('name')}"] = verdict
    runs.append(run)
for engine, run in zip(("wavemill", "FINUFFT"), runs):
    counts = ", ".join(f"{list(run.values()).count(kind)} {kind}" for kind in ("passed", "failed", "skipped"))
    print(f"{name} on {engine}: {counts}")
only = sorted(case for case, verdict in runs[0].items() if verdict == "failed" and runs[1].get(case) != "failed")
print(f"    {len(only)} fail on wavemill alone")
print("".join(f"        {case}\n" for case in only), end="")
PY
}

# source NAME VERSION: the path of an unpacked source distribution.
source_of() {
    local name=$1 version=$2
    if ! compgen -G "$work/${name//-/_}-$version" >/dev/null; then
        python3 -m pip download --quiet --no-deps --no-binary "$name" --dest "$work" "$name==$version" >&2
        tar -xf "$work/${name//-/_}-$version.tar.gz" -C "$work"
    fi
    echo "$work/${name//-/_}-$version"
}

run() {
    case $1 in
    finufft)
        local tests=$work/finufft-tests
        if [ ! -d "$tests" ]; then
            git clone --quiet --depth 1 --branch v2.5.1 \
                "${FINUFFT_REPOSITORY:-https://github.com/flatironinstitute/finufft}" "$tests"
        fi
        suite finufft "$tests/python/finufft/test" "pytest" test_finufft_simple.py test_finufft_plan.py
        ;;
    nifty-ls)
        suite nifty-ls "$(source_of nifty-ls 1.1.0)" "nifty-ls==1.1.0 astropy pytest pytest-benchmark" \
            --benchmark-skip tests
        ;;
    mri-nufft)
        suite mri-nufft "$(source_of mri-nufft 1.5.1)" "mri-nufft==1.5.1 ducc0 scipy pytest<8 pytest-cases" \
            --backend finufft --ref ducc0 -k "finufft and not cufinufft" tests
        ;;
    pytorch-finufft)
        suite pytorch-finufft "$(source_of pytorch-finufft 0.1.0)" "pytorch-finufft==0.1.0 torch scipy pytest" tests
        ;;
    *)
        echo "unknown suite $1: expected finufft, nifty-ls, mri-nufft or pytorch-finufft" >&2
        exit 1
        ;;
    esac
}

if [ $# = 0 ]; then set -- finufft nifty-ls mri-nufft pytorch-finufft; fi
for name in "$@"; do run "$name"; done
