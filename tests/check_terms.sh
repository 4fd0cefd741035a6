#!/bin/sh
# check_terms.sh check|test <kernels>: does every term that a cotangent takes in stand in RG_TERM?
#
# check: reads the functions of <kernels> whose name ends in _adj, those of reverse.h and all
#   others that hold an RG_TERM, and prints file:line of every term without a mark. A name is a
#   cotangent there if it contains "bar", if it is a parameter or a member not listed as primal, or
#   if it got its value from one. In an assignment to or from cotangents every cotangent that is
#   computed with must stand inside an RG_TERM, and so must an element of another array and whatever
#   is added (+=, -=); constants, addresses and plain copies of one variable need none. No RG_TERM
#   holds a sum of two cotangents. It knows names, not types or control flow, and errs on the strict
#   side; `allow` has the rest, with reasons.
# test: check must pass, and fail on a copy for each mark that is taken out.
set -u

terms() {
    awk '
    # ---- what is known by name ----
    BEGIN {
        # parameters and members that hold no cotangent
        n = split("rod step alive i n work full plan share past scale m1 offset sweeps pack run " \
                  "s f k begin end length before now after", list, " ")
        for (j = 1; j <= n; j++) primal[list[j]] = 1
        n = split("run->dy run->stress run->din_y run->din_f work->moved work->pull work->weigh " \
                  "work->length", list, " ")
        for (j = 1; j <= n; j++) cotangent[list[j]] = 1
        # cotangents by what the function is for, and names that are none there
        also["rgi_run_residual_adj:r"] = 1
        primal["rgi_reverse_again:to"] = 1
        # function:name assigned without a mark, and why
        allow("rgi_reverse_growth:x", "a size to report, not a cotangent")
        allow("rgi_reverse_growth:v", "a size to report, not a cotangent")
        allow("rgi_reverse_growth:sum", "a size to report, not a cotangent")
        allow("rgi_coefficients_adj:sum", "no part of a rollout; test_fit_map compares it with differences")
        allow("rgi_reverse_watch:sum", "looks for what is not finite")
        allow("rgi_reverse_watch:here", "looks for what is not finite")
        # calls that compute nothing; any other is arithmetic
        n = split("v3_load v3 rg_set1 rg_select rgi_get rgi_tangent_at " \
                  "RG_TERM", list, " ")
        for (j = 1; j <= n; j++) quiet[list[j]] = 1
    }
    function allow(what, reason) { allowed[what] = reason }

    # ---- text ----
    function trim(t) { sub(/^[ \t\n]+/, "", t); sub(/[ \t\n]+$/, "", t); return t }
    # position of the bracket that closes the one at p
    function closing(t, p,    c, depth) {
        for (depth = 0; p <= length(t); p++) {
            c = substr(t, p, 1)
            if (c ~ /[[({]/) depth++
            if (c ~ /[])}]/ && --depth == 0) return p
        }
        return length(t)
    }
    # split at top-level separators of one character
    function pieces(t, separator, out,    c, p, from, depth, count) {
        count = 0
        from = 1
        depth = 0
        for (p = 1; p <= length(t); p++) {
            c = substr(t, p, 1)
            if (c ~ /[[({]/) depth++
            if (c ~ /[])}]/) depth--
            if (c != separator || depth > 0) continue
            out[++count] = substr(t, from, p - from)
            from = p + 1
        }
        out[++count] = substr(t, from)
        return count
    }
    # without the insides of [ ]
    function unindexed(t,    p) {
        for (p = index(t, "["); p > 0; p = index(t, "["))
            t = substr(t, 1, p - 1) "@" substr(t, closing(t, p) + 1)
        gsub(/@/, "", t)
        return t
    }
    # with 1 in place of the calls of a function
    function uncalled(t, name,    p, q, at) {
        at = 1
        while ((p = index(substr(t, at), name "(")) > 0) {
            p += at - 1
            if (p > 1 && substr(t, p - 1, 1) ~ /[A-Za-z0-9_]/) { at = p + 1; continue }
            q = closing(t, p + length(name))
            t = substr(t, 1, p - 1) " 1 " substr(t, q + 1)
            at = p + 1
        }
        return t
    }
    # the names in an expression, a->b and a.b whole
    function names(t, out,    count) {
        count = 0
        t = unindexed(t)
        while (match(t, /[A-Za-z_][A-Za-z0-9_]*((->|\.)[A-Za-z_][A-Za-z0-9_]*)*/)) {
            if (substr(t, RSTART + RLENGTH) !~ /^[ ]*\(/) out[++count] = substr(t, RSTART, RLENGTH)
            t = substr(t, RSTART + RLENGTH)
        }
        return count
    }
    function is_cotangent(name,    first) {
        first = name
        sub(/(->|\.).*/, "", first)
        return (name in cotangent) || (name in tainted) || (first in tainted) || name ~ /bar/ ||
               ((fn ":" name) in also)
    }
    function mentions(t,    list, count, j) {
        count = names(t, list)
        for (j = 1; j <= count; j++) if (is_cotangent(list[j])) return 1
        return 0
    }
    # does it compute?
    function computes(t,    p, name) {
        t = unindexed(uncalled(uncalled(t, "v3_load"), "rgi_get"))
        gsub(/->/, ".", t)
        gsub(/\((const )?(real|rg_scalar|int|size_t)( \*)?\)/, "", t)
        if (t ~ /[-+*\/]/ && t !~ /^[ ]*[*&][ ]*[A-Za-z_][A-Za-z0-9_.]*[ ]*$/) return 1
        while (match(t, /[A-Za-z_][A-Za-z0-9_]*[ ]*\(/)) {
            name = substr(t, RSTART, RLENGTH)
            gsub(/[ (]/, "", name)
            if (!(name in quiet)) return 1
            t = substr(t, RSTART + RLENGTH)
        }
        return 0
    }
    # do two of the terms under one mark hold cotangents?
    function crowded(t,    p, c, depth, from, held, inner, q) {
        while ((p = index(t, "RG_TERM(")) > 0) {
            q = closing(t, p + 7)
            inner = substr(t, p + 8, q - p - 8)
            t = substr(t, q + 1)
            gsub(/->/, ".", inner)
            held = depth = 0
            from = 1
            for (p = 1; p <= length(inner) + 1; p++) {
                c = substr(inner, p, 1)
                if (c ~ /[[({]/) depth++
                if (c ~ /[])}]/) depth--
                if (p <= length(inner) && (c !~ /[-+]/ || depth > 0)) continue
                held += mentions(substr(inner, from, p - from))
                from = p + 1
            }
            if (held > 1) return 1
        }
        return 0
    }
    # is a value that goes into the cotangent `goal` marked? `sum`: it is added to it
    function marked(t, sum,    part, count, bare) {
        t = trim(t)
        while (t ~ /^\(/ && closing(t, 1) == length(t)) t = trim(substr(t, 2, length(t) - 2))
        if (t ~ /^rg_select\(/ && closing(t, 10) == length(t)) {
            count = pieces(substr(t, 11, length(t) - 11), ",", part)
            return marked(part[2], sum) && marked(part[3], sum)
        }
        # a product and a sum that stays or is marked itself
        if (match(t, /^rg_(fma|fms|fnma)\(/) && closing(t, RLENGTH) == length(t)) {
            count = pieces(substr(t, RLENGTH + 1, length(t) - RLENGTH - 1), ",", part)
            bare = trim(part[3])
            return marked(part[1] " * " part[2], 1) && (bare == goal || marked(bare, 1))
        }
        if (pieces(t, "?", part) == 2) {
            bare = part[2]
            if (pieces(bare, ":", part) == 2) return marked(part[1], sum) && marked(part[2], sum)
        }
        if (t ~ /^\{/) {
            count = pieces(substr(t, 2, length(t) - 2), ",", part)
            for (bare = 1; bare <= count; bare++) if (!marked(part[bare], sum)) return 0
            return 1
        }
        if (t ~ /^(zero|one|0|0\.0|rg_set1\([-0-9.]+\))$/) return 1
        bare = uncalled(t, "RG_TERM")
        if (bare == t) return !sum && !computes(t) && !(t != goal && t ~ /^\*|\[/ && mentions(t))
        return !mentions(bare)
    }
    function complain(line, fault, what) {
        printf "%s:%d: %s: %s: %s\n", file, line, fn, fault, what
        bad++
    }
    # one assignment: target, operator, value. pass 1 spreads cotangents, pass 2 checks
    function assign(line, target, op, value, type, pointer,    name, hit) {
        name = trim(target)
        gsub(/[*&() ]/, "", name)
        name = unindexed(name)
        hit = mentions(value)
        if (pass == 1) {
            if (hit && type !~ /^(int|size_t|rmask|unsigned)/ && !is_cotangent(name) &&
                !((fn ":" name) in allowed) && name !~ /^rod->/) {
                tainted[name] = 1
                changed = 1
            }
            return
        }
        if (pointer || (fn ":" name) in allowed || type ~ /^(int|size_t|rmask|unsigned)/) return
        if (!is_cotangent(name) && !hit) return
        if (name ~ /^rod->/ && !hit) return
        goal = trim(target)
        if (!marked(value, op != "="))
            complain(line, "a term without RG_TERM", trim(target) " " op " " trim(value))
        if (crowded(value))
            complain(line, "two terms in one RG_TERM", trim(target) " " op " " trim(value))
    }
    # an expression with assignments, right to left: a = b = c
    function expression(line, t, type, pointer,
                        p, c, before, depth, from, parts, count, ops, j) {
        depth = 0
        from = 1
        count = 0
        for (p = 1; p <= length(t); p++) {
            c = substr(t, p, 1)
            if (c ~ /[[({]/) depth++
            if (c ~ /[])}]/) depth--
            if (c != "=" || depth > 0) continue
            before = substr(t, p - 1, 1)
            if (substr(t, p + 1, 1) == "=") { p++; continue }
            if (before ~ /[<>!]/) continue
            parts[++count] = substr(t, from, p - from - (before ~ /[-+*\/|&]/))
            ops[count] = before ~ /[-+*\/|&]/ ? before "=" : "="
            from = p + 1
        }
        if (count == 0) { call(line, t); return }
        for (j = 1; j <= count; j++) assign(line, parts[j], ops[j], substr(t, from), type, pointer)
    }
    # a call: what it writes. v3_store and rgi_put write their last argument into another
    function call(line, t,    name, p, list, count, j, hit, arg) {
        if (t !~ /^[A-Za-z_][A-Za-z0-9_]*\(/) return
        p = index(t, "(")
        name = substr(t, 1, p - 1)
        count = pieces(substr(t, p + 1, closing(t, p) - p - 1), ",", list)
        if (name == "v3_store") { assign(line, base_of(list[1]), "=", list[2], "vec3", 0); return }
        if (name ~ /^rgi_put/) {
            assign(line, base_of(list[1]), "=", list[count], "real", name ~ /many/)
            return
        }
        if (pass == 2) return
        hit = 0
        for (j = 1; j <= count; j++) if (mentions(list[j])) hit = 1
        for (j = 1; hit && j <= count; j++) {
            arg = base_of(list[j])
            if ((arg in array) && !is_cotangent(arg)) { tainted[arg] = 1; changed = 1 }
        }
    }
    # a + 3 * i -> a
    function base_of(t) {
        t = trim(t)
        sub(/^&/, "", t)
        t = unindexed(t)
        sub(/[ ]*[-+] .*/, "", t)
        return trim(t)
    }
    function statement(line, t,    type, list, count, j, declared, name, pointer) {
        t = trim(t)
        gsub(/[ \t\n]+/, " ", t)
        # what stands before: loops, conditions
        for (;;) {
            if (t ~ /^(else|RG_TEAM_ONE|do|return)([^A-Za-z0-9_]|$)/) sub(/^[A-Za-z_]+ ?/, "", t)
            else if (t ~ /^(case|default)([^A-Za-z0-9_]|$)/) sub(/^[^:]*: ?/, "", t)
            else if (t ~ /^(for|if|while|switch|RG_TEAM_FOR) ?\(/)
                t = trim(substr(t, closing(t, index(t, "(")) + 1))
            else break
        }
        if (t == "") return
        type = ""
        if (t ~ /^(const )?(real|vec3|rmask|int|size_t|unsigned|rgi_[a-z_]+) (const )?[*]*[a-z]/) {
            type = t
            sub(/^const /, "", type)
            sub(/ .*/, "", type)
            sub(/^(const )?[a-z0-9_]+ (const )?/, "", t)
        }
        count = pieces(t, ",", list)
        for (j = 1; j <= count; j++) {
            t = trim(list[j])
            pointer = type != "" && t ~ /^\*/
            if (type != "" && t ~ /^\**[A-Za-z_][A-Za-z0-9_]*[ ]*(\[|$)/) {
                name = t
                gsub(/^\**/, "", name)
                sub(/[^A-Za-z0-9_].*/, "", name)
                array[name] = 1
            }
            expression(line, t, type, pointer)
        }
    }
    # the statements of one function
    function check(    j, list, count, name) {
        split("", tainted)
        split("", array)
        count = pieces(params, ",", list)
        for (j = 1; j <= count; j++) {
            name = trim(list[j])
            if (name !~ /(real|vec3|rgi_tangent|rgi_input_bar)/ && fn !~ /_adj$/) continue
            sub(/.*[ *]/, "", name)
            if (!(name in primal) && !((fn ":" name) in primal)) tainted[name] = 1
        }
        pass = 1
        do {
            changed = 0
            for (j = 1; j <= n_statements; j++) statement(at[j], text[j])
        } while (changed)
        pass = 2
        for (j = 1; j <= n_statements; j++) statement(at[j], text[j])
    }
    # ---- a file as functions and statements ----
    function finish(    p, c, line, depth, parens, buffer, head, braces, here) {
        line = 1
        depth = parens = braces = 0
        buffer = ""
        here = 0
        for (p = 1; p <= length(whole); p++) {
            c = substr(whole, p, 1)
            if (c == "\n") line++
            if (buffer == "" && c ~ /[ \t\n]/) continue
            if (buffer == "") here = line
            if (c == "(" || c == "[") parens++
            if (c == ")" || c == "]") parens--
            if (depth == 0) {
                if (c == "{") {
                    head = buffer
                    gsub(/[ \t\n]+/, " ", head)
                    fn = ""
                    if (match(head, /[A-Za-z_][A-Za-z0-9_]*\(/)) {
                        fn = substr(head, RSTART, RLENGTH - 1)
                        params = substr(head, RSTART + RLENGTH)
                        sub(/\)[^)]*$/, "", params)
                    }
                    n_statements = 0
                    holds = 0
                    depth = 1
                    buffer = ""
                } else if (c == ";") buffer = ""
                else buffer = buffer c
                continue
            }
            # an initialiser, or a compound literal
            if (braces > 0 || (c == "{" && buffer ~ /=[ \t\n]*(\([^()]*\)[ \t\n]*)?$/)) {
                if (c == "{") braces++
                if (c == "}") braces--
                buffer = buffer c
                continue
            }
            if (parens == 0 && (c == ";" || c == "{" || c == "}")) {
                if (buffer != "") {
                    n_statements++
                    text[n_statements] = buffer
                    at[n_statements] = here
                    if (buffer ~ /RG_TERM/) holds = 1
                }
                buffer = ""
                if (c == "{") depth++
                if (c == "}" && --depth == 0 && fn != "" &&
                    (fn ~ /_adj$/ || file ~ /(^|\/)reverse\.h$/ || holds)) {
                    functions++
                    check()
                }
                continue
            }
            buffer = buffer c
        }
        whole = ""
    }
    FNR == 1 {
        if (NR > 1) finish()
        file = FILENAME
        whole = ""
        comment = 0
        directive = 0
    }
    {
        # comments and directives become blank, lines stay
        t = $0
        out = ""
        while (t != "") {
            if (comment) {
                p = index(t, "*/")
                if (p == 0) { t = ""; break }
                t = substr(t, p + 2)
                comment = 0
            } else {
                p = index(t, "/*")
                if (p == 0) { out = out t; t = ""; break }
                out = out substr(t, 1, p - 1)
                t = substr(t, p + 2)
                comment = 1
            }
        }
        if (directive || out ~ /^[ \t]*#/) {
            directive = out ~ /\\$/
            out = ""
        }
        sub(/\/\/.*/, "", out)
        whole = whole out "\n"
    }
    END {
        finish()
        if (functions < 8) { print "only " functions + 0 " functions found to check"; bad++ }
        exit bad > 0
    }' "$@"
}

headers() { find "$1" -name '*.h' | sort; }

# the headers of a folder through terms
terms_of() {
    headers "$1" | {
        set --
        while IFS= read -r path; do set -- "$@" "$path"; done
        terms "$@"
    }
}

# a file without its k-th mark
strip() {
    awk -v k="$2" '
    /define RG_TERM/ { print; next }
    {
        line = $0
        from = 1
        while ((p = index(substr(line, from), "RG_TERM(")) > 0) {
            p += from - 1
            if (++seen != k) { from = p + 1; continue }
            depth = 0
            for (q = p + 7; q <= length(line); q++) {
                c = substr(line, q, 1)
                if (c == "(") depth++
                if (c == ")" && --depth == 0) break
            }
            line = substr(line, 1, p - 1) substr(line, p + 7)
            break
        }
        print line
    }' "$1"
}

test_marks() {
    terms_of "$1" || return 1
    total=0
    unseen=0
    headers "$1" >"$work/list"
    while IFS= read -r path; do
        case $path in */real/real.h) continue ;; esac
        count=$(grep -o 'RG_TERM(' "$path" | wc -l)
        stripped=$work/${path##*/}
        k=1
        while [ "$k" -le "$count" ]; do
            strip "$path" "$k" >"$stripped"
            total=$((total + 1))
            if ! terms "$stripped" | grep -q RG_TERM; then
                line=$(diff "$path" "$stripped" | sed -n '1s/[^0-9].*//p')
                echo "$path:$line: mark $k of the file is taken out unseen"
                unseen=$((unseen + 1))
            fi
            k=$((k + 1))
        done
    done <"$work/list"
    echo "$total marks, $unseen of them taken out unseen"
    [ "$total" -gt 100 ] && [ "$unseen" -eq 0 ]
}

if [ $# -ne 2 ] || [ ! -d "$2" ]; then
    echo "check_terms.sh: call it with check or test and the folder of the kernels" >&2
    exit 2
fi
case $1 in
check) terms_of "$2" ;;
test)
    work=$(mktemp -d) || exit 1
    trap 'rm -rf "$work"' EXIT
    test_marks "$2"
    ;;
*)
    echo "check_terms.sh: \"$1\" is neither check nor test" >&2
    exit 2
    ;;
esac
