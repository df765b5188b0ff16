#!/usr/bin/env bash
# Runs the test-suites of programs that use FINUFFT on wavemill.finufft, and on FINUFFT itself for comparison: FINUFFT's
# own, nifty-ls's, mri-nufft's and pytorch-finufft's. Runs NumPy's tests of reductions and the array API's of
# statistical functions with wavemill's functions in NumPy's place, and on NumPy itself. Nothing of them is kept in this repository.
#
#     benches/peers/clients.sh [finufft|nifty-ls|mri-nufft|pytorch-finufft|numpy|array-api ...]
#
# FINUFFT's source distribution has no tests: they are cloned at the tag of the release, or taken from the git
# repository that $FINUFFT_REPOSITORY names. So are the array API's, with $ARRAY_API_TESTS_REPOSITORY and, for the
# standard itself, $ARRAY_API_REPOSITORY. $WAVEMILL_WHEEL names a wheel that is built already.
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

# The plug-in that puts wavemill's reductions in the place of NumPy's.
cat >"$work/wavemill_in_numpy.py" <<'PY'
import numpy

import wavemill

for name in ("sum prod mean var std min max argmin argmax any all count_nonzero average nansum nanprod nanmean nanvar "
             "nanstd nanmin nanmax nanargmin nanargmax").split():
    setattr(numpy, name, getattr(wavemill, name))
numpy.amin, numpy.amax = wavemill.min, wavemill.max
PY

# suite NAME DIRECTORY "PACKAGES" PYTEST-ARGUMENTS...: both runs, in an environment of their own.
suite() {
    local name=$1 directory=$2 packages=$3 venv=$work/venv-$1 instead=wavemill_drop_in peer=FINUFFT
    shift 3
    case $name in numpy | array-api) instead=wavemill_in_numpy peer=NumPy ;; esac
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    # shellcheck disable=SC2086
    "$venv/bin/pip" install --quiet $packages
    "$venv/bin/pip" install --quiet --force-reinstall --no-deps "$wheel"
    for engine in wavemill peer; do
        local plugin=()
        [ "$engine" = peer ] || plugin=(-p "$instead")
        (cd "$directory" && PYTHONPATH=$work "$venv/bin/python" -m pytest "${plugin[@]}" --quiet --tb=line \
            -p no:cacheprovider --junitxml="$work/$name-$engine.xml" "$@" >"$work/$name-$engine.log" 2>&1) || true
    done
    python3 - "$name" "$peer" "$work/$name-wavemill.xml" "$work/$name-peer.xml" <<'PY'
import sys
import xml.etree.ElementTree as tree

name, peer, *files = sys.argv[1:]
runs = []
for file in files:
    run = {}
    for case in tree.parse(file).iter("testcase"):
        kinds = {child.tag for child in case}
        verdict = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        run[f"{case.get('classname')}::{case.get('name')}"] = verdict
    runs.append(run)
for engine, run in zip(("wavemill", peer), runs):
    counts = ", ".join(f"{list(run.values()).count(kind)} {kind}" for kind in ("passed", "failed", "skipped"))
    print(f"{name} on {engine}: {counts}")
only = sorted(case for case, verdict in runs[0].items() if verdict == "failed" and runs[1].get(case) != "failed")
print(f"    {len(only)} fail on wavemill alone")
print("".join(f"        {case}\n" for case in only), end="")
PY
}

# cloned URL DIRECTORY [BRANCH]: clones a repository, if it is not there.
cloned() {
    [ -d "$2" ] || git clone --quiet --depth 1 ${3:+--branch "$3"} "$1" "$2"
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
        cloned "${FINUFFT_REPOSITORY:-https://github.com/flatironinstitute/finufft}" "$tests" v2.5.1
        suite finufft "$tests/python/finufft/test" "finufft==2.5.1 pytest" test_finufft_simple.py test_finufft_plan.py
        ;;
    nifty-ls)
        suite nifty-ls "$(source_of nifty-ls 1.1.0)" "finufft==2.5.1 nifty-ls==1.1.0 astropy pytest pytest-benchmark" \
            --benchmark-skip tests
        ;;
    mri-nufft)
        suite mri-nufft "$(source_of mri-nufft 1.5.1)" "finufft==2.5.1 mri-nufft==1.5.1 ducc0 scipy pytest<8 pytest-cases" \
            --backend finufft --ref ducc0 -k "finufft and not cufinufft" tests
        ;;
    pytorch-finufft)
        suite pytorch-finufft "$(source_of pytorch-finufft 0.1.0)" \
            "finufft==2.5.1 pytorch-finufft==0.1.0 torch scipy pytest" tests
        ;;
    numpy)
        suite numpy "$work" "numpy==2.4.6 pytest hypothesis" --pyargs numpy.lib.tests.test_nanfunctions \
            numpy._core.tests.test_numeric numpy.lib.tests.test_function_base
        ;;
    array-api)
        local tests=$work/array-api-tests
        cloned "${ARRAY_API_TESTS_REPOSITORY:-https://github.com/data-apis/array-api-tests}" "$tests"
        rmdir "$tests/array-api" 2>/dev/null || true
        cloned "${ARRAY_API_REPOSITORY:-https://github.com/data-apis/array-api}" "$tests/array-api"
        ARRAY_API_TESTS_MODULE=numpy suite array-api "$tests" "numpy==2.4.6 -r $tests/requirements.txt" \
            array_api_tests/test_statistical_functions.py array_api_tests/test_searching_functions.py \
            array_api_tests/test_utility_functions.py
        ;;
    *)
        echo "unknown suite $1: expected finufft, nifty-ls, mri-nufft, pytorch-finufft, numpy or array-api" >&2
        exit 1
        ;;
    esac
}

if [ $# = 0 ]; then set -- finufft nifty-ls mri-nufft pytorch-finufft numpy array-api; fi
for name in "$@"; do run "$name"; done
