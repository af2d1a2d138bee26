# fish completion of kelvin-provision: load it by
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
