# bash faults.sh FOLDER SOURCE_DIR [OPTION...]: wrong calls of tools/bundle.sh, folders and disks that cannot be written
# to, half an archive; and that the same sources make the same archive again.
. "$(dirname "$0")/common.sh"
bundle=$1/tools/bundle.sh
shift
unpack

# refuse CODE WORDS ARGUMENT...: the exit code, one sentence that has these words, and no archive
refuse() {
    local expected=$1 words=$2 code=0
    shift 2
    "$bundle" "$@" >out.txt 2>err.txt || code=$?
    [ $code -eq "$expected" ] || fail "bundle.sh $* ended with $code: $(cat err.txt)"
    grep -q -- "^bundle.sh: .*$words" err.txt || fail "bundle.sh $* says: $(cat err.txt)"
    [ ! -s out.txt ] || fail "bundle.sh $* prints $(cat out.txt)"
}
refuse 2 "unknown option --cude" --cude
refuse 2 "unknown option 90" 90
refuse 2 "needs compute capabilities" --cuda-archs sm_90
refuse 2 "needs a value" --cuda-archs
refuse 2 "needs a value" --out
"$bundle" --help | grep -q -- '--no-cuda' || fail "--help is silent"
refuse 2 "characters that the build cannot take" --folder "$work/with space"
(
    flock 9
    refuse 1 "another bundle.sh is at work" --folder "$folder/build" --out "$work/out"
) 9>"$folder/build/lock"
touch file
refuse 1 "must be folders to write to" --folder "$folder/build" --out "$work/file"
refuse 1 "must be folders to write to" --folder "$work/file/build" --out "$work/out"
refuse 1 "must be folders to write to" --folder "$folder/build" --out /proc/rodgrad

# again, byte for byte
"$bundle" --folder "$folder/build" --out again "$@" >out.txt 2>err.txt || fail "$(cat err.txt)"
cmp "$archive" again/*.tar.gz || fail "another archive was made of the same sources"
[ "$(ls again)" = "$(basename "$archive")" ] || fail "more than the archive is left: $(ls again)"

# a full disk
mkdir small
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=1m tmpfs small 2>/dev/null; then
    trap 'umount "$work/small"' EXIT
    refuse 1 "is the disk full" --folder "$folder/build" --out "$work/small" "$@"
    [ -z "$(ls small)" ] || fail "a part of an archive is left: $(ls small)"
    umount small
    mount -t tmpfs -o size=1m,ro tmpfs small
    refuse 1 "must be folders to write to" --folder "$folder/build" --out "$work/small" "$@"
else
    echo "no file system can be mounted here: the full disk is left out"
fi

# half an archive: tar says so, and sums do where files were lost later
head -c $(($(stat -c %s "$archive") / 2)) "$archive" >half.tar.gz
mkdir half
! tar xzf half.tar.gz -C half 2>/dev/null || fail "half an archive unpacks without a word"
! (cd "half/$top" && sha256sum --quiet -c SHA256SUMS >/dev/null 2>&1) || fail "half an archive has all its sums"
printf x >>"$top/bin/rodgrad"
! (cd "$top" && sha256sum --quiet -c SHA256SUMS >/dev/null 2>&1) || fail "a changed program has its sum"
