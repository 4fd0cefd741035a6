# bash build.sh FOLDER [OPTION...]: the archive into FOLDER/dist by tools/bundle.sh with these options, in
# FOLDER/build. Skips where tools or libraries are missing.
. "$(dirname "$0")/common.sh"
tools=$(cd "$(dirname "$0")/../../tools" && pwd)

need gcc cmake ninja ld objcopy ar python3 apt-get make xz
[ "$(uname -s -m)" = "Linux x86_64" ] || skip "the archive is for Linux on x86_64"
python3 -c 'import ensurepip, venv' 2>/dev/null || skip "python3 has no venv"
for library in libhdf5_serial.a libsz.a libjansson.a libcrypto.a liblapacke.a liblapack_pic.a; do
    [[ "$(gcc -print-file-name=$library)" == /* ]] ||
        skip "$library was not found; tools/install-deps.sh --bundle installs it"
done
rm -rf -- "$folder/dist"
"$tools/bundle.sh" --folder "$folder/build" --out "$folder/dist" "$@"
