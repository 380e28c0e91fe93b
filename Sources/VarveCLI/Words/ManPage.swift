/// The manual page of all commands, in roff with the macros of man(7). `date` is when it was made: `2024-10-06`.
package func manPage(groups: [CommandGroup], globalOptions: [Option], version: String, date: String) -> String {
  var page = ManPage()
  page.request("TH", "VARVE", "1", date, "Varve " + version, "User Commands")
  page.section("Name")
  page.text("varve \\- keep every feed as a version of a table", isRoff: true)
  page.section("Synopsis")
  page.text("varve [--warehouse DIR] [--json] [--quiet] COMMAND …")
  page.section("Description")
  page.text(
    "Turns feeds (workbooks, JSON, NDJSON, CSV, Parquet) into versions of tables. A version is committed whole or not "
      + "at all, and is never changed. Tables are Delta Lake tables, which other engines read.")
  page.section("Options of every command")
  page.options(globalOptions)
  for group in groups {
    page.section(group.heading)
    for command in group.commands { page.command(command) }
  }
  page.section("Exit status")
  for (code, meaning) in [
    ("0", "Done; that nothing had to be done counts as done."), ("1", "Failed."),
    ("2", "The command line was not understood."), ("3", "Refused to protect data."), ("4", "Damage was found."),
    ("130", "Interrupted."),
  ] { page.entry(code, meaning) }
  page.section("Environment")
  page.entry("VARVE_WAREHOUSE", "The directory that holds the tables, where --warehouse is not given.")
  page.entry("NO_COLOR", "Any text switches colours off.")
  return page.source
}

private struct ManPage {
  private(set) var source = ""

  /// A macro with its arguments, in which hyphens are just that: they may stand in a date.
  mutating func request(_ macro: String, _ arguments: String...) {
    source += ".\(macro)" + arguments.map { " \"" + escaped($0, hyphen: "-") + "\"" }.joined() + "\n"
  }

  mutating func section(_ name: String) { request("SH", name.uppercased()) }

  /// Running text.
  mutating func text(_ text: String, isRoff: Bool = false) {
    for line in wrapped(isRoff ? text : escaped(text), width: lineBytesMax) { source += protected(line) + "\n" }
  }

  /// A line as it stands.
  mutating func line(_ text: String) { source += protected(escaped(text)) + "\n" }

  /// A tagged paragraph.
  mutating func entry(_ tag: String, _ text: String) {
    source += ".TP\n"
    source += "\\fB" + escaped(tag) + "\\fR\n"
    self.text(text)
  }

  mutating func options(_ options: [Option]) {
    var group: String?
    for option in options {
      if option.group != group, let name = option.group {
        source += ".PP\n"
        text(name.prefix(1).uppercased() + name.dropFirst() + ":")
      }
      group = option.group
      source += ".TP\n"
      source += "\\fB" + escaped("--" + option.name) + "\\fR"
      source += option.kind == .flag ? "\n" : " \\fI" + escaped(option.placeholder) + "\\fR\n"
      text(option.help + (option.preset.map { " Default: \($0)." } ?? ""))
    }
  }

  mutating func command(_ command: Command) {
    request("SS", "varve " + usageLine(of: command))
    text(command.summary + ".")
    for paragraph in command.details {
      source += ".PP\n"
      text(paragraph)
    }
    for argument in command.arguments { entry(argument.name, argument.help) }
    options(command.options)
    for example in command.examples {
      source += ".PP\n"
      text(example.purpose.prefix(1).uppercased() + example.purpose.dropFirst() + ":")
      source += ".PP\n.RS 4\n.nf\n"
      line(example.line)
      source += ".fi\n.RE\n"
    }
  }

  /// What roff would obey, spelled so that it prints.
  private func escaped(_ text: String, hyphen: String = "\\-") -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\e"
      case "-": result += hyphen
      case "'": result += "\\(aq"
      case "\"": result += "\\(dq"
      case "`": result += "\\(ga"
      case "^": result += "\\(ha"
      case "~": result += "\\(ti"
      case "…": result += "..."
      case "\n": result += " "
      case _ where scalar.value > 0x7E: result += "\\[u" + hexadecimal(scalar.value) + "]"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private func hexadecimal(_ number: UInt32) -> String {
    let digits = String(number, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }

  /// A line that begins with a point is a request, unless something that prints nothing stands before it.
  private func protected(_ line: String) -> String { line.hasPrefix(".") ? "\\&" + line : line }
}

private let lineBytesMax = 78
