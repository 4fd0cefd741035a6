#!/bin/sh
# batch_float_wrong.sh CC SOURCE: a compiler without options says of each wrong pointer of batch_float_wrong.c, and of
# no other line, that it is of an incompatible type.
set -eu
said=$("$1" -std=c17 -fsyntax-only -I"$2/include" "$2/tests/batch_float_wrong.c" 2>&1 || true)
count=$(printf '%s\n' "$said" | grep -c -E 'batch_float_wrong\.c:[0-9]+:[0-9]+: (warning|error): .*incompatible' || true)
[ "$count" -eq 3 ] || {
    printf 'batch_float_wrong.sh: 3 lines are wrong, and the compiler says of %s that they are:\n%s\n' "$count" "$said" >&2
    exit 1
}
