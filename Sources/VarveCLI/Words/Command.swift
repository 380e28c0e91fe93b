/// One command of `varve`: what the parser, the help, the documentation's test and the completions read.
package struct Command: Sendable {
  package var name: String
  /// One line, in the imperative, without a full stop.
  package var summary: String
  package var arguments: [Argument] = []
  package var options: [Option] = []
  /// What the summary leaves out, as paragraphs.
  package var details: [String] = []
  /// Whole command lines with what each is for.
  package var examples: [(line: String, purpose: String)] = []

  /// Whether it makes the warehouse where there is none, or needs none.
  package var worksWithoutWarehouse: Bool {
    [
      "ingest", "watch", "preview", "cells", "advise", "receive", "transaction", "serve", "completion", "man",
    ].contains(name)
  }

  package init(
    _ name: String, _ summary: String, arguments: [Argument] = [], options: [Option] = [], details: [String] = [],
    examples: [(line: String, purpose: String)] = []
  ) {
    self.name = name
    self.summary = summary
    self.arguments = arguments
    self.options = options
    self.details = details
    self.examples = examples
  }
}

/// A positional argument. Only the last one of a command may repeat or be left out.
package struct Argument: Sendable {
  package var name: String
  package var help: String
  /// What it may be; empty where that is open.
  package var choices: [String]
  package var isRequired = true
  package var isRepeatable = false

  package init(
    _ name: String, _ help: String, choices: [String] = [], isRequired: Bool = true, isRepeatable: Bool = false
  ) {
    self.name = name
    self.help = help
    self.choices = choices
    self.isRequired = isRequired
    self.isRepeatable = isRepeatable
  }
}

/// An option, written `--name VALUE` or `--name=VALUE`; a flag has no value.
package struct Option: Sendable {
  package enum Kind: Sendable, Equatable {
    case flag
    case text
    case integer(ClosedRange<Int>)
    case choice([String])
    /// Values parted by commas. Repeating the option adds to them.
    case list
    /// The same, each of them one of these.
    case choices([String])
    /// `COLUMN=VALUE` pairs parted by commas; a backslash keeps the comma after it. Repeating adds.
    case pairs
    /// A path of the file system, for completions.
    case path
  }

  package var name: String
  /// How help names the value. Empty for a flag.
  package var placeholder: String
  package var kind: Kind
  /// What holds without the option, as help prints it.
  package var preset: String?
  package var isRequired: Bool
  package var help: String
  /// The heading in help under which it stands; nil for the command's own options.
  package var group: String?

  package init(
    _ name: String, _ placeholder: String, _ kind: Kind, preset: String? = nil, isRequired: Bool = false,
    group: String? = nil, _ help: String
  ) {
    self.name = name
    self.placeholder = placeholder
    self.kind = kind
    self.preset = preset
    self.isRequired = isRequired
    self.group = group
    self.help = help
  }

  package static func flag(_ name: String, group: String? = nil, _ help: String) -> Option {
    Option(name, "", .flag, group: group, help)
  }

  package var isRepeatable: Bool {
    switch kind {
    case .list, .choices, .pairs: true
    case .flag, .text, .integer, .choice, .path: false
    }
  }
}

/// Commands that belong together, under one heading of help.
package struct CommandGroup: Sendable {
  package var heading: String
  package var commands: [Command]

  package init(_ heading: String, _ commands: [Command]) {
    self.heading = heading
    self.commands = commands
  }
}
