import VarveTables

/// A command line, understood. Every value has been checked against its option's kind.
package struct Invocation: Sendable {
  package var command: Command
  package var arguments: [String]
  /// By option name, global options among them; a flag that is set has one empty value.
  package var values: [String: [String]]

  package func has(_ option: String) -> Bool { values[option] != nil }

  /// The value of an option that stands once.
  package subscript(_ option: String) -> String? { values[option]?.last }

  package func integer(_ option: String) -> Int? { self[option].flatMap { Int($0) } }

  /// All values of a list, or none.
  package func list(_ option: String) -> [String] { values[option] ?? [] }

  /// All `COLUMN=VALUE` pairs, in order.
  package func pairs(_ option: String) -> [(column: String, value: String)] {
    list(option).map { pair in
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return (String(parts[0]), String(parts[1]))
    }
  }
}

/// What a command line asks for.
package enum Request: Sendable {
  case run(Invocation)
  /// Help on one command, or on all.
  case help(Command?)
  case version
}

/// Reads a command line by the table of commands.
///
/// Principles: global options stand anywhere; nothing is abbreviated; `--` ends the options; an option may stand once
/// unless it is a list; what cannot be understood is a `Problem` of kind `usage` that names the nearest thing meant.
package struct CommandLineParser: Sendable {
  package var commands: [Command]
  package var globalOptions: [Option]

  package init(commands: [Command], globalOptions: [Option]) {
    self.commands = commands
    self.globalOptions = globalOptions
  }

  /// `words` is the command line without the program's name.
  package func parse(_ words: [String]) throws -> Request {
    var rest = words[...]
    var command: Command?
    var arguments: [String] = []
    var values: [String: [String]] = [:]
    var optionsHaveEnded = false
    var wantsHelp = false

    while let word = rest.popFirst() {
      if !optionsHaveEnded && word == "--" {
        optionsHaveEnded = true
      } else if !optionsHaveEnded && (word == "--help" || word == "-h") {
        wantsHelp = true
      } else if !optionsHaveEnded && word == "--version" && command == nil {
        return .version
      } else if !optionsHaveEnded && word.hasPrefix("-") && word != "-" {
        try readOption(word, &rest, command, &values)
      } else if command != nil {
        arguments.append(word)
      } else if word == "help" {
        return .help(try rest.first { !$0.hasPrefix("-") }.map(find))
      } else {
        command = try find(word)
      }
    }
    if wantsHelp { return .help(command) }
    guard let command else {
      if words.isEmpty { return .help(nil) }
      throw Problem(.usage, "no command given", advice: "see `varve help`")
    }
    try check(arguments, of: command)
    for option in command.options where option.isRequired && values[option.name] == nil {
      throw usage("--\(option.name) \(option.placeholder) is missing", command)
    }
    return .run(Invocation(command: command, arguments: arguments, values: values))
  }

  private func find(_ name: String) throws -> Command {
    if let command = commands.first(where: { $0.name == name }) { return command }
    let guess = nearest(to: name, among: commands.map(\.name) + ["help"])
    throw Problem(
      .usage, "there is no command \"\(name)\"",
      advice: guess.map { "did you mean `varve \($0)`?" } ?? "`varve help` lists the commands")
  }

  private func readOption(
    _ word: String, _ rest: inout ArraySlice<String>, _ command: Command?, _ values: inout [String: [String]]
  ) throws {
    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(parts[0].drop { $0 == "-" })
    let known = globalOptions + (command?.options ?? [])
    guard parts[0].hasPrefix("--"), let option = known.first(where: { $0.name == name }) else {
      throw unknownOption(String(parts[0]), known, command)
    }
    var value = parts.count == 2 ? String(parts[1]) : nil
    if option.kind == .flag {
      guard value == nil else { throw usage("--\(name) takes no value", command) }
      value = ""
    } else if value == nil {
      value = rest.popFirst()
    }
    guard let value else { throw usage("--\(name) needs a value: \(option.placeholder)", command) }
    guard option.isRepeatable || option.kind == .flag || values[name] == nil else {
      throw usage("--\(name) is given twice", command)
    }
    values[name, default: []] += try read(value, option, command)
  }

  /// The value or values in the text of one option, checked.
  private func read(_ text: String, _ option: Option, _ command: Command?) throws -> [String] {
    switch option.kind {
    case .flag, .text, .path:
      guard option.kind == .flag || !text.isEmpty || option.allowsEmpty else {
        throw usage("--\(option.name) has an empty value", command)
      }
      return [text]
    case .integer(let bounds):
      guard let number = Int(text), bounds.contains(number) else {
        let range =
          bounds.upperBound == .max
          ? "of at least \(bounds.lowerBound)" : "from \(bounds.lowerBound) to \(bounds.upperBound)"
        throw usage("--\(option.name): \"\(text)\" is no whole number \(range)", command)
      }
      return [text]
    case .choice(let choices):
      try check(text, in: choices, of: "--\(option.name)", command)
      return [text]
    case .list, .choices:
      let parts = splitAtCommas(text)
      guard parts.allSatisfy({ !$0.isEmpty }) else { throw usage("--\(option.name) has an empty entry", command) }
      if case .choices(let choices) = option.kind {
        for part in parts { try check(part, in: choices, of: "--\(option.name)", command) }
      }
      return parts
    case .pairs:
      let parts = splitAtCommas(text)
      for part in parts where !part.contains("=") || part.hasPrefix("=") {
        throw usage("--\(option.name): \"\(part)\" is not of the form COLUMN=VALUE", command)
      }
      return parts
    }
  }

  private func check(_ arguments: [String], of command: Command) throws {
    let needed = command.arguments.filter(\.isRequired)
    if arguments.count < needed.count {
      throw usage("\(needed[arguments.count].name) is missing", command)
    }
    if arguments.count > command.arguments.count && command.arguments.last?.isRepeatable != true {
      throw usage("\"\(arguments[command.arguments.count])\" is one argument too many", command)
    }
    for (index, text) in arguments.enumerated() {
      let argument = command.arguments[min(index, command.arguments.count - 1)]
      if text.isEmpty { throw usage("\(argument.name) is empty", command) }
      if !argument.choices.isEmpty { try check(text, in: argument.choices, of: argument.name, command) }
    }
  }

  private func check(_ text: String, in choices: [String], of place: String, _ command: Command?) throws {
    if choices.contains(text) { return }
    let guess = nearest(to: text, among: choices).map { "; did you mean `\($0)`?" } ?? ""
    throw usage("\(place): \"\(text)\" is none of \(choices.joined(separator: ", "))\(guess)", command)
  }

  private func unknownOption(_ word: String, _ known: [Option], _ command: Command?) -> Problem {
    let name = String(word.drop { $0 == "-" })
    if known.contains(where: { $0.name == name }) {
      return usage("there is no option \(word); did you mean `--\(name)`?", command)
    }
    if command == nil, let owner = commands.first(where: { $0.options.contains { $0.name == name } }) {
      return Problem(
        .usage, "--\(name) stands before the command", advice: "write it after: `varve \(owner.name) … --\(name)`")
    }
    let guess = nearest(to: name, among: known.map(\.name) + ["help", "version"])
    let what = "there is no option \(word)" + (guess.map { "; did you mean `--\($0)`?" } ?? "")
    return usage(what, command)
  }

  private func usage(_ what: String, _ command: Command?) -> Problem {
    let advice = command.map { "see `varve help \($0.name)`" } ?? "see `varve help`"
    return Problem(.usage, at: command.map { ["varve \($0.name)"] } ?? [], what, advice: advice)
  }
}

extension Option {
  /// A separator or quote can be switched off by the empty text.
  fileprivate var allowsEmpty: Bool { name == "quote" || name == "escape" }
}

/// The parts of a list; `\,` is a comma and `\\` a backslash.
package func splitAtCommas(_ text: String) -> [String] {
  var parts = [""]
  var isEscaped = false
  for character in text {
    if isEscaped {
      if character != "," && character != "\\" { parts[parts.count - 1].append("\\") }
      parts[parts.count - 1].append(character)
      isEscaped = false
    } else if character == "\\" {
      isEscaped = true
    } else if character == "," {
      parts.append("")
    } else {
      parts[parts.count - 1].append(character)
    }
  }
  if isEscaped { parts[parts.count - 1].append("\\") }
  return parts
}
