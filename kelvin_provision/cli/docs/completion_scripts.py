"""The completion scripts. They hold no names: they ask the program, so that they never grow stale."""

from __future__ import annotations

BASH = r"""# bash completion of kelvin-provision: load it by
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
"""

ZSH = r"""#compdef kelvin-provision
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
"""

FISH = r"""# fish completion of kelvin-provision: load it by
#   kelvin-provision completion fish | source
# or put it into ~/.config/fish/completions/kelvin-provision.fish

function __kelvin_provision_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l found (env _KELVIN_PROVISION_COMPLETE=fish $words[1] $words[2..-1] "$last" 2>/dev/null)
    if test "$found[1]" = ":files"
        __fish_complete_path "$last"
    else
        printf '%s\n' $found
    end
end

complete --command kelvin-provision --no-files --arguments '(__kelvin_provision_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
