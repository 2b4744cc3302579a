# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_evp_global_optspecs
    string join \n profile= config= set= env-file= data-dir= o/output= q/quiet v/verbose color= y/yes h/help V/version
end

function __fish_evp_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_evp_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_evp_using_subcommand
    set -l cmd (__fish_evp_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c evp -n "__fish_evp_needs_command" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_needs_command" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_needs_command" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_needs_command" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_needs_command" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_needs_command" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_needs_command" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_needs_command" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_needs_command" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_needs_command" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_needs_command" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_needs_command" -f -a "config" -d 'Show, explain and check settings'
complete -c evp -n "__fish_evp_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c evp -n "__fish_evp_needs_command" -f -a "man" -d 'Print the manual page, or write one page a command'
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -f -a "show" -d 'Print the settings that hold'
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -f -a "explain" -d 'Explain one setting: what it is for, its default, its variables, and each place that sets it'
complete -c evp -n "__fish_evp_using_subcommand config; and not __fish_seen_subcommand_from show explain validate" -f -a "validate" -d 'Check the settings and say every fault with its place; exit 78 where there is one'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -l origin -d 'Say where each value comes from'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -l changed -d 'Leave out what is as by default'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from explain" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from explain" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from explain" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from explain" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from explain" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from explain" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from explain" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from explain" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from explain" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from explain" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from explain" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from validate" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from validate" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from validate" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from validate" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from validate" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from validate" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from validate" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from validate" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from validate" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from validate" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand config; and __fish_seen_subcommand_from validate" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand completions" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand completions" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand completions" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand completions" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand completions" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand completions" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand completions" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand completions" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand completions" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand completions" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand completions" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand man" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand man" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand man" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand man" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand man" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand man" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand man" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand man" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand man" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand man" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand man" -s V -l version -d 'Print version'
