# bash completion of kelvin-provision: load it by
#   source <(kelvin-provision completion bash)
# or put it into /usr/share/bash-completion/completions/kelvin-provision

_kelvin_provision() {
    local IFS=$'\n' found
    found=$(_KELVIN_PROVISION_COMPLETE=bash "$1" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    COMPREPLY=()
    if [[ $found == ":files" ]]; then
        compopt -o filenames
        COMPREPLY=($(compgen -f -- "$2"))
    elif [[ -n $found ]]; then
        COMPREPLY=($found)
    fi
}

complete -F _kelvin_provision kelvin-provision
