/// What may stand at the cursor of an unfinished command line, read from the table of commands as the parser reads it.
///
/// What a value can be follows from its kind and from how help names it: `TABLE` and `TABLE[@VERSION]` are looked up in
/// the warehouse, `COLUMN` in the table that the line names, `TARGET` among what was declared and delivered to, `FILE` and
/// `DIR` are left to the shell, and words in lower case between bars are words to type.
package struct Completion {
  package struct Candidate: Hashable {
    package var text: String
    /// What shells that show it print beside.
    package var note: String

    package init(_ text: String, _ note: String = "") {
      self.text = text
      self.note = note
    }
  }

  package enum Proposal: Equatable {
    /// Each is the whole word, with what was typed of it.
    case words([Candidate])
    /// The shell knows; behind a `=`, what comes after it is the path.
    case files
    case directories
  }

  package var groups: [CommandGroup]
  package var globalOptions: [Option]
  /// The tables of the warehouse that the words so far name (nil: none is named).
  package var tables: (_ warehouse: String?) -> [Candidate]
  /// The versions of a table in it, without the table's name.
  package var versions: (_ warehouse: String?, _ table: String) -> [Candidate]

  /// The columns of a table, or those of a feed where there is no such table yet.
  package var columns: (_ warehouse: String?, _ table: String, _ feed: String?) -> [Candidate]
  package var targets: (_ warehouse: String?) -> [Candidate]

  package init(
    groups: [CommandGroup], globalOptions: [Option], tables: @escaping (String?) -> [Candidate] = { _ in [] },
    versions: @escaping (String?, String) -> [Candidate] = { _, _ in [] },
    columns: @escaping (String?, String, String?) -> [Candidate] = { _, _, _ in [] },
    targets: @escaping (String?) -> [Candidate] = { _ in [] }
  ) {
    self.groups = groups
    self.globalOptions = globalOptions
    self.tables = tables
    self.versions = versions
    self.columns = columns
    self.targets = targets
  }

  /// `words` is the command line without the program's name, up to the cursor: the last one is being typed.
  package func proposal(for words: [String]) -> Proposal {
    let typed = words.last ?? ""
    var line = Line()
    for word in words.dropLast() { read(word, &line) }
    let options = globalOptions + (line.command?.options ?? [])
    if let option = line.pending { return values(of: option, typed, line) }
    if !line.optionsHaveEnded, typed.hasPrefix("-") {
      guard let sign = typed.firstIndex(of: "=") else { return .words(names(of: options, typed, line)) }
      let name = String(typed[..<sign].drop { $0 == "-" })
      guard let option = options.first(where: { $0.name == name && $0.kind != .flag }) else { return .words([]) }
      let head = String(typed[...sign])
      let proposal = values(of: option, String(typed[typed.index(after: sign)...]), line)
      guard case .words(let candidates) = proposal else { return proposal }
      return .words(candidates.map { Candidate(head + $0.text, $0.note) })
    }
    guard let command = line.command else {
      let commands = groups.flatMap(\.commands).map { Candidate($0.name, $0.summary) }
      return .words(matching(typed, commands + (line.wantsHelp ? [] : [Candidate("help", "Tell about a command")])))
    }
    if line.wantsHelp { return .words([]) }
    let place = min(line.arguments.count, command.arguments.count - 1)
    guard place >= 0, line.arguments.count == place || command.arguments[place].isRepeatable else {
      return .words(names(of: options, typed, line))
    }
    let argument = command.arguments[place]
    if !argument.choices.isEmpty { return .words(matching(typed, argument.choices.map { Candidate($0) })) }
    return values(named: argument.name, typed, line)
  }

  /// What the words before the cursor say.
  private struct Line {
    var command: Command?
    var arguments: [String] = []
    var given: Set<String> = []
    var warehouse: String?
    /// The value of `--into`.
    var into: String?
    /// The option whose value comes next.
    var pending: Option?
    var optionsHaveEnded = false
    var wantsHelp = false

    mutating func take(_ value: String, for option: String) {
      if option == "warehouse" { warehouse = value }
      if option == "into" { into = value }
    }
  }

  private func read(_ word: String, _ line: inout Line) {
    if let option = line.pending {
      line.take(word, for: option.name)
      line.pending = nil
    } else if !line.optionsHaveEnded && word == "--" {
      line.optionsHaveEnded = true
    } else if !line.optionsHaveEnded && word.hasPrefix("-") && word != "-" {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0].drop { $0 == "-" })
      let options = globalOptions + (line.command?.options ?? [])
      guard let option = options.first(where: { $0.name == name }) else { return }
      line.given.insert(name)
      if parts.count == 1 && option.kind != .flag { line.pending = option }
      if parts.count == 2 { line.take(String(parts[1]), for: name) }
    } else if line.command != nil {
      line.arguments.append(word)
    } else if word == "help" {
      line.wantsHelp = true
    } else {
      line.command = groups.flatMap(\.commands).first { $0.name == word }
    }
  }

  private func names(of options: [Option], _ typed: String, _ line: Line) -> [Candidate] {
    let open = options.filter { $0.isRepeatable || !line.given.contains($0.name) }
    return matching(
      typed, open.map { Candidate("--" + $0.name, $0.help) } + [Candidate("--help", "Show help and stop.")])
  }

  private func values(of option: Option, _ typed: String, _ line: Line) -> Proposal {
    switch option.kind {
    case .flag, .integer, .pairs: return .words([])
    case .choice(let choices): return .words(matching(typed, choices.map { Candidate($0) }))
    case .choices(let choices): return .words(list(of: choices.map { Candidate($0) }, typed))
    case .path: return option.placeholder == "DIR" ? .directories : .files
    case .list where option.placeholder == "COLUMN,…": return .words(list(of: columns(of: line), typed))
    case .text, .list: return values(named: option.placeholder, typed, line)
    }
  }

  /// What may come behind the last comma, each with what stands before it.
  private func list(of candidates: [Candidate], _ typed: String) -> [Candidate] {
    let taken = typed.split(separator: ",", omittingEmptySubsequences: false).dropLast().map(String.init)
    let head = taken.map { $0 + "," }.joined()
    return matching(
      typed, candidates.filter { !taken.contains($0.text) }.map { Candidate(head + $0.text, $0.note) })
  }

  /// Of the table that `--into` names, or else the first argument. Names that a shell would have to quote are left out.
  private func columns(of line: Line) -> [Candidate] {
    let isFed = line.command?.options.contains { $0.name == "into" } == true
    guard let table = isFed ? line.into ?? "" : line.arguments.first else { return [] }
    return columns(line.warehouse, String(table.prefix { $0 != "@" }), isFed ? line.arguments.first : nil).filter {
      $0.text.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" || $0 == "." }
    }
  }

  private func values(named placeholder: String, _ typed: String, _ line: Line) -> Proposal {
    if placeholder == "DIR" { return .directories }
    if placeholder.hasPrefix("FILE") { return .files }
    if placeholder == "COLUMN" { return .words(matching(typed, columns(of: line))) }
    if placeholder == "TARGET" { return .words(matching(typed, targets(line.warehouse))) }
    if placeholder == "TABLE" { return .words(matching(typed, tables(line.warehouse))) }
    if placeholder.hasPrefix("TABLE@") || placeholder.hasPrefix("TABLE[@") {
      guard let sign = typed.firstIndex(of: "@") else { return .words(matching(typed, tables(line.warehouse))) }
      let head = String(typed[...sign])
      let versions = versions(line.warehouse, String(typed[..<sign]))
      return .words(matching(typed, versions.map { Candidate(head + $0.text, $0.note) }))
    }
    let words = placeholder.prefix { $0 != " " }.split(separator: "|").filter { $0.allSatisfy { isWordLetter($0) } }
    return .words(matching(typed, words.map { Candidate(String($0)) }))
  }

  private func isWordLetter(_ letter: Character) -> Bool { ("a"..."z").contains(letter) || letter == "-" }

  private func matching(_ typed: String, _ candidates: [Candidate]) -> [Candidate] {
    candidates.filter { $0.text.hasPrefix(typed) }
  }
}
