#!/bin/sh
# deform.sh PROGRAM RECORDINGS CABLE...: fit each cable of the DEFORM recordings on its training takes and
# hold the published metric on its evaluation takes against a bar; rodgrad check must find nothing on either. Exits 77
# (skipped) without recordings.
set -eu
program=$1 recordings=$2
shift 2
[ -n "${RODGRAD_RECORDINGS:-}" ] && recordings=$RODGRAD_RECORDINGS
if [ ! -d "$recordings/deform" ]; then
    echo "skipped: no recordings in $recordings (set RODGRAD_RECORDINGS)"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# metres; no looser than 1.15 times what this version reaches
bar() {
    case $1 in
    DLO1) echo 0.0082 ;; DLO2) echo 0.0040 ;; DLO3) echo 0.0026 ;; DLO4) echo 0.0037 ;; DLO5) echo 0.0044 ;;
    esac
}
failed=0
for cable in "$@"; do
    data=$recordings/deform/$cable
    "$program" fit "$data/train" -o "$work/$cable.json" --json >"$work/fit.json"
    "$program" evaluate "$work/$cable.json" "$data/eval" --json >"$work/evaluate.json"
    python3 - "$cable" "$(bar "$cable")" "$work/fit.json" "$work/evaluate.json" <<'PYTHON' || failed=1
import json, math, sys
cable, bar, fit, result = sys.argv[1], float(sys.argv[2]), json.load(open(sys.argv[3])), json.load(open(sys.argv[4]))
ok = result["l1_m"] <= bar and result["status"] == "ok" and all(f["status"] == "ok" for f in result["files"])
ok = ok and all(math.isfinite(p["value"]) and p["std"] is not None for p in fit["parameters"])
print(f"{cable}: l1_m {result['l1_m']:.5f} (bar {bar}), fit {fit['wall_s']:.1f} s, {fit['iterations']} iterations, "
      f"status {result['status']}: {'ok' if ok else 'FAILED'}")
sys.exit(0 if ok else 1)
PYTHON
    for takes in train eval; do
        "$program" check "$work/$cable.json" "$data/$takes" >"$work/check.txt" 2>&1 || {
            echo "$cable, $takes: check FAILED"
            cat "$work/check.txt"
            failed=1
        }
    done
done
exit $failed
