#!/usr/bin/env bash
# Make the archive for servers without packages: rodgrad-<version>-linux-x86_64[-cuda].tar.gz, with the program, the
# library, its tests, the Python layer and licences. It runs wherever glibc is 2.28 or newer and needs nothing else.
# librodgrad_io.a is not in it: its users would have to find HDF5, jansson and libcrypto.
#
#   tools/bundle.sh [--no-cuda] [--cuda-archs LIST] [--variants LIST] [--out DIR] [--folder DIR] [--install]
#
#   --no-cuda           leave the GPU's part out; the name is then without -cuda
#   --cuda-archs LIST   compute capabilities, such as 80,90 (75,80,90,100,120)
#   --variants LIST     kernels with other teams and caps on registers, for gpu-check and rodgrad bench --kernels, such
#                       as implicit_float_t16_r255; "none" for none (some for the implicit stepper)
#   --out DIR           where the archive goes (dist)
#   --folder DIR        work there and keep what is there: tools, sources, static libraries, the build (build/bundle)
#   --install           install missing Debian packages first (tools/install-deps.sh --bundle)
#
# The compiler is this machine's gcc, on Debian 12, with the flags of the release preset. What is linked is older:
# zig, from PyPI, has the symbols of glibc 2.28; HDF5, jansson, libcrypto and the reference LAPACK are Debian's static
# ones. With the GPU's part, NVRTC comes from PyPI too. A later run needs no network.
# The exit code is 0; 1 when a step failed, and then no archive is left; 2 for a wrong call.
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/.." && pwd)

zig_package=ziglang==0.17.1
nvrtc_package=nvidia-cuda-nvrtc-cu12==12.9.86
glibc=2.28
limit=40000000

complain() { echo "bundle.sh: $1" >&2; }
say() { echo "bundle: $*" >&2; }

variants=
for kind in float double; do
    for team in 4 16 32; do variants=$variants,implicit_${kind}_t${team}_r255; done
done
variants=${variants#,},implicit_float_t8_r128,implicit_float_t16_r128

cuda=1 archs=75,80,90,100,120 out=$source_dir/dist folder=$source_dir/build/bundle install=0
while [ $# -gt 0 ]; do
    case "$1" in
        --no-cuda) cuda=0 ;;
        --install) install=1 ;;
        --cuda-archs | --variants | --out | --folder)
            [ -n "${2-}" ] || { complain "$1 needs a value; --help says which"; exit 2; }
            case "$1" in
                --out) out=$(realpath -m -- "$2") ;;
                --folder) folder=$(realpath -m -- "$2") ;;
                --variants)
                    variants=$(tr ' ;' ',,' <<<"$2")
                    [ "$variants" != none ] || variants=
                    [[ "$variants" =~ ^[a-z0-9_,]*$ ]] ||
                        { complain "--variants needs names such as implicit_float_t16_r255, not \"$2\""; exit 2; } ;;
                --cuda-archs)
                    archs=$(tr ' ;' ',,' <<<"$2")
                    [[ "$archs" =~ ^[1-9][0-9]+(,[1-9][0-9]+)*$ ]] ||
                        { complain "--cuda-archs needs compute capabilities, such as 80,90, not \"$2\""; exit 2; } ;;
            esac
            shift ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
        *) complain "unknown option $1; --help lists them"; exit 2 ;;
    esac
    shift
done

if [[ "$folder" =~ [^A-Za-z0-9_./+@,-] ]]; then
    complain "$folder has characters that the build cannot take, as are spaces; name another folder with --folder"
    exit 2
fi
# the flags are those of the release preset
unset CC CFLAGS CPPFLAGS LDFLAGS

[ $install -eq 0 ] || "$source_dir/tools/install-deps.sh" --bundle >&2
if [ "$(uname -s -m)" != "Linux x86_64" ]; then
    complain "the archive is for Linux on x86_64; this is $(uname -s -m)"
    exit 1
fi
for tool in gcc cmake ninja ld objcopy ar python3 xz tar gzip sha256sum flock; do
    command -v "$tool" >/dev/null ||
        { complain "$tool was not found; tools/install-deps.sh --bundle installs what is needed"; exit 1; }
done

# step NAME COMMAND...: a failure shows the end of its log
step() {
    local log=$folder/log/$1.log
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        complain "this failed: ${*:0:4} ...; all of its output is in $log"
        exit 1
    fi
}
mkdir -p "$folder/log" "$out" 2>/dev/null && [ -w "$folder" ] && [ -w "$out" ] ||
    { complain "$folder and $out must be folders to write to; name others with --folder and --out"; exit 1; }
exec 9>"$folder/lock"
flock -n 9 || { complain "another bundle.sh is at work in $folder; name another folder with --folder"; exit 1; }

# ---- tools from PyPI ----

# pip_folder PACKAGE: a virtual environment with it alone; prints where its modules are
pip_folder() {
    local place=$folder/${1%%=*}
    if [ "$(cat "$place/package" 2>/dev/null)" != "$1" ]; then
        say "getting $1 from PyPI"
        rm -rf -- "$place"
        step venv python3 -m venv "$place"
        step pip "$place/bin/pip" install --disable-pip-version-check --no-cache-dir --only-binary :all: "$1"
        echo "$1" >"$place/package"
    fi
    echo "$place"/lib/python3*/site-packages
}
zig=$(pip_folder $zig_package)/ziglang
[ -x "$zig/zig" ] || { complain "$zig_package has no program zig in $zig"; exit 1; }
name=$(sed -n 's/^#define RODGRAD_VERSION "\(.*\)"$/\1/p' "$source_dir/include/rodgrad/version.h")
name=rodgrad-$name-linux-x86_64
if [ $cuda -eq 1 ]; then
    name=$name-cuda
    nvrtc=$(pip_folder $nvrtc_package)/nvidia/cuda_nvrtc/lib/libnvrtc.so.12
    [ -e "$nvrtc" ] || { complain "$nvrtc_package has no $nvrtc"; exit 1; }
    cuda_options=(-DRODGRAD_CUDA=ON "-DRODGRAD_NVRTC=$nvrtc" "-DRODGRAD_CUDA_ARCHS=${archs//,/;}"
                  "-DRODGRAD_CUDA_VARIANTS=${variants//,/;}")
else
    cuda_options=(-DRODGRAD_CUDA=OFF)
fi

# ---- rodgrad ----

build=$folder/build-${name#rodgrad-}
say "building rodgrad"
(
    cd "$source_dir"
    # the tests too: RODGRAD_BUNDLE makes those of the archive alone
    step configure cmake --preset release -B "$build" -DRODGRAD_BUNDLE=ON "-DRODGRAD_ZIG=$zig/zig" \
        -DRODGRAD_BUNDLE_GLIBC=$glibc -DRODGRAD_BUILD_TESTS=ON \
        -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_INSTALL_BINDIR=bin -DCMAKE_INSTALL_INCLUDEDIR=include \
        "${cuda_options[@]}"
)
step build cmake --build "$build" -j "$(nproc)"
stage=$folder/stage
rm -rf -- "$stage"
top=$stage/$name
step install cmake --install "$build" --prefix "$top"

# ---- what else goes in ----

cp "$source_dir/LICENSE" "$source_dir/README.md" "$source_dir/CHANGELOG.md" "$top"
mkdir -p "$top/docs" "$top/python/rodgrad" "$top/bench/rivals"
cp "$source_dir"/docs/*.md "$top/docs"
cp "$source_dir/python/README.md" "$source_dir/python/pyproject.toml" "$top/python"
cp "$source_dir"/python/rodgrad/*.py "$top/python/rodgrad"
cp "$source_dir"/bench/rivals/*.py "$top/bench/rivals"
if [ $cuda -eq 1 ]; then
    install -m 755 "$source_dir/tools/gpu-check" "$top/gpu-check"
    install -D -m 644 "$source_dir/bench/budget/estimates.tsv" "$top/share/gpu-estimates.tsv"
fi

# licence NAME WHAT FILE...: texts in licenses/NAME, a line of licenses/README
licences=$top/licenses
licence() {
    local folder=$licences/$1 what=$2 file
    shift 2
    mkdir -p "$folder"
    for file in "$@"; do
        [ -s "$file" ] || { complain "the licence $file was not found"; exit 1; }
        cp -L -- "$file" "$folder/${file##*/}"
    done
    echo "${folder##*/}/  $what" >>"$licences/README"
}
debian() { echo "/usr/share/doc/$1/copyright"; }

mkdir "$licences"
cat >"$licences/README" <<END
rodgrad is under the MIT licence (../LICENSE). Its program and libraries hold code of others, whose licences are in
these folders:

END
licence lapack "BLAS, LAPACK and LAPACKE (the reference), in the program and the libraries" \
    "$(debian liblapack-dev)"
licence libgcc "libgcc of GCC, in the program and the libraries; GPL 3 with the runtime exception" \
    "$(debian "libgcc-$(gcc -dumpversion | sed 's/\..*//')-dev")"
licence glibc "startup code and libc_nonshared of glibc, in every program and librodgrad.so; LGPL 2.1 with exceptions" \
    "$zig/lib/libc/glibc/LICENSES"
licence zig "parts of zig's compiler runtime, in every program and librodgrad.so" "$zig/LICENSE"
licence hdf5 "HDF5, in the program" "$(debian libhdf5-dev)"
licence libaec "libaec and its libsz, in the program" "$(debian libaec-dev)"
licence zlib "zlib, in the program" "$(debian zlib1g-dev)"
licence jansson "jansson, in the program" "$(debian libjansson-dev)"
licence openssl "OpenSSL's libcrypto, in the program" "$(debian libssl-dev)"
[ $cuda -eq 0 ] ||
    licence llvm "LLVM's libc++, libc++abi and libunwind, in libexec/shim/libcuda.so.1" "$zig/lib/libcxx/LICENSE.TXT"
licence cmocka "cmocka, libexec/tests/libcmocka.so.0" "$(debian libcmocka-dev)"
mkdir "$licences/texts"
for text in GPL-3 LGPL-2.1 Apache-2.0; do
    cp -L "/usr/share/common-licenses/$text" "$licences/texts"
done
cat >>"$licences/README" <<END
texts/  licences that these refer to as files of /usr/share/common-licenses
END

chmod -R u=rwX,go=rX "$top"
(cd "$top" && find . -type f ! -name SHA256SUMS -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum >SHA256SUMS)
chmod 644 "$top/SHA256SUMS"

# ---- the archive ----

archive=$out/$name.tar.gz
trap 'rm -f -- "$archive.part"' EXIT
time=$(git -C "$source_dir" log -1 --format=%ct 2>/dev/null || stat -c %Y "$source_dir/include/rodgrad/version.h")
if ! tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$time" --format=gnu -cf - "$name" |
    gzip -9n >"$archive.part"; then
    complain "$archive could not be written: is the disk full?"
    exit 1
fi
size=$(stat -c %s "$archive.part")
if [ "$size" -gt $limit ]; then
    complain "the archive has $size bytes, more than the $limit that it may have; name fewer --cuda-archs"
    exit 1
fi
mv -- "$archive.part" "$archive"

say "parts, in bytes"
(cd "$top" && du -ab --max-depth=2 . | grep -E $'\t\\./(bin|lib|libexec)/' | sort -rn | sed 's/^/  /') >&2
say "$size bytes, $(sha256sum "$archive" | cut -c 1-16)..."
echo "$archive"
