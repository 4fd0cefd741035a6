#!/bin/sh
# cuda_program.sh: the program as it is, with its real kernels' files, on the shim in the place of NVIDIA's driver: what a
# machine with a GPU does but for the arithmetic of the chip.
#
#   cuda_program.sh PROGRAM FOLDER       FOLDER: of the shim's libcuda.so.1
set -eu
program=$1 shim=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
LD_LIBRARY_PATH=$shim${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
failed=0

# accept TEXT ARGUMENTS...: exit 0, and TEXT (a basic regular expression) on stdout
accept() {
    text=$1
    shift
    if ! "$program" "$@" >out 2>err; then
        echo "FAILED: rodgrad $*: $(cat err)"
        failed=1
    elif ! grep -q -- "$text" out; then
        echo "FAILED: rodgrad $*: no \"$text\" in: $(cat out)"
        failed=1
    fi
}

# refuse CODE TEXT ARGUMENTS...: that exit code, one sentence with TEXT on stderr, nothing on stdout
refuse() {
    code=$1 text=$2 got=0
    shift 2
    "$program" "$@" >out 2>err || got=$?
    if [ $got -ne "$code" ] || [ -s out ] || [ "$(wc -l <err)" -ne 1 ] || ! grep -q -- "$text" err; then
        echo "FAILED: rodgrad $* ended with $got, not $code and \"$text\": $(cat err)"
        failed=1
    fi
}

"$program" info --json >info
if ! grep -q '"cuda:0"' info; then
    echo "skipped: the program has no kernels that the shim's GPU could take: $(cat info)"
    exit 77
fi

# ---- what runs ----

accept 'cuda:1 *CPU shim, compute capability 9.0' info
accept '"driver_needed":5[28][05]' info --json
accept '"team":8,"team_registers":255,"block_rods":[1-8],' bench --backend cuda --real float --batch 3 --frames 3 \
    --repeat 1 --mode forward --json
for stepper in implicit deform; do
    for memory in device host; do
        accept '"memory":"'$memory'"' bench --backend cuda --stepper $stepper --real double,float --batch 3 \
            --frames 2 --repeat 1 --mode forward,jvp,adjoint --memory $memory --json
        if grep -v '"failed_rods":0' out >bad; then
            echo "FAILED: rods failed in $(cat bad)"
            failed=1
        fi
    done
done
accept '"mode":"tangent"' bench --backend cuda --batch 3 --frames 3 --repeat 1 --mode tangent --parameters 4 --json
"$program" plant -o planted >out 2>err
one=$(find planted/train -name '*.h5' | sort | head -n 1)
accept '"status":"ok"' evaluate planted/truth.json "$one" --backend cuda:1 --json

# other kernels, from a folder: the shim takes any image and has kernels of 4, 16 and 32 threads to a team
mkdir kernels
for team in 4 16 32; do echo shim >kernels/rollout_implicit_double_t${team}_r255.sm_90.cubin; done
for team in 4 16 32; do
    accept '"team":'$team, bench --backend cuda --batch 3 --frames 2 --repeat 1 --mode forward,adjoint --team $team \
        --kernels kernels --json
done
# a block of one rod, of four threads
accept '"block_rods":1,' bench --backend cuda --batch 3 --frames 2 --repeat 1 --mode forward,adjoint --team 4 \
    --block-rods 1 --kernels kernels --json
accept '"block_rods":[12],' bench --backend cuda --batch 3 --frames 2 --repeat 1 --mode forward --block-rods 2 --json

# ---- what is refused ----

few="--batch 1 --frames 2 --repeat 1 --mode forward"
# shellcheck disable=SC2086
{
    refuse 2 'rollout_implicit_double_t16_r255.*neither' bench --backend cuda --team 16 $few
    refuse 2 '6 threads' bench --backend cuda --team 6 $few
    refuse 2 'at most 8 rods' bench --backend cuda --block-rods 9 $few
    echo 'something else' >kernels/rollout_implicit_double_t16_r255.sm_90.cubin
    refuse 1 'cuModuleLoadData.*CUDA_ERROR_INVALID_IMAGE' bench --backend cuda --team 16 --kernels kernels $few
    export RODGRAD_SHIM_DRIVER=11080
    refuse 2 'too old: it is for CUDA 11.8.*release 5[28][05] or later' bench --backend cuda $few
    unset RODGRAD_SHIM_DRIVER
    export RODGRAD_SHIM_COMPUTE=61
    refuse 2 'compute capability 6.1, and this build has code for' bench --backend cuda $few
    unset RODGRAD_SHIM_COMPUTE
    export RODGRAD_SHIM_DEVICES=0
    refuse 2 'no NVIDIA GPU that this process may use' bench --backend cuda $few
    unset RODGRAD_SHIM_DEVICES
    LD_LIBRARY_PATH=
    if ! "$program" info --json | grep -q '"cuda:0"'; then
        refuse 2 'no NVIDIA' bench --backend cuda $few
    fi
}
[ $failed -eq 0 ] && echo "the program ran on the shim, and refused what it should"
exit $failed
