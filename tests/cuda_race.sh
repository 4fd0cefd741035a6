#!/bin/sh
# cuda_race.sh: does ThreadSanitizer see what a team's barriers are for? Takes RG_TEAM_SYNC() away, one at a
# time, from a copy of the kernels, and runs test_cuda_race.c with them.
#
#   cuda_race.sh FILE:FUNCTION:NTH <link>   the NTH barrier of that function; fails unless a race is reported
#   cuda_race.sh K/N <link>                 every Nth barrier from the Kth on (0/1: all): a table; fails where
#                                           one is not missed that `spare` does not name
#
# <link>: KERNELS WORK CXX "COMPILE FLAGS" "OBJECTS AND LIBRARIES" as tests/shim/CMakeLists.txt gives them.
set -eu
what=$1 given=$2 work=$3 cxx=$4 flags=$5 rest=$6
# a copy: somebody may edit them meanwhile
rm -rf "$work"
mkdir -p "$work"
cp -R "$given" "$work/kernels"
kernels=$work/kernels

# Barriers that nothing would miss as the code is now, FILE:FUNCTION:NTH and why: mostly because the next one
# comes before any other lane looks, or one before it still holds. A function that ends with a barrier can be
# used without thinking of the next.
spare='reverse.h:rgi_reverse_frame:1 covered by its neighbours
reverse.h:rgi_reverse_frame:2 covered by its neighbours
reverse.h:rgi_reverse_watch:2 the last of a step
reverse.h:rgi_reverse_step:1 covered by its neighbours
reverse.h:rgi_reverse_step:2 covered by its neighbours
reverse.h:rgi_reverse_again:1 covered by its neighbours
reverse.h:rgi_reverse_steps:1 covered by its neighbours
residual.h:rgi_run_rows:1 covered by its neighbours
residual.h:rgi_run_fit:2 a GPU makes rows instead (rgi_run_rows)
residual.h:rgi_run_fit:3 a GPU makes rows instead (rgi_run_rows)
outputs.h:rgi_run_frame:1 covered by its neighbours
rollout.h:rgi_run_trace:1 a GPU keeps no trace
rollout.h:rgi_run_tangents_begin:1 covered by its neighbours
rollout.h:rgi_run_tangents:2 covered by its neighbours
rollout.h:rgi_run_step:1 covered by its neighbours
rollout.h:rgi_run_keep:1 only between pieces of one step
rollout.h:rgi_run_steps:1 covered by its neighbours
run.h:rgi_run_set_alive:1 covered by its neighbours
run.h:rgi_run_init:2 covered by its neighbours
run.h:rgi_run_start:2 the barriers of the strain gradients, or of the first step, come before tangents are read
run.h:rgi_run_drive_jvp:1 covered by its neighbours
run.h:rgi_state_save_before:1 the state now is saved right after it
run.h:rgi_state_load_lanes:1 rgi_run_set_alive follows at once, and begins with one
step/deform.h:rgi_deform_clear:1 covered by its neighbours
step/deform.h:rgi_deform_solve:1 covered by its neighbours
step/deform.h:rgi_deform_again:1 the first of rgi_deform_force follows at once: only grad is written between them
step/deform.h:rgi_deform_linearise:4 covered by its neighbours
step/deform.h:rgi_deform_jvp:10 needed where a rod failed: none does here
step/deform.h:rgi_deform_turned:1 covered by its neighbours
step/implicit.h:rgi_stress_prepare:1 covered by its neighbours
step/implicit.h:rgi_move:2 covered by its neighbours
step/implicit.h:rgi_step_predict:2 covered by its neighbours
step/implicit.h:rgi_newton_increment:1 covered by its neighbours
step/implicit.h:rgi_tension_begin:1 covered by its neighbours
step/implicit.h:rgi_step_solve:1 covered by its neighbours
step/turn.h:rgi_turn_assemble:1 needed where the exact matrix is indefinite: no rod here gets there
step/turn.h:rgi_turn_matrix:2 covered by its neighbours
step/turn.h:rgi_turn_increment:1 covered by its neighbours
step/turn.h:rgi_turn_solve:1 covered by its neighbours
step/turn.h:rgi_turn_solve:3 covered by its neighbours'

# FILE:FUNCTION:NTH LINE of every barrier
barriers() {
    (cd "$kernels" && awk '
        FNR == 1 { name = "?" }
        /^(RG_FN|RG_DISSOLVED|RG_APART|static) / && match($0, /rgi?_[a-z0-9_]+\(/) {
            name = substr($0, RSTART, RLENGTH - 1)
        }
        /^ *#/ { next }
        /RG_TEAM_SYNC\(\);/ { n[FILENAME, name]++; print FILENAME ":" name ":" n[FILENAME, name], FNR }
    ' ./*.h step/*.h cuda/*.h | sed 's,^\./,,')
}

# the steppers whose kernels a file is part of, the quicker one first
steppers_of() {
    case $1 in
    step/deform.h | step/turn.h | step/projection.h) echo deform ;;
    step/implicit.h | step/newton.h | step/ldlt.h) echo implicit deform ;;
    *) echo implicit deform ;;
    esac
}

# without FILE LINE: 0 when a race is reported, 1 when all is silent; the report stays in $folder/report
misses() {
    folder=$work/$(echo "$1-$2" | tr '/.' '__')
    rm -rf "$folder"
    mkdir -p "$folder"
    cp -R "$kernels" "$folder/kernels"
    awk -v line="$2" 'FNR == line { sub(/RG_TEAM_SYNC\(\);/, "") } { print }' "$kernels/$1" \
        >"$folder/kernels/$1"
    if cmp -s "$kernels/$1" "$folder/kernels/$1"; then
        echo "cuda_race: no barrier in line $2 of $1" >&2
        exit 2
    fi
    for stepper in $(steppers_of "$1"); do
        deform=0
        [ "$stepper" = implicit ] || deform=1
        # shellcheck disable=SC2086
        $cxx $flags -DRGI_CUDA_DEFORM=$deform -I"$folder/kernels" -x c++ -c "$folder/kernels/cuda/rollout.cu" \
            -o "$folder/mutant.o" || exit 2
        # shellcheck disable=SC2086
        $cxx $flags "$folder/mutant.o" $rest -o "$folder/mutant" || exit 2
        status=0
        TSAN_OPTIONS='exitcode=66 halt_on_error=1' "$folder/mutant" "*$stepper*" >"$folder/report" 2>&1 ||
            status=$?
        [ $status -eq 0 ] || break
    done
    if [ $status -eq 66 ] && grep -q 'WARNING: ThreadSanitizer: data race' "$folder/report"; then
        rm -rf "$folder/kernels" "$folder"/mutant*
        return 0
    fi
    [ $status -eq 0 ] && { rm -rf "$folder"; return 1; }
    echo "cuda_race: without line $2 of $1 the test ended with $status and no race:" >&2
    tail -n 20 "$folder/report" >&2
    exit 2
}

case $what in
[0-9]*/[0-9]*) ;;
*)
    at=$(barriers | awk -v what="$what" '$1 == what { print $2 }')
    [ -n "$at" ] || { echo "cuda_race: there is no barrier $what" >&2; exit 2; }
    if misses "${what%%:*}" "$at"; then
        echo "without $what: a race is reported"
        exit 0
    fi
    echo "cuda_race: without $what ThreadSanitizer reports nothing" >&2
    exit 1
    ;;
esac

failed=0 count=0
barriers | awk -v k="${what%/*}" -v n="${what#*/}" 'NR % n == k' >"$work/list"
while read -r name at; do
    count=$((count + 1))
    if misses "${name%%:*}" "$at"; then
        echo "found      $name (line $at)"
    elif echo "$spare" | grep -q "^$name "; then
        echo "not missed $name (line $at): $(echo "$spare" | sed -n "s,^$name ,,p")"
    else
        echo "NOT FOUND  $name (line $at)"
        failed=$((failed + 1))
    fi
done <"$work/list"
echo "$count barriers, $failed not found that should be"
[ $count -gt 0 ] && [ $failed -eq 0 ]
