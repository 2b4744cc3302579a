
use builtin;
use str;

set edit:completion:arg-completer[evp] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'evp'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'evp'= {
            cand --profile 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]'
            cand --config 'Read this settings file instead of those in /etc/evp, the user''s and ./config'
            cand --set 'Set one setting, above every file and variable (can be repeated)'
            cand --env-file 'Read variables from this file [env: EVP_ENV_FILE]'
            cand --data-dir 'The data directory [default: evp-data]'
            cand -o 'Form of what is printed'
            cand --output 'Form of what is printed'
            cand --color 'When to colour'
            cand -q 'Print data and warnings only'
            cand --quiet 'Print data and warnings only'
            cand -v 'Log more on stderr (can be repeated)'
            cand --verbose 'Log more on stderr (can be repeated)'
            cand -y 'Answer every question with yes'
            cand --yes 'Answer every question with yes'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand config 'Show, explain and check settings'
            cand completions 'Print the completion script of a shell'
            cand man 'Print the manual page, or write one page a command'
        }
        &'evp;config'= {
            cand --profile 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]'
            cand --config 'Read this settings file instead of those in /etc/evp, the user''s and ./config'
            cand --set 'Set one setting, above every file and variable (can be repeated)'
            cand --env-file 'Read variables from this file [env: EVP_ENV_FILE]'
            cand --data-dir 'The data directory [default: evp-data]'
            cand -o 'Form of what is printed'
            cand --output 'Form of what is printed'
            cand --color 'When to colour'
            cand -q 'Print data and warnings only'
            cand --quiet 'Print data and warnings only'
            cand -v 'Log more on stderr (can be repeated)'
            cand --verbose 'Log more on stderr (can be repeated)'
            cand -y 'Answer every question with yes'
            cand --yes 'Answer every question with yes'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand show 'Print the settings that hold'
            cand explain 'Explain one setting: what it is for, its default, its variables, and each place that sets it'
            cand validate 'Check the settings and say every fault with its place; exit 78 where there is one'
        }
        &'evp;config;show'= {
            cand --profile 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]'
            cand --config 'Read this settings file instead of those in /etc/evp, the user''s and ./config'
            cand --set 'Set one setting, above every file and variable (can be repeated)'
            cand --env-file 'Read variables from this file [env: EVP_ENV_FILE]'
            cand --data-dir 'The data directory [default: evp-data]'
            cand -o 'Form of what is printed'
            cand --output 'Form of what is printed'
            cand --color 'When to colour'
            cand --origin 'Say where each value comes from'
            cand --changed 'Leave out what is as by default'
            cand -q 'Print data and warnings only'
            cand --quiet 'Print data and warnings only'
            cand -v 'Log more on stderr (can be repeated)'
            cand --verbose 'Log more on stderr (can be repeated)'
            cand -y 'Answer every question with yes'
            cand --yes 'Answer every question with yes'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'evp;config;explain'= {
            cand --profile 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]'
            cand --config 'Read this settings file instead of those in /etc/evp, the user''s and ./config'
            cand --set 'Set one setting, above every file and variable (can be repeated)'
            cand --env-file 'Read variables from this file [env: EVP_ENV_FILE]'
            cand --data-dir 'The data directory [default: evp-data]'
            cand -o 'Form of what is printed'
            cand --output 'Form of what is printed'
            cand --color 'When to colour'
            cand -q 'Print data and warnings only'
            cand --quiet 'Print data and warnings only'
            cand -v 'Log more on stderr (can be repeated)'
            cand --verbose 'Log more on stderr (can be repeated)'
            cand -y 'Answer every question with yes'
            cand --yes 'Answer every question with yes'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'evp;config;validate'= {
            cand --profile 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]'
            cand --config 'Read this settings file instead of those in /etc/evp, the user''s and ./config'
            cand --set 'Set one setting, above every file and variable (can be repeated)'
            cand --env-file 'Read variables from this file [env: EVP_ENV_FILE]'
            cand --data-dir 'The data directory [default: evp-data]'
            cand -o 'Form of what is printed'
            cand --output 'Form of what is printed'
            cand --color 'When to colour'
            cand -q 'Print data and warnings only'
            cand --quiet 'Print data and warnings only'
            cand -v 'Log more on stderr (can be repeated)'
            cand --verbose 'Log more on stderr (can be repeated)'
            cand -y 'Answer every question with yes'
            cand --yes 'Answer every question with yes'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'evp;completions'= {
            cand --profile 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]'
            cand --config 'Read this settings file instead of those in /etc/evp, the user''s and ./config'
            cand --set 'Set one setting, above every file and variable (can be repeated)'
            cand --env-file 'Read variables from this file [env: EVP_ENV_FILE]'
            cand --data-dir 'The data directory [default: evp-data]'
            cand -o 'Form of what is printed'
            cand --output 'Form of what is printed'
            cand --color 'When to colour'
            cand -q 'Print data and warnings only'
            cand --quiet 'Print data and warnings only'
            cand -v 'Log more on stderr (can be repeated)'
            cand --verbose 'Log more on stderr (can be repeated)'
            cand -y 'Answer every question with yes'
            cand --yes 'Answer every question with yes'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'evp;man'= {
            cand --profile 'Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]'
            cand --config 'Read this settings file instead of those in /etc/evp, the user''s and ./config'
            cand --set 'Set one setting, above every file and variable (can be repeated)'
            cand --env-file 'Read variables from this file [env: EVP_ENV_FILE]'
            cand --data-dir 'The data directory [default: evp-data]'
            cand -o 'Form of what is printed'
            cand --output 'Form of what is printed'
            cand --color 'When to colour'
            cand -q 'Print data and warnings only'
            cand --quiet 'Print data and warnings only'
            cand -v 'Log more on stderr (can be repeated)'
            cand --verbose 'Log more on stderr (can be repeated)'
            cand -y 'Answer every question with yes'
            cand --yes 'Answer every question with yes'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
    ]
    $completions[$command]
}
