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
complete -c evp -n "__fish_evp_needs_command" -f -a "serve" -d 'Run the whole pipeline in this process, or one role of it'
complete -c evp -n "__fish_evp_needs_command" -f -a "run" -d 'Run one or more roles in this process'
complete -c evp -n "__fish_evp_needs_command" -f -a "send" -d 'Send events, one JSON object a line; exit 3 where some were rejected'
complete -c evp -n "__fish_evp_needs_command" -f -a "stats" -d 'Show the numbers of a campaign or of all'
complete -c evp -n "__fish_evp_needs_command" -f -a "status" -d 'Say what became of an event; exit 3 where it was never accepted'
complete -c evp -n "__fish_evp_needs_command" -f -a "blacklist" -d 'Block addresses and networks, and let them in again'
complete -c evp -n "__fish_evp_needs_command" -f -a "replay" -d 'Bring archived events back'
complete -c evp -n "__fish_evp_needs_command" -f -a "verify" -d 'Prove that every accepted event has exactly one outcome; exit 3 with what was found'
complete -c evp -n "__fish_evp_needs_command" -f -a "loadgen" -d 'Put load on a collector and measure it; exit 99 where a threshold is crossed'
complete -c evp -n "__fish_evp_needs_command" -f -a "dlq" -d 'See dead letters and put them back'
complete -c evp -n "__fish_evp_needs_command" -f -a "tail" -d 'Show records of a topic, the last ones first asked for, without joining a group'
complete -c evp -n "__fish_evp_needs_command" -f -a "topics" -d 'Look at the topics, make those that are missing, see who is behind'
complete -c evp -n "__fish_evp_needs_command" -f -a "migrate" -d 'Make and upgrade the tables of Postgres'
complete -c evp -n "__fish_evp_needs_command" -f -a "archive" -d 'See what is in the archive and prove that it is whole'
complete -c evp -n "__fish_evp_needs_command" -f -a "doctor" -d 'Look at everything this profile needs; exit 69 where something is not reachable, 10 where something weakens the promise'
complete -c evp -n "__fish_evp_needs_command" -f -a "config" -d 'Show, explain and check settings'
complete -c evp -n "__fish_evp_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c evp -n "__fish_evp_needs_command" -f -a "man" -d 'Print the manual page, or write one page a command'
complete -c evp -n "__fish_evp_using_subcommand serve" -l listen -d 'Address of the collector, or of the query role where it runs without one; port 0 takes a free one [default: 127.0.0.1:8080]' -r
complete -c evp -n "__fish_evp_using_subcommand serve" -l admin-listen -d 'Address of metrics and health; port 0 takes a free one [default: 127.0.0.1:9600, 9601 query, 9602 processor, 9603 archiver, 9604 worker, 9605 retrier]' -r
complete -c evp -n "__fish_evp_using_subcommand serve" -l drain-timeout -d 'Time to bring what was accepted to its end once told to stop [default: 30s]' -r
complete -c evp -n "__fish_evp_using_subcommand serve" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand serve" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand serve" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand serve" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand serve" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand serve" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand serve" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand serve" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand serve" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand serve" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand serve" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand run" -l listen -d 'Address of the collector, or of the query role where it runs without one; port 0 takes a free one [default: 127.0.0.1:8080]' -r
complete -c evp -n "__fish_evp_using_subcommand run" -l admin-listen -d 'Address of metrics and health; port 0 takes a free one [default: 127.0.0.1:9600, 9601 query, 9602 processor, 9603 archiver, 9604 worker, 9605 retrier]' -r
complete -c evp -n "__fish_evp_using_subcommand run" -l drain-timeout -d 'Time to bring what was accepted to its end once told to stop [default: 30s]' -r
complete -c evp -n "__fish_evp_using_subcommand run" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand run" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand run" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand run" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand run" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand run" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand run" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand run" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand run" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand run" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand run" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand send" -l url -d 'Send to this collector instead of the data directory; a path in it is taken in place of the route\'s, /events/ndjson' -r
complete -c evp -n "__fish_evp_using_subcommand send" -l ip-field -d 'The lines are objects; this member is the client\'s address, and `event` the event' -r
complete -c evp -n "__fish_evp_using_subcommand send" -l shape -d 'The shape of the events; told by their members where absent' -r -f -a "campaign\t'`event_type`, `user_id`, `campaign_id`'
typed\t'`type`, `payload`'
named_v1\t'`event_name`, `timestamp` in seconds'
named\t'`event_name`, `timestamp` in seconds or milliseconds'"
complete -c evp -n "__fish_evp_using_subcommand send" -l batch -d 'Events sent together' -r
complete -c evp -n "__fish_evp_using_subcommand send" -l ledger -d 'Write a ledger into this file, which must not exist' -r -F
complete -c evp -n "__fish_evp_using_subcommand send" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand send" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand send" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand send" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand send" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand send" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand send" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand send" -l no-drain -d 'On a stopped directory: do not run the pipeline afterwards'
complete -c evp -n "__fish_evp_using_subcommand send" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand send" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand send" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand send" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand stats" -l by -d 'Group by this' -r -f -a "country\t''
device\t''
ip\t''
hour\t''
campaign\t''"
complete -c evp -n "__fish_evp_using_subcommand stats" -l hours -d 'The last so many hours; all time where neither this nor --from nor --to is given' -r
complete -c evp -n "__fish_evp_using_subcommand stats" -l from -d 'From this instant on: RFC 3339, a date, or unix seconds or milliseconds' -r
complete -c evp -n "__fish_evp_using_subcommand stats" -l to -d 'Before this instant' -r
complete -c evp -n "__fish_evp_using_subcommand stats" -l limit -d 'At most so many groups' -r
complete -c evp -n "__fish_evp_using_subcommand stats" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand stats" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand stats" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand stats" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand stats" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand stats" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand stats" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand stats" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand stats" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand stats" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand stats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand stats" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand status" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand status" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand status" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand status" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand status" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand status" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand status" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand status" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand status" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand status" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand status" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -f -a "add" -d 'Block an address or a network'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -f -a "rm" -d 'Let an address or a network in again; exit 3 where there was no such rule'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -f -a "ls" -d 'List the rules'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -f -a "check" -d 'Say whether an address is blocked now; exit 3 where it is free'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -f -a "import" -d 'Take over rules from a file; where one line is wrong, none is'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and not __fish_seen_subcommand_from add rm ls check import export" -f -a "export" -d 'Write all rules out as `evp blacklist import` reads them: CSV, or JSON with -o'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -l ttl -d 'How long it holds, like 90s, 15m, 1h, 30d; for good where absent' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -l until -d 'Until when it holds' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -l reason -d 'Why, for whoever reads it later; 1024 bytes at most' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -l dry-run -d 'Change nothing, say what would change'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from add" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from rm" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from rm" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from rm" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from rm" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from rm" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from rm" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from rm" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from rm" -l dry-run -d 'Change nothing, say what would change'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from rm" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from rm" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from rm" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from rm" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from ls" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from ls" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from ls" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from ls" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from ls" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from ls" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from ls" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from ls" -l expired -d 'Rules that have expired and are not swept yet, too'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from ls" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from ls" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from check" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from check" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from check" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from check" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from check" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from check" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from check" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from check" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from import" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from import" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from import" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from import" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from import" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from import" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from import" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from import" -l dry-run -d 'Change nothing, say what would change'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from import" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from import" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from export" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from export" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from export" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from export" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from export" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from export" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from export" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from export" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand blacklist; and __fish_seen_subcommand_from export" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand replay" -l from -d 'From this instant on: RFC 3339, a date, or unix seconds or milliseconds' -r
complete -c evp -n "__fish_evp_using_subcommand replay" -l to -d 'Before this instant' -r
complete -c evp -n "__fish_evp_using_subcommand replay" -l prefix -d 'Only archive objects of events whose key begins so' -r
complete -c evp -n "__fish_evp_using_subcommand replay" -l include -d 'Bring back events that were decided so, too' -r -f -a "blocked\t''
rate_limited\t''"
complete -c evp -n "__fish_evp_using_subcommand replay" -l rate -d 'At most so many records a second' -r
complete -c evp -n "__fish_evp_using_subcommand replay" -l resume -d 'Go on with the interrupted replay of this name, as it was asked then; --rate may be another' -r
complete -c evp -n "__fish_evp_using_subcommand replay" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand replay" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand replay" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand replay" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand replay" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand replay" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand replay" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand replay" -l reprocess -d 'Judge the events again, under today\'s rules'
complete -c evp -n "__fish_evp_using_subcommand replay" -l dry-run -d 'Publish nothing, say what would come back'
complete -c evp -n "__fish_evp_using_subcommand replay" -l no-drain -d 'On a stopped directory: do not run the pipeline afterwards'
complete -c evp -n "__fish_evp_using_subcommand replay" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand replay" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand replay" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand replay" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand verify" -l wait -d 'How long to wait until nothing is in flight' -r
complete -c evp -n "__fish_evp_using_subcommand verify" -l limit -d 'List at most so many findings; all are counted' -r
complete -c evp -n "__fish_evp_using_subcommand verify" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand verify" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand verify" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand verify" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand verify" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand verify" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand verify" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand verify" -l schema -d 'Print the JSON schema of `-o json` and do nothing else'
complete -c evp -n "__fish_evp_using_subcommand verify" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand verify" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand verify" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand verify" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l url -d 'A collector; a path in it is taken in place of the route\'s' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l route -d 'Where events go, and so their shape [default: event, with --batch batch]' -r -f -a "event\t''
batch\t''
events\t''
typed\t''
bulk\t''
v1\t''
v1-bulk\t''
ndjson\t''"
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l header -d 'A header line of each request (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l connections -d 'Connections [default: 256]' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l threads -d 'Threads that send; one is enough for some tens of thousands of requests a second' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l timeout -d 'How long an answer may take [default: 10s]' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l max-waiting -d 'Requests that wait for a connection at most; more are dropped [default: a second\'s worth]' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l expect -d 'A text that an accepting answer must have in its body' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l rate -d 'Events a second; with --stage, at the start [default: 1000, with --stage 0]' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l duration -d 'How long [default: 30s]' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l stage -d 'Stages: the rate goes in a straight line to RATE within DURATION, one after the other; at 0s it jumps' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l spike -d 'Another rate in the middle of the run, for that long: it jumps there and back' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l batch -d 'Events in a request; the rate still counts events [default: 1, or 100 on a route of several]' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l burst -d 'Requests that are due at the same instant' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l scenario -l load-profile -d 'A ready load test, whose parts other flags replace' -r -f -a "seed-003\t'20,000 events a second for a minute, 100 requests of 200 events at a time'
seed-004\t'up to 2,000 requests a second, held, then a spike to 20,000; 5m10s'"
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l template -d 'An event with gaps such as {{id}}, {{user}}, {{now}}; @FILE reads it from a file' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l file -d 'Real events, one a line, taken in turn; their ids are replaced by the run\'s own' -r -F
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l size -d 'Fill each event up to so many bytes' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l users -d 'How many users {{user}} stands for [default: 100000]' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l duplicates -d 'Share of events that are sent a second time' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l bad -d 'Share of events that must be refused' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l addresses -d 'Spread requests over so many client addresses (X-Forwarded-For) [default: 0, none is named]' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l hot-addresses -d 'A share of the requests comes from a few addresses' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l seed -d 'What all that is random follows from' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l threshold -d 'A pass mark such as \'p99<10ms\', \'errors<1%\', \'rate>=19000\', \'dropped<1\' (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l ledger -d 'Write what was sent and what was answered to this file, for `evp verify`' -r -F
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l html -d 'Write the report as a page of HTML with plots' -r -F
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand loadgen" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l embedded -d 'Start the whole embedded server for the run, on a port of its own: on --data-dir, else on a directory that is removed afterwards'
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l keep-ids -d 'With --file: send the ids that the events have, so that a second round is duplicates'
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l dry-run -d 'Send nothing: print the plan and the first request'
complete -c evp -n "__fish_evp_using_subcommand loadgen" -l schema -d 'Print the schema of the report\'s JSON'
complete -c evp -n "__fish_evp_using_subcommand loadgen" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand loadgen" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand loadgen" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand loadgen" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand loadgen" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -f -a "ls" -d 'List dead letters, the oldest first'
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -f -a "show" -d 'Show a dead letter whole; exit 3 where there is none'
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -f -a "redrive" -d 'Put dead letters back into the topic in which they failed'
complete -c evp -n "__fish_evp_using_subcommand dlq; and not __fish_seen_subcommand_from ls show redrive export" -f -a "export" -d 'Write dead letters out whole, one JSON line each, with the bytes of their values'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -l stage -d 'Only those that failed there' -r -f -a "processor\t'Reading and judging a raw event'
worker\t'Writing to the store'"
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -l limit -d 'At most so many' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -l after -d 'Go on behind this origin, the last one of the page before' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -l resolved -d 'Those too whose event has become a row since'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from ls" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from show" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from show" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from show" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from show" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from show" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from show" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from show" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from show" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -l id -d 'This event id or origin (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -l stage -d 'Only those that failed there' -r -f -a "processor\t'Reading and judging a raw event'
worker\t'Writing to the store'"
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -l resume -d 'Go on with the interrupted run of this name, over all' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -l all -d 'All that are not resolved'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -l dry-run -d 'Change nothing, say how many would go back'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -l no-drain -d 'On a stopped directory: do not run the pipeline afterwards'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from redrive" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -l stage -d 'Only those that failed there' -r -f -a "processor\t'Reading and judging a raw event'
worker\t'Writing to the store'"
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -l output-file -d 'Into this file, which appears once it is complete; else to stdout' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -l resolved -d 'Those too whose event has become a row since'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand dlq; and __fish_seen_subcommand_from export" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand tail" -s n -l records -d 'The last so many records of each partition, before those are left out that are not asked for' -r
complete -c evp -n "__fish_evp_using_subcommand tail" -l from -d 'All that was written from this instant on' -r
complete -c evp -n "__fish_evp_using_subcommand tail" -l event-id -d 'Only records of this event' -r
complete -c evp -n "__fish_evp_using_subcommand tail" -l type -d 'Only events of this type' -r
complete -c evp -n "__fish_evp_using_subcommand tail" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand tail" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand tail" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand tail" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand tail" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand tail" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand tail" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand tail" -s f -l follow -d 'Go on with what comes, until interrupted'
complete -c evp -n "__fish_evp_using_subcommand tail" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand tail" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand tail" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand tail" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand tail" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -f -a "ls" -d 'List the topics of the settings'
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -f -a "ensure" -d 'Make the topics that are missing'
complete -c evp -n "__fish_evp_using_subcommand topics; and not __fish_seen_subcommand_from ls ensure lag" -f -a "lag" -d 'Show how far each consumer group is behind'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ls" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ls" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ls" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ls" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ls" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ls" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ls" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ls" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ls" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ensure" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ensure" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ensure" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ensure" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ensure" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ensure" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ensure" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ensure" -l dry-run -d 'Say what would be made, and make nothing'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ensure" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ensure" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ensure" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ensure" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from ensure" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from lag" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from lag" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from lag" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from lag" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from lag" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from lag" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from lag" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from lag" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from lag" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from lag" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from lag" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand topics; and __fish_seen_subcommand_from lag" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -f -a "up" -d 'Apply every step that is due; safe to run twice and from several places at once'
complete -c evp -n "__fish_evp_using_subcommand migrate; and not __fish_seen_subcommand_from up status" -f -a "status" -d 'List every step with the time at which it was applied; exit 3 where one is due'
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from up" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from up" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from up" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from up" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from up" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from up" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from up" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from up" -l dry-run -d 'Only say what is due'
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from up" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from up" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from up" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from up" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from up" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from status" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from status" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from status" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from status" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from status" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from status" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from status" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from status" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand migrate; and __fish_seen_subcommand_from status" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -f -a "ls" -d 'List objects in the order of their keys'
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -f -a "cat" -d 'Print the records of objects, one JSON line each; exit 3 where one is damaged'
complete -c evp -n "__fish_evp_using_subcommand archive; and not __fish_seen_subcommand_from ls cat verify" -f -a "verify" -d 'Prove that the archive has every offset that was archived, once and whole; exit 3 with what was found'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -l limit -d 'At most so many' -r
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -l after -d 'Go on behind this key, the last one of the page before' -r
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from ls" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from cat" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from cat" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from cat" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from cat" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from cat" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from cat" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from cat" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from cat" -l values -d 'Print only what the clients sent, byte for byte, with a line feed behind each'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from cat" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from cat" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from cat" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from cat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from cat" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from verify" -l limit -d 'List at most so many findings; all are counted' -r
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from verify" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from verify" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from verify" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from verify" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from verify" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from verify" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from verify" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from verify" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand archive; and __fish_seen_subcommand_from verify" -s V -l version -d 'Print version'
complete -c evp -n "__fish_evp_using_subcommand doctor" -l timeout -d 'How long a dependency may take to answer' -r
complete -c evp -n "__fish_evp_using_subcommand doctor" -l profile -d 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]' -r
complete -c evp -n "__fish_evp_using_subcommand doctor" -l config -d 'Read this settings file instead of those in /etc/evp, the user\'s and ./config' -r -F
complete -c evp -n "__fish_evp_using_subcommand doctor" -l set -d 'Set one setting, above every file and variable (can be repeated)' -r
complete -c evp -n "__fish_evp_using_subcommand doctor" -l env-file -d 'Read variables from this file [env: EVP_ENV_FILE]' -r -F
complete -c evp -n "__fish_evp_using_subcommand doctor" -l data-dir -d 'The data directory [default: evp-data]' -r -F
complete -c evp -n "__fish_evp_using_subcommand doctor" -s o -l output -d 'Form of what is printed' -r -f -a "table\t'Columns for people'
json\t'One JSON document'
ndjson\t'One JSON value a line'
csv\t'Comma-separated values with a header line'"
complete -c evp -n "__fish_evp_using_subcommand doctor" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c evp -n "__fish_evp_using_subcommand doctor" -s q -l quiet -d 'Print data and warnings only'
complete -c evp -n "__fish_evp_using_subcommand doctor" -s v -l verbose -d 'Log more on stderr (can be repeated)'
complete -c evp -n "__fish_evp_using_subcommand doctor" -s y -l yes -d 'Answer every question with yes'
complete -c evp -n "__fish_evp_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c evp -n "__fish_evp_using_subcommand doctor" -s V -l version -d 'Print version'
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
