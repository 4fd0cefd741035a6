# refuse.sh: sourced by tests of the program, which set $program, $work and failures=0.

complain() {
    echo "$(basename "$0"): $*" >&2
    failures=$((failures + 1))
}

# is --json among the arguments?
asks_json() {
    for word; do [ "$word" = --json ] && return 0; done
    return 1
}

# refuse CODE WORDS ARGUMENT...: the program ends with CODE and says WORDS in one line, with --json in an object too
refuse() {
    code=$1
    words=$2
    shift 2
    before=$(find . | sort)
    "$program" "$@" >"$work.out" 2>"$work.err"
    got=$?
    [ "$got" -eq "$code" ] || complain "rodgrad $*: exit code $got, not $code"
    if asks_json "$@"; then
        [ "$(wc -l <"$work.out")" -eq 1 ] && grep -q "^{.*\"status\":\".*$words.*\"exit_code\":$code[,}]" "$work.out" ||
            complain "rodgrad $*: not one object with \"$words\" and $code on stdout: $(cat "$work.out")"
    elif [ -s "$work.out" ]; then
        complain "rodgrad $*: wrote to stdout"
    fi
    [ "$(wc -l <"$work.err")" -eq 1 ] || complain "rodgrad $*: not one line: $(cat "$work.err")"
    grep -q -e "$words" "$work.err" || complain "rodgrad $*: no \"$words\" in: $(cat "$work.err")"
    [ "$before" = "$(find . | sort)" ] || complain "rodgrad $*: left a file behind"
    rm -f "$work.out" "$work.err"
}
