#!/bin/sh
# gpu_check.sh PROGRAM SOURCE: tools/gpu-check in an archive made for it: what it refuses, a rehearsal with the program
# on the CPU, and a run on a machine whose driver, profilers and speeds are made up, where a test hangs, another fails,
# a row hangs and one crashes. Last, it is killed. No time is judged.
# shellcheck disable=SC2016 # texts of scripts
set -u
program=$1 source=$2
work=$(mktemp -d) || exit 1
trap '[ -n "${KEEP-}" ] || rm -rf "$work"' EXIT
cd "$work" || exit 1
: >failures

complain() {
    echo "FAILED: $1"
    echo "$1" >>"$work/failures"
}

# ---- an archive, in a folder with a space in its name ----

tests='cuda_parity cuda_rollout cuda_fit cuda_normal batch_ragged batch_carry'
# archive FOLDER: with tests that pass; bin/rodgrad is the caller's
archive() {
    mkdir -p "$1/bin" "$1/lib" "$1/libexec/tests" "$1/libexec/kernels" "$1/bench/rivals" "$1/share"
    cp "$source/tools/gpu-check" "$1/gpu-check"
    echo library >"$1/lib/librodgrad.so.0.1"
    for name in $tests; do script "$1/libexec/tests/$name" 'echo passed'; done
    for pair in t4_r128 t8_r128 t8_r255 t16_r128; do
        echo code >"$1/libexec/kernels/rollout_implicit_float_$pair.sm_90.cubin"
    done
    cp "$source/bench/rivals/jax_gpu.py" "$source/bench/rivals/jax_rod.py" "$source/bench/rivals/scene.py" "$1/bench/rivals"
    cp "$source/bench/budget/estimates.tsv" "$1/share/gpu-estimates.tsv"
}
# script FILE TEXT
script() {
    printf '#!/bin/sh\n%s\n' "$2" >"$1"
    chmod +x "$1"
}

# A rodgrad that makes rows up. slow: seconds of a row; started: a file that says that it ran.
fake='
echo x >>"${STARTED:-/dev/null}"
[ -z "${LIBRARIES_TO-}" ] || echo "${LD_LIBRARY_PATH-}" >>"$LIBRARIES_TO"
command=$1
shift
scene=rope12 stepper=implicit real=float modes=forward batch=1 frames=1 parameters=null out="" json=0 max="" team=""
while [ $# -gt 0 ]; do
    case $1 in
    --scene) scene=$2 ;; --stepper) stepper=$2 ;; --real) real=${2%%,*} ;; --mode) modes=$2 ;; --batch) batch=$2 ;;
    --parameters) parameters=$2 ;; -o) out=$2 ;; --team) team=$2 ;;
    --help) echo "  --team N   threads of a rod"; echo "  --memory X"; exit 0 ;;
    esac
    shift
done
case $command in
info)
    printf "{\"version\":\"0.1.0\",\"backends\":[\"cpu\",\"cuda:0\"],\"cuda\":{\"built\":true,\"targets\":[%s],%s\"devices\":[{\"backend\":\"cuda:0\",\"name\":\"NVIDIA H100, \\\\\"made up\\\\\"\",\"compute_capability\":\"9.0\",\"multiprocessors\":132,\"memory_bytes\":85000000000}]}}\n" "${TARGETS:-\"75\",\"80\",\"90\"}" "${NEEDED:+\"driver_needed\":\"$NEEDED\",}" ;;
plant) mkdir -p "$out/train" "$out/eval"; echo r >"$out/train/1"; echo r >"$out/eval/1" ;;
fit) echo model >"$out"; echo "{\"output\":\"m\",\"wall_s\":1.5,\"iterations\":12,\"train_l1_m\":0.0004}" ;;
evaluate) echo "{\"l1_m\":${HELD_OUT:-0.0005}}" ;;
bench)
    sleep "${SLOW:-0}"
    case $scene-$modes-$batch in
    rope12-forward-65536) sleep 1000 ;;
    rope25-forward-16384) kill -SEGV $$ ;;
    rope25-adjoint-16384) echo "rodgrad bench: out of memory for the \"recordings\"." >&2; exit 1 ;;
    esac
    for mode in $(echo $modes | tr , " "); do
        echo "{\"scene\":\"$scene\",\"mode\":\"$mode\",\"parameters\":$parameters,\"real\":\"$real\",\"batch\":$batch,\"vertices\":${scene#rope},\"threads\":1,\"stepper\":\"$stepper\",\"rod_steps_per_s\":${team:+$team}60000000.5,\"status\":\"ok\",\"failed_rods\":0,\"machine\":\"Xeon(R), one\",\"device\":\"NVIDIA H100\"}"
    done ;;
esac'

mkdir stubs
# without a GPU of this machine's own
script stubs/ldconfig 'exit 0'
script stubs/nvidia-smi '
case $* in
*"-lms"*) while :; do echo "1755, 640.10, 61"; sleep 0.01; done ;;
*=name,driver_version,*) echo "NVIDIA H100, 560.35.03, 9.0, 81559, 4, 0, 345, 2619, 1980, 2619, 1980, 0x1, 71.2, 700.0, 31, Enabled, Disabled, Enabled, Default, P0" ;;
*=driver_version*) echo "${DRIVER:-560.35.03}" ;;
*=clocks.max.sm*) echo 1980 ;;
*=memory.total*) echo 81559 ;;
*=clocks.sm,clocks.mem*) echo "345, 2619, 71.22, [N/A]" ;;
*query-gpu*) echo "[Not Supported]" ;;
*) echo "NVIDIA-SMI" ;;
esac'
script stubs/ncu '
case $* in
*ERR*) ;;
*--metrics*) echo "==ERROR== Failed to find metric" >&2; exit 1 ;;
esac
cat <<END
==PROF== Profiling "rgi_run_kernel" - 0: 0%....100% - 8 passes
  rgi_run_kernel(rgi_args) (2048, 1, 1)x(64, 1, 1), Context 1, Stream 7, Device 0, CC 9.0
    Section: Command line profiler metrics
    ---------------------------------------------------- --------------- ------------
    Metric Name                                              Metric Unit Metric Value
    ---------------------------------------------------- --------------- ------------
    dram__bytes_read.sum                                           Mbyte        12.50
    dram__bytes_write.sum                                          Kbyte       500.00
    launch__registers_per_thread                         register/thread          223
    sm__warps_active.avg.pct_of_peak_sustained_active                  %        12.19
    smsp__issue_active.avg.per_cycle_active                         inst         0.41
    smsp__average_warps_issue_stalled_wait_per_issue_active.ratio   inst         1.20
    smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio inst        2.70
END'
script stubs/compute-sanitizer '
case $* in *racecheck*) echo "========= RACECHECK SUMMARY: 1 hazard"; echo last >&2; exit 9 ;; esac
echo "========= ERROR SUMMARY: 0 errors"'
# a JAX that has room for 8192 rods
script stubs/python3 '
[ "$1" != -c ] || exit 0
kind=forward
while [ $# -gt 0 ]; do case $1 in --kind) kind=$2 ;; --batch) batch=$2 ;; esac; shift; done
if [ "$batch" -gt 8192 ]; then
    echo "{\"system\": \"jax\", \"kind\": \"$kind\", \"batch\": $batch, \"failed\": \"RESOURCE_EXHAUSTED\"}"
    batch=8192
fi
echo "{\"system\": \"jax\", \"kind\": \"$kind\", \"batch\": $batch, \"compile_s\": 12.5, \"rod_steps_per_s\": 2000000.0}"'
mkdir mawk
if command -v mawk >/dev/null; then ln -s "$(command -v mawk)" mawk/awk; fi
if command -v dash >/dev/null; then ln -s "$(command -v dash)" mawk/sh; fi
path=$PATH
PATH=$work/stubs:$work/mawk:$PATH

# ---- what it refuses ----

archive 'an archive'
script 'an archive/bin/rodgrad' "$fake"
number=0
# refuses WORDS [NAME=VALUE]... -- ARGUMENT...: exit 2 with one sentence that has the words
refuses() {
    words=$1
    shift
    number=$((number + 1))
    variables=''
    while [ "$1" != -- ]; do
        variables="$variables $1"
        shift
    done
    shift
    rm -f started
    # shellcheck disable=SC2086 # words
    env STARTED="$work/started" $variables sh 'an archive/gpu-check' "$@" >out.txt 2>err.txt </dev/null
    got=$?
    [ $got -eq 2 ] || complain "exit $got instead of 2 for \"$words\": $(head -c 300 err.txt)"
    [ ! -s out.txt ] || complain "wrote to stdout: \"$words\""
    [ "$(wc -l <err.txt)" -eq 1 ] || complain "not one sentence: $(head -c 400 err.txt)"
    grep -q -e "$words" err.txt || complain "no \"$words\": $(head -c 400 err.txt)"
}
# early: the same, and nothing of the archive was started
early() {
    refuses "$@"
    [ ! -e started ] || complain "the program was started before: $1"
}
# with FILE TEXT COMMAND...: with a stub of its own
with() {
    script "stubs/$1" "$2"
    stub=$1
    shift 2
    "$@"
    rm "stubs/$stub"
}

early 'unknown option' -- --fast
early 'needs a value' -- --out
early 'minutes needs a number' -- --minutes soon
early 'is no program' -- --program none
early 'no deform/DLO2' -- --recordings "$work"
with uname 'echo Darwin' early 'is for Linux' --
with uname '[ "$1" = -s ] && echo Linux || echo aarch64' early 'is aarch64' --
with getconf 'echo glibc 2.27' early 'glibc is 2.27' --
script stubs/ldd 'echo "musl libc (x86_64)" >&2; exit 1'
with getconf 'exit 1' early 'is musl' --
rm stubs/ldd
for name in bin/rodgrad lib/librodgrad.so.0.1 libexec/tests/cuda_fit share/gpu-estimates.tsv bench/rivals/scene.py; do
    mv "an archive/$name" kept
    early "$name is missing" --
    mv kept "an archive/$name"
done
chmod -x 'an archive/bin/rodgrad'
early 'is not executable' --
chmod +x 'an archive/bin/rodgrad'
echo "0000000000000000000000000000000000000000000000000000000000000000  lib/librodgrad.so.0.1" >'an archive/SHA256SUMS'
early 'lib/librodgrad.so.0.1 is not what SHA256SUMS says' --
(cd 'an archive' && sha256sum bin/rodgrad lib/librodgrad.so.0.1 >SHA256SUMS)
early 'cannot be written' -- --out /proc/gpu-check
early 'cannot be written' -- --out 'an archive/gpu-check'
mkdir full && echo x >full/file
early 'holds files already' -- --out full
with df 'echo head; echo "/dev/x 100 90 5000 90% /"' early 'MB free' --
if [ ! -e /proc/driver/nvidia/version ] && [ ! -e /usr/lib/x86_64-linux-gnu/libcuda.so.1 ]; then
    mv stubs/nvidia-smi kept
    PATH=$work/stubs:$work/mawk:/usr/bin:/bin
    command -v nvidia-smi >/dev/null || early 'no NVIDIA driver' --
    PATH=$work/stubs:$work/mawk:$path
    mv kept stubs/nvidia-smi
fi
refuses 'driver is 470.82.01, and the archive needs 525' DRIVER=470.82.01 --
refuses 'driver is 560.35.03, and the archive needs 570' NEEDED=570.26 --
refuses 'no code for this GPU' TARGETS='"75","100"' --
script 'an archive/bin/rodgrad' 'echo "cannot open shared object" >&2; exit 127'
rm 'an archive/SHA256SUMS'
refuses 'does not start here: cannot open shared object' --
script 'an archive/bin/rodgrad' 'echo "{\"cuda\":{\"devices\":[],\"no_device_because\":\"the driver says no\"}}"'
refuses 'finds no GPU: the driver says no' --
rm -rf gpu-check-results*

# whole FOLDER: at most 8 files, flat and with plain names, whose lines of JSON are whole
whole() {
    [ "$(find "$1" -mindepth 1 | wc -l)" -le 8 ] || complain "$1: more than 8 files"
    [ -z "$(find "$1" -mindepth 1 ! -type f)" ] || complain "$1: not flat"
    for file in "$1"/*; do case ${file##*/} in *[!A-Za-z0-9._-]*) complain "$file: a name" ;; esac; done
    PATH=$path python3 - "$1" <<'END' || complain "$1: lines of JSON"
import json, pathlib, sys
for file in pathlib.Path(sys.argv[1]).glob("*.jsonl"):
    for line in file.read_text().splitlines(): json.loads(line)
text = (pathlib.Path(sys.argv[1]) / "summary.txt").read_text()
sys.exit(0 if text.startswith("rodgrad on ") and "Made by gpu-check" in text else "summary.txt")
END
}
# says FILE WORDS...
says() {
    file=$1
    shift
    for words in "$@"; do grep -q -e "$words" "$file" || complain "$file does not say \"$words\""; done
}

# ---- a rehearsal with the program itself, and one with a stand-in of the driver ----

rehearsal() {
    archive "a rehearsal's"
    script "a rehearsal's/bin/rodgrad" "exec '$program' \"\$@\""
    for name in $tests; do script "a rehearsal's/libexec/tests/$name" '[ "${RODGRAD_TEST_BACKEND-cpu}" = cpu ]'; done
    mkdir 'of a rehearsal'
    (cd 'of a rehearsal' && sh "../a rehearsal's/gpu-check" --rehearse --minutes 2 --out .) >r.out 2>r.err ||
        complain "rehearsal: $(tail -n 3 r.err)"
    whole 'of a rehearsal'
    says r.out 'No failure' 'complete' 'test batch_ragged' 'rope12 implicit float tangent' 'planted, cpu, double'
    cmp -s r.out 'of a rehearsal/summary.txt' || complain 'stdout is not summary.txt'
    [ "$(wc -l <'of a rehearsal/rows.jsonl')" -ge 6 ] || complain 'rehearsal: rows'
}
shim() {
    archive shim
    script shim/bin/rodgrad "$fake"
    mkdir shim/libexec/shim
    echo x >shim/libexec/shim/libcuda.so.1
    LIBRARIES_TO=$work/libraries LD_LIBRARY_PATH=/before sh shim/gpu-check --rehearse --minutes 2 \
        --out "of shim" >s.out 2>s.err
    says s.err 'rope12 implicit float forward'
    says s.out 'complete' 'planted, cuda, float' 'adjoint  *team 8, 255 registers, blocks of 4  *860'
    grep -v -q -x "$work/shim/libexec/shim:/before" libraries && complain "shim: $(sort -u libraries)"
}

# ---- a GPU that is made up ----

made_up() {
    cp -R 'an archive' 'made up'
    script 'made up/bin/rodgrad' "$fake"
    script 'made up/libexec/tests/batch_carry' 'sleep 1000'
    script 'made up/libexec/tests/cuda_parity' 'echo "[  FAILED  ] forward_double" >&2; echo 1 FAILED >&2; exit 1'
    sh 'made up/gpu-check' --minutes 0.6 --out 'of made up' >m.out 2>m.err
    got=$?
    [ $got -eq 1 ] || complain "made up: exit $got"
    whole 'of made up'
    says m.out 'test cuda_parity: forward_double' 'test batch_carry: no end within' '^- test batch_ragged' \
        'rope12 implicit float forward 65536 rods: no end within' 'rope25 implicit float forward 16384 rods: ended by signal 11' \
        'out of memory for the "recordings"' 'MISSED: half of the binding' 'met: 5e7' \
        'rope12 implicit float forward  *16384  *60  *60  *54 %' 'SM 1755 to 1755' 'highest clock .MHz. 1980' \
        'run, implicit  *223  *12.19  *41  *1.3e+07' 'barrier 2.7, wait 1.2' \
        'gradient  *8192  *2  *12.5  *60  *30' 'met: 20 times JAX, deform, float, gradient, 8192 rods (30 times)' \
        'racecheck of implicit: RACECHECK SUMMARY: 1 hazard' '^- memcheck of implicit' 'planted, cuda, float .*0.0005' \
        'forward  team 8, 255 registers  *860'
    says 'of made up/rows.jsonl' '"power_w":640.10' '"temperature_c":null' '"binds":"issue"' '"failed":"ended by signal 11"'
    says 'of made up/summary.md' '^# rodgrad on NVIDIA H100, "made up"' '^| row | rods |'
    says 'of made up/environment.txt' '^ecc.mode.current: Enabled' '^mig.mode.current: Disabled' 'compute-sanitizer: /'
    says 'of made up/tests.txt' '==== test cuda_parity: code 1' '==== racecheck'
    says 'of made up/jax.jsonl' RESOURCE_EXHAUSTED
    says 'of made up/fit.txt' 'planted, cuda, double'
    # the failures come first, then the goals that were missed
    awk '/^Failures/ { f = NR } /^Least of/ { l = NR } /MISSED/ { m = NR } /^- met/ && !k { k = NR } /^All rows/ { a = NR }
        END { exit !(f && f < l && l < m && m < k && k < a) }' m.out || complain 'made up: the order'
}
killed() {
    cp -R 'an archive' killed
    script killed/bin/rodgrad "$fake"
    SLOW=0.1 sh killed/gpu-check --minutes 1 --out 'of killed' >k.out 2>k.err &
    victim=$!
    n=0
    while [ $n -lt 100 ] && ! { [ -e 'of killed/rows.jsonl' ] && [ "$(wc -l <'of killed/rows.jsonl')" -ge 3 ]; }; do
        sleep 0.2
        n=$((n + 1))
    done
    kill -9 $victim
    wait $victim 2>/dev/null
    whole 'of killed'
    says 'of killed/summary.txt' 'not complete' 'All rows' 'rope12 implicit float forward'
    says 'of killed/environment.txt' 'driver_version: 560.35.03'
}
script 'an archive/bin/rodgrad' "$fake"
made_up &
killed &
# nothing is made up but that there is no JAX, whose compiler takes long
mkdir without
script without/python3 'exit 1'
PATH=$work/without:$work/mawk:$path
rehearsal &
shim &
wait
[ ! -s failures ]
