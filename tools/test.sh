#!/usr/bin/env bash
# Build and test everything: what has to pass before a change is accepted.
#
#   tools/test.sh [--slow] [--fuzz SECONDS] [--no-install] [--require-cuda] [--cuda-archs LIST]
#
#   release  all tests            asan  all tests but rod theory, with address and undefined-behaviour sanitizers
#   tsan     tests with threads   fuzz  each parser under libFuzzer (60 s; --fuzz SECONDS)
#
# The layout of the sources is checked first (tools/format.sh). --slow adds the tests labelled slow. The release build
# has the CUDA backend where nvcc is found; with --require-cuda it fails without. --cuda-archs names the chips that it
# is compiled for, such as 75,90, where all that nvcc knows would take minutes more. tsan and fuzz need clang. Tests that
# need recordings look in $RODGRAD_RECORDINGS, else in ../shared/recordings, and skip without them. Builds are
# incremental; logs are in build/<preset>. The exit code is 0 only if everything passed.
set -euo pipefail
cd "$(dirname "$0")/.."

slow=0 fuzz_seconds=60 install=1 cuda=AUTO archs=()
while [ $# -gt 0 ]; do
    case "$1" in
        --slow) slow=1 ;;
        --no-install) install=0 ;;
        --require-cuda) cuda=ON ;;
        --cuda-archs)
            shift
            [[ "${1-}" =~ ^[0-9]+([\ ,\;][0-9]+)*$ ]] ||
                { echo "test.sh: --cuda-archs needs compute capabilities, such as 75,90" >&2; exit 2; }
            archs=("-DRODGRAD_CUDA_ARCHS=${1//[ ,]/;}") ;;
        --fuzz)
            shift
            [[ "${1-}" =~ ^[0-9]+$ ]] || { echo "test.sh: --fuzz needs whole seconds" >&2; exit 2; }
            fuzz_seconds=$1 ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
        *) echo "test.sh: unknown option $1; --help lists them" >&2; exit 2 ;;
    esac
    shift
done
jobs=$(nproc)
say() { printf '\n== %s\n' "$*"; }

if [ $install -eq 1 ]; then
    say "packages"
    tools/install-deps.sh --test
fi

failed=()
say "format"
tools/format.sh --check || { [ $? -eq 3 ] && say "format left out"; } || failed+=("format")

# check <preset> <what is run> [cmake options --] [ctest options]: a failure is noted, the next preset
# still runs
check() {
    local preset=$1 what=$2 options=()
    shift 2
    while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    say "$preset: build"
    if ! cmake --preset "$preset" -DRODGRAD_BUILD_TESTS=ON "${options[@]}" >"build/configure-$preset.log" 2>&1
    then
        cat "build/configure-$preset.log"
        failed+=("$preset (configure)")
        return
    fi
    grep -E 'CUDA' "build/configure-$preset.log" || true
    if ! cmake --build --preset "$preset" -j "$jobs"; then
        failed+=("$preset (build)")
        return
    fi
    say "$preset: $what"
    ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$jobs" "$@" ||
        failed+=("$preset (tests)")
}

mkdir -p build
if [ $slow -eq 1 ]; then
    without_slow=() which="all tests, slow ones too"
else
    without_slow=(-LE slow) which="all tests but the slow ones"
fi
check release "$which" "-DRODGRAD_CUDA=$cuda" "${archs[@]}" -- "${without_slow[@]}"
check asan "$which" -- "${without_slow[@]}"
if command -v clang >/dev/null; then
    export TSAN_OPTIONS="ignore_noninstrumented_modules=1 halt_on_error=1"
    check tsan "tests labelled threads" -- -L threads "${without_slow[@]}"
    check fuzz "each parser for $fuzz_seconds s" "-DRODGRAD_FUZZ_SECONDS=$fuzz_seconds" -- -L fuzz
else
    say "tsan and fuzz left out: clang is not installed"
fi

if [ ${#failed[@]} -gt 0 ]; then
    say "FAILED: ${failed[*]}"
    exit 1
fi
say "all passed"
