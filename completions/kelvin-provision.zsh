#compdef kelvin-provision
# zsh completion of kelvin-provision: load it by
#   source <(kelvin-provision completion zsh)
# or put it as _kelvin-provision into a folder of $fpath

_kelvin_provision() {
    local -a found rows
    local line
    found=("${(@f)$(_KELVIN_PROVISION_COMPLETE=zsh "${words[1]}" "${(@)words[2,$CURRENT]}" 2>/dev/null)}")
    if [[ ${found[1]} == ":files" ]]; then
        _files
        return
    fi
    for line in $found; do
        if [[ $line == *$'\t'* ]]; then
            rows+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
        elif [[ -n $line ]]; then
            rows+=("${line//:/\\:}")
        fi
    done
    _describe -V kelvin-provision rows
}

if [[ $funcstack[1] == _kelvin-provision ]]; then
    _kelvin_provision "$@"
else
    compdef _kelvin_provision kelvin-provision
fi
