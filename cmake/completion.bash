# bash completion of rodgrad: commands and options as the program's own help lists them, else files.

_rodgrad()
{
    local program=${1/#\~/$HOME} word=$2 words=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ] || { [ "$COMP_CWORD" -eq 2 ] && [ "${COMP_WORDS[1]}" = help ]; }; then
        words=$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p')
        [ "$COMP_CWORD" -eq 2 ] || words="$words help --help --version"
    elif [[ $word == -* ]]; then
        words=$("$program" "${COMP_WORDS[1]}" --help 2>/dev/null | sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p')
    fi
    # shellcheck disable=SC2207 # no word has blanks or asterisks
    [ -z "$words" ] || COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o bashdefault -o default -F _rodgrad rodgrad
