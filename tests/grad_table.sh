#!/bin/sh
# grad_table.sh clear <rows> | merge <rows> <expected> <table>
#
# clear: an empty folder for the rows that tests write (grad_table.c).
# merge: all rows, sorted, into the Markdown file <table>, which is shown. Fails if a row is beyond its bar
# or one of <expected> (lines "check | over"; "slow: check | over" may be missing) is not there.
set -u

case "$1" in
clear)
    rm -rf "$2" && mkdir -p "$2"
    exit
    ;;
merge) ;;
*)
    echo "usage: grad_table.sh clear <rows> | merge <rows> <expected> <table>" >&2
    exit 2
    ;;
esac
rows=$2 expected=$3 table=$4
list=$(mktemp) && trap 'rm -f "$list"' EXIT

find "$rows" -type f -exec cat {} + >"$list" || exit 1
# what should be there and is not, as rows of its own
grep -v '^#' "$expected" | while IFS= read -r line; do
    [ -n "$line" ] || continue
    verdict="MISSING" row=${line#slow: }
    [ "$row" = "$line" ] || verdict="not run (slow)"
    check=${row%% | *} over=${row#* | }
    awk -F '\t' -v c="$check" -v o="$over" '$1 == c && $2 == o { found = 1 } END { exit !found }' \
        "$rows"/* 2>/dev/null || printf '%s\t%s\t-\t-\t%s\n' "$check" "$over" "$verdict"
done >>"$list"

{
    echo "| check | over | worst | bar | verdict |"
    echo "|---|---|---|---|---|"
    LC_ALL=C sort "$list" | awk -F '\t' '{ print "| " $1 " | " $2 " | " $3 " | " $4 " | " $5 " |" }'
} >"$table.new" && mv "$table.new" "$table" || exit 1
cat "$table"
bad=$(awk -F '\t' '$5 == "FAILED" || $5 == "MISSING"' "$list" | wc -l)
echo
echo "table: $table"
if [ "$bad" -gt 0 ]; then
    echo "$bad rows beyond their bar or missing; rows come from all tests labelled grad: ctest -L grad"
    exit 1
fi
