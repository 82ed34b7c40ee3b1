#include "completion.h"

namespace planetbox {
namespace {

std::string names(std::span<const Applet> applets, std::string_view separator) {
    std::string out;
    for (const Applet& applet : applets) {
        if (!out.empty()) out += separator;
        out += applet.name;
    }
    return out;
}

// Words before the cursor that are not options are subcommands or values; --help-words ignores
// the ones it does not know.
constexpr std::string_view kBash = R"SH(# planetbox: completion for bash
_planetbox() {
    local cur=${COMP_WORDS[COMP_CWORD]} applet=${COMP_WORDS[0]##*/} first=1 words w
    if [ "$applet" = planetbox ]; then
        if [ "$COMP_CWORD" -eq 1 ]; then
            COMPREPLY=($(compgen -W "@APPLETS@ --list --install --version --help --completion" -- "$cur"))
            return
        fi
        applet=${COMP_WORDS[1]} first=2
    fi
    words=()
    for w in "${COMP_WORDS[@]:first:COMP_CWORD-first}"; do
        case $w in -*) ;; *) words+=("$w") ;; esac
    done
    COMPREPLY=($(compgen -W "$(planetbox "$applet" --help-words "${words[@]}" 2>/dev/null)" -- "$cur")
               $(compgen -f -- "$cur"))
}
complete -F _planetbox planetbox @APPLETS@
)SH";

constexpr std::string_view kZsh = R"SH(#compdef planetbox @APPLETS@
_planetbox() {
    local applet=${words[1]:t} first=2
    if [[ $applet == planetbox ]]; then
        if (( CURRENT == 2 )); then
            compadd -- @APPLETS@ --list --install --version --help --completion
            return
        fi
        applet=${words[2]} first=3
    fi
    local -a before=(${(M)words[first,CURRENT-1]:#[^-]*})
    compadd -- $(planetbox $applet --help-words $before 2>/dev/null)
    _files
}
if [[ $funcstack[1] == _planetbox ]]; then
    _planetbox "$@"
else
    compdef _planetbox planetbox @APPLETS@
fi
)SH";

constexpr std::string_view kFish = R"SH(# planetbox: completion for fish
function __planetbox_words
    set -l line (commandline -opc)
    set -l applet (string replace -r '.*/' '' -- $line[1])
    set -e line[1]
    if test "$applet" = planetbox
        set applet $line[1]
        set -e line[1]
    end
    planetbox $applet --help-words (string match -v -- '-*' $line) 2>/dev/null
end
complete -c planetbox -n 'test (count (commandline -opc)) -eq 1' -fa '@APPLETS@ --list --install --version --help --completion'
complete -c planetbox -n 'test (count (commandline -opc)) -gt 1' -a '(__planetbox_words)'
for applet in @APPLETS@
    complete -c $applet -a '(__planetbox_words)'
end
)SH";

}  // namespace

std::string completion_script(std::string_view shell, std::span<const Applet> applets) {
    std::string_view text;
    if (shell == "bash")
        text = kBash;
    else if (shell == "zsh")
        text = kZsh;
    else if (shell == "fish")
        text = kFish;
    std::string out;
    const std::string list = names(applets, " ");
    constexpr std::string_view kMark = "@APPLETS@";
    for (size_t at; (at = text.find(kMark)) != text.npos; text.remove_prefix(at + kMark.size()))
        out.append(text.substr(0, at)).append(list);
    return out.append(text);
}

}  // namespace planetbox
