#!/usr/bin/env bash
# install.sh CMAKE BUILD SOURCES: what cmake --install brings besides the library (consume/check.cmake): documents, a man
# page that says what the program's help says, and bash completion.
set -u
cmake=$1 build=$2 sources=$3
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

complain() {
    echo "install.sh: $*" >&2
    failures=$((failures + 1))
}

# a place that the build was not configured for
"$cmake" --install "$build" --prefix "$work/moved" >"$work/log" 2>&1 || complain "cmake --install: $(cat "$work/log")"
mv "$work/moved" "$work/prefix"
prefix=$work/prefix
program=$prefix/bin/rodgrad
page=$prefix/share/man/man1/rodgrad.1
completion=$prefix/share/bash-completion/completions/rodgrad
doc=$prefix/share/doc/rodgrad

[ -x "$program" ] || complain "no program"
for file in LICENSE README.md CHANGELOG.md; do
    cmp -s "$sources/$file" "$doc/$file" || complain "$file is not installed as it is"
done
(cd "$sources" && find docs -name '*.md' -o -path 'docs/*.svg') | while IFS= read -r file; do
    cmp -s "$sources/$file" "$doc/$file" || echo "$file"
done >"$work/missing"
[ ! -s "$work/missing" ] || complain "not installed as they are:" "$(tr '\n' ' ' <"$work/missing")"
others=$(find "$doc" -type f ! -name '*.md' ! -name '*.svg' ! -name LICENSE)
[ -z "$others" ] || complain "installed with the documents: $others"
for file in "$page" "$completion" "$doc/LICENSE"; do
    [ "$(stat -c %a "$file")" = 644 ] || complain "$file has not the permissions 644"
done

# ---- the man page ----

commands=$("$program" --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p')
[ "$(wc -w <<<"$commands")" -ge 11 ] || complain "rodgrad --help lists only" "$commands"
for command in $commands; do
    # its part, without roff's escapes
    sed -n "/^\.SS rodgrad $command\$/,/^\.S[SH] /p" "$page" | sed '$d' |
        sed -e 's/\\f[BIR]//g' -e 's/\\-/-/g' -e 's/\\&//g' -e "s/\\\\(aq/'/g" -e 's/\\(ga/`/g' -e 's/\\(ha/^/g' \
            -e 's/\\(ti/~/g' -e 's/\\e/\\/g' >"$work/part"
    summary=$("$program" --help | sed -n "s/^  $command  *//p")
    [ "$(sed -n 2p "$work/part")" = "${summary^}." ] || complain "$command: no \"$summary\""
    # the same words in the same order
    "$program" "$command" --help | sed 's/^usage: //' | tr -s ' ' '\n' | sed '/^$/d' >"$work/help"
    sed -e 1,2d -e '/^\.\(nf\|fi\|PP\|TP\)$/d' "$work/part" | tr -s ' ' '\n' | sed '/^$/d' >"$work/said"
    cmp -s "$work/help" "$work/said" || complain "$command: $(diff "$work/help" "$work/said" | head -n 5)"
    "$program" "$command" --help | grep -c '^  --' >"$work/options"
    [ "$(grep -c '^\.TP$' "$work/part")" -eq "$(cat "$work/options")" ] || complain "$command: not every option is an item"
done
grep -q "^\.TH RODGRAD 1 \"\" \"$("$program" --version)\"" "$page" || complain "the page has another version"
if command -v groff >/dev/null; then
    groff -man -ww -Tutf8 "$page" >"$work/text" 2>"$work/said" || complain "groff failed"
    [ ! -s "$work/said" ] || complain "groff: $(head -n 3 "$work/said")"
    grep -q "simulate elastic rods" "$work/text" || complain "groff shows no page"
fi
if command -v mandoc >/dev/null; then
    mandoc -T lint -W warning "$page" >"$work/said" 2>&1
    # a page without a date is the same whenever it is made
    grep -v "missing date" "$work/said" >"$work/rest" && complain "mandoc: $(head -n 3 "$work/rest")"
fi

# ---- completion ----

# completes EXPECTED WORD...: what a tab behind the last word offers, sorted
completes() {
    local expected=$1 got
    shift
    got=$(bash --norc -c '
        set -eu
        source "$1"
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        _rodgrad "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" || exit
        [ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\n" "${COMPREPLY[@]}" | sort | tr "\n" " "' \
        bash "$completion" "$program" "$@" 2>&1)
    [ "$got" = "$expected" ] || complain "completion of $*: \"$got\", not \"$expected\""
}

completes "fit " "fi"
completes "section simulate " s
completes "--help --version " --
completes "--start --starts --stepper " fit --st
completes "--bend-measure --bend-relaxation " new circle --radius 0.001 --be
completes "--drive " simulate model.json --dr
completes "" simulate model
completes "" simulate model.json --drive hold
completes "" nonsense --
completes "report " help rep
all=$(printf '%s\n' "$commands" help --help --version | sort | tr '\n' ' ')
completes "$all" ""
[ "$(bash --norc -c 'source "$1"; complete -p rodgrad' bash "$completion")" = \
    "complete -o bashdefault -o default -F _rodgrad rodgrad" ] || complain "sourcing it completes nothing"

[ "$failures" -eq 0 ] || exit 1
echo "install.sh: all as it should be"
