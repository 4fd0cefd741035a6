# For the tests of the archive, sourced by them: FOLDER is their first argument, the folder where build.sh left dist/
# with one archive. A test works in FOLDER/<its name>, which is made anew.
set -euo pipefail
test_name=bundle_$(basename "$0" .sh)
folder=$1
shift

fail() { echo "$test_name: $*" >&2; exit 1; }
skip() { echo "$test_name: skipped: $*"; exit 77; }
need() {
    local tool
    for tool in "$@"; do command -v "$tool" >/dev/null || skip "$tool was not found"; done
}

# unpack: the archive into a fresh folder, which becomes the current one; $top is the name of what it holds
unpack() {
    archive=$(echo "$folder"/dist/rodgrad-*.tar.gz)
    [ -e "$archive" ] || skip "there is no archive in $folder/dist"
    work=$folder/${test_name#bundle_}
    rm -rf -- "$work"
    mkdir -p "$work"
    cd "$work"
    tar xzf "$archive" || fail "$archive is no whole archive"
    top=$(basename "$archive" .tar.gz)
    [ "$(ls)" = "$top" ] || fail "the archive holds $(ls), not $top alone"
}
