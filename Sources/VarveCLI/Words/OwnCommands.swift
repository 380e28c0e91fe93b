// Commands about this command.

let completionCommand = Command(
  "completion", "Print the completion script of a shell",
  arguments: [
    Argument("SHELL", "bash, zsh or fish.", choices: CompletionScript.allCases.map(\.rawValue))
  ],
  details: [
    "It completes commands, options, their values, tables, versions, columns and targets. The script's first lines say "
      + "where to put it."
  ],
  examples: [
    ("source <(varve completion bash)", "have it in this bash"),
    ("varve completion fish > ~/.config/fish/completions/varve.fish", "have it in every fish"),
  ])

let manCommand = Command(
  "man", "Print the manual page",
  details: ["All that `varve help` tells, as one page in the form that man reads."],
  examples: [
    ("varve man | man -l -", "read it"),
    ("varve man > ~/.local/share/man/man1/varve.1", "have it as `man varve`"),
  ])
