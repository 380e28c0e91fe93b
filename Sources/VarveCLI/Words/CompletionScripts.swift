/// A shell's completion script: it asks `varve __complete WORD…`, so it never falls behind the commands.
///
/// The answer's first line is `words`, `files` or `directories`; behind `words` comes a line for each candidate, its
/// note behind a tab.
package enum CompletionScript: String, CaseIterable, Sendable {
  case bash, zsh, fish

  /// The hidden command that the scripts ask.
  package static let question = "__complete"

  package var text: String {
    switch self {
    case .bash: Self.bashText
    case .zsh: Self.zshText
    case .fish: Self.fishText
    }
  }

  // Bash parts words at `=`, `:` and `@` too, and replaces only what is behind the last of them; an `@` with it.
  private static let bashText = #"""
    # Completion of varve for bash. To have it now: source <(varve completion bash)
    # For every shell: varve completion bash > ~/.local/share/bash-completion/completions/varve
    _varve() {
      local line=${COMP_LINE:0:COMP_POINT} gap word kind answer part cut="" i
      local -a words=()
      for ((i = 0; i <= COMP_CWORD; i++)); do
        gap=${line%%[![:space:]]*}
        line=${line#"$gap"}
        word=${COMP_WORDS[i]}
        ((i < COMP_CWORD)) || word=$line
        line=${line#"$word"}
        if [[ -z $gap ]] && ((i > 0)); then words[-1]+=$word; else words+=("$word"); fi
      done
      words=("${words[@]//[\"\'\\]/}")
      word=${words[-1]}
      for part in = : @; do
        [[ $COMP_WORDBREAKS == *"$part"* ]] || continue
        gap=${word%"${word##*"$part"}"}
        [[ $part != @ ]] || gap=${gap%@}
        ((${#gap} <= ${#cut})) || cut=$gap
      done
      COMPREPLY=()
      {
        read -r kind
        while IFS= read -r answer; do
          answer=${answer%%$'\t'*}
          COMPREPLY+=("${answer#"$cut"}")
        done
      } < <("${1/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
      case $kind in
        words) compopt -o nosort ;;
        files) compopt -o default -o bashdefault ;;
        directories) compopt -o dirnames ;;
      esac
    }
    complete -F _varve varve

    """#

  private static let zshText = #"""
    #compdef varve
    # Completion of varve for zsh. To have it now, after compinit: source <(varve completion zsh)
    # For every shell: varve completion zsh > a directory of $fpath/_varve
    _varve() {
      local line note
      local -a answer candidates
      answer=("${(@f)$(${(Q)words[1]} __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
      case $answer[1] in
        words)
          for line in "${(@)answer[2,-1]}"; do
            note=${line#*$'\t'}
            line=${${line%%$'\t'*}//:/\\:}
            if [[ -n $note ]]; then candidates+=("$line:$note"); else candidates+=("$line"); fi
          done
          _describe -V varve candidates
          ;;
        files) compset -P '--*='; _files ;;
        directories) compset -P '--*='; _files -/ ;;
      esac
    }
    if [[ $funcstack[1] == _varve ]]; then _varve "$@"; else compdef _varve varve; fi

    """#

  private static let fishText = #"""
    # Completion of varve for fish. To have it now: varve completion fish | source
    # For every shell: varve completion fish > ~/.config/fish/completions/varve.fish
    function __varve_complete
      set -l words (commandline -opc)
      set -l typed (commandline -ct)
      set -l program $words[1]
      set -e words[1]
      set -l answer ($program __complete $words "$typed" 2>/dev/null)
      set -l kind $answer[1]
      set -e answer[1]
      set -l head (string match -r -- '^--[^=]*=' "$typed")
      switch "$kind"
        case words
          printf '%s\n' $answer
        case files
          printf '%s\n' "$head"(__fish_complete_path (string replace -r -- '^--[^=]*=' '' "$typed"))
        case directories
          printf '%s\n' "$head"(__fish_complete_directories (string replace -r -- '^--[^=]*=' '' "$typed"))
      end
    end
    complete -c varve -f -k -a '(__varve_complete)'

    """#
}
