#!/usr/bin/env bash
# Install the Debian packages that rodgrad needs and that are missing; nothing when all are there.
#
#   tools/install-deps.sh            what the release preset needs
#   tools/install-deps.sh --test     what tools/test.sh needs as well
#   tools/install-deps.sh --bundle   what tools/bundle.sh and the tests of its archive need as well
#
# CUDA is not among them: Debian's is too old. Where NVIDIA's toolkit 12.0 or newer is installed, the build
# finds it; elsewhere it leaves the CUDA backend out.
#
# Works as root, or through sudo. On a system without apt it only says what it would want.
set -euo pipefail

build_packages=(build-essential cmake ninja-build pkg-config libhdf5-dev libjansson-dev
                libopenblas-serial-dev liblapacke-dev libcmocka-dev libssl-dev)
test_packages=(clang clang-format libclang-rt-dev python3 python3-numpy python3-venv valgrind)
bundle_packages=(python3 python3-venv liblapack-dev libblas-dev libaec-dev zlib1g-dev xz-utils debootstrap)

packages=("${build_packages[@]}")
case "${1-}" in
    "") ;;
    --test) packages+=("${test_packages[@]}") ;;
    --bundle) packages+=("${bundle_packages[@]}") ;;
    *) echo "usage: tools/install-deps.sh [--test | --bundle]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install-deps: this is not Debian; provide the equivalents of: ${packages[*]}" >&2
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null || true)
    grep -qx installed <<<"$state" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "install-deps: all ${#packages[@]} packages are installed"
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install-deps: missing: ${missing[*]}; run this as root, or install them first" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "install-deps: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
