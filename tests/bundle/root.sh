# bash root.sh FOLDER: the archive in a Debian root with nothing installed: the program from recordings to report, and
# the tests that come along. The root is made once, by debootstrap from the mirror that apt is configured with;
# RODGRAD_ROOT_SUITE and RODGRAD_ROOT_MIRROR name others, such as a release with an older glibc.
. "$(dirname "$0")/common.sh"
need debootstrap chroot unshare apt-get
[ "$(id -u)" -eq 0 ] || skip "chroot needs root"
unshare --mount true 2>/dev/null || skip "this machine allows no mounts of one's own"
unpack

suite=${RODGRAD_ROOT_SUITE:-bookworm}
root=$folder/root-$suite
if [ ! -d "$root" ]; then
    mirror=${RODGRAD_ROOT_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
        grep -v security | head -n 1)}
    [ -n "$mirror" ] || skip "apt has no mirror of Debian configured"
    rm -rf -- "$root.part"
    echo "making a root of $suite"
    debootstrap --variant=minbase "$suite" "$root.part" "$mirror" >debootstrap.log 2>&1 ||
        skip "debootstrap failed, its log is $work/debootstrap.log"
    mv -- "$root.part" "$root"
fi
rm -rf -- "$root/opt/rodgrad" "$root/tmp/run"
mkdir -p "$root/opt/rodgrad" "$root/tmp/run"
mv "$top" "$root/opt/rodgrad/it"

# inside COMMAND: with /proc, from which the loader knows where a program lies, and the archive read-only
inside() {
    unshare --mount sh -c 'mount --rbind /proc "$1/proc" && mount --bind "$1/opt" "$1/opt" &&
        mount -o remount,bind,ro "$1/opt" && exec chroot "$1" /usr/bin/env -i HOME=/tmp/run \
        PATH=/opt/rodgrad/it/bin:/usr/bin:/bin sh -c "cd /tmp/run && $2"' sh "$root" "$1"
}
! inside 'touch /opt/rodgrad/it/x 2>/dev/null' || fail "the archive is not read-only"
echo "glibc: $(inside 'ldd --version | head -n 1')"
inside 'ldd /opt/rodgrad/it/bin/rodgrad'
! inside 'ldd /opt/rodgrad/it/bin/rodgrad /opt/rodgrad/it/lib/*.so.* /opt/rodgrad/it/libexec/tests/*' |
    grep 'not found' || fail "a library is missing"
inside 'rodgrad info'
inside 'rodgrad plant -o planted && rodgrad fit planted/train -o model.json 2>fit.txt &&
    tail -n 1 fit.txt && rodgrad evaluate model.json planted/eval &&
    rodgrad report model.json planted/eval -o report.html'
[ -s "$root/tmp/run/report.html" ] || fail "there is no report"

# those of the GPU's part on the shim, where the archive has it: a libcuda.so.1 that computes on the CPU
shim=/opt/rodgrad/it/libexec/shim
for test in "$root"/opt/rodgrad/it/libexec/tests/[bc][au]*; do
    test=$(basename "$test")
    case "$test" in *cuda*) [ -d "$root$shim" ] || continue ;; esac
    inside "LD_LIBRARY_PATH=$shim /opt/rodgrad/it/libexec/tests/$test" >"$test.log" 2>&1 ||
        { cat "$test.log"; fail "$test fails"; }
    echo "$test passes"
done
if [ -e "$root/opt/rodgrad/it/gpu-check" ]; then
    inside '/opt/rodgrad/it/gpu-check --rehearse' || fail "gpu-check --rehearse fails"
fi
du -sh "$root/opt/rodgrad/it"
