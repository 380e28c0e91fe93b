/// Help on all commands.
package func overview(groups: [CommandGroup], globalOptions: [Option], width: Int, _ style: TextStyle) -> String {
  func heading(_ text: String) -> String { style.paint(text + ":", .heading) + "\n" }
  var text = "Varve keeps every feed as a version of a table.\n\n"
  text += style.paint("usage:", .heading) + " varve [--warehouse DIR] [--json] [--quiet] COMMAND …\n"
  let indent = indent(of: groups.flatMap(\.commands).map(\.name))
  for group in groups {
    text += "\n" + heading(group.heading)
    text += entries(group.commands.map { ($0.name, $0.summary) }, width: width, indent: indent)
  }
  text += "\n" + heading("options of every command")
  text += entries(
    globalOptions.map(helpEntry) + [("--help", "Show help and stop."), ("--version", "Show the version and stop.")],
    width: width)
  text += "\n" + wrap("`varve help COMMAND` tells the rest.", width: width)
  text += "\n" + wrap("exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 damage found, 130 interrupted", width: width)
  return text
}

/// Help on one command.
package func help(on command: Command, width: Int, _ style: TextStyle) -> String {
  func heading(_ text: String) -> String { style.paint(text + ":", .heading) + "\n" }
  var text = command.summary + ".\n\n" + style.paint("usage:", .heading) + " varve \(usageLine(of: command))\n"
  for paragraph in command.details { text += "\n" + wrap(paragraph, width: width) }
  if !command.arguments.isEmpty {
    text += "\n" + heading("arguments") + entries(command.arguments.map { ($0.name, $0.help) }, width: width)
  }
  var groups: [String] = []
  for option in command.options where !groups.contains(option.group ?? "") { groups.append(option.group ?? "") }
  for group in groups {
    let options = command.options.filter { ($0.group ?? "") == group }
    text += "\n" + heading(group.isEmpty ? "options" : group)
    text += entries(options.map(helpEntry), width: width)
  }
  if !command.examples.isEmpty {
    text += "\n" + heading("examples")
    for example in command.examples {
      text += "  " + style.paint("# " + example.purpose, .faint) + "\n  \(example.line)\n"
    }
  }
  return text
}

/// `ingest FILE… --into TABLE [options]`.
package func usageLine(of command: Command) -> String {
  var words = [command.name]
  for argument in command.arguments {
    let name = argument.name + (argument.isRepeatable ? "…" : "")
    words.append(argument.isRequired ? name : "[\(name)]")
  }
  for option in command.options where option.isRequired { words.append("--\(option.name) \(option.placeholder)") }
  if command.options.contains(where: { !$0.isRequired }) { words.append("[options]") }
  return words.joined(separator: " ")
}

private func helpEntry(_ option: Option) -> (String, String) {
  let head = "--\(option.name)" + (option.kind == .flag ? "" : " \(option.placeholder)")
  return (head, option.help + (option.preset.map { " Default: \($0)." } ?? ""))
}

/// Names on the left, texts wrapped on the right; a long name has its text on the next line.
private func entries(_ list: [(String, String)], width: Int, indent: Int? = nil) -> String {
  let indent = indent ?? VarveCLI.indent(of: list.map(\.0))
  var text = ""
  for (name, purpose) in list {
    let lines = wrapped(purpose, width: max(20, width - indent))
    var line = "  " + name
    if displayWidth(line) + 2 > indent {
      text += line + "\n"
      line = ""
    }
    for piece in lines {
      text += line + String(repeating: " ", count: indent - displayWidth(line)) + piece + "\n"
      line = ""
    }
  }
  return text
}

/// Where texts begin beside these names.
private func indent(of names: [String]) -> Int { min(24, (names.map(displayWidth).max() ?? 0) + 4) }

func wrap(_ paragraph: String, width: Int) -> String {
  wrapped(paragraph, width: width).joined(separator: "\n") + "\n"
}

func wrapped(_ paragraph: String, width: Int) -> [String] {
  var lines = [""]
  for word in paragraph.split(separator: " ") {
    let last = lines[lines.count - 1]
    if last.isEmpty {
      lines[lines.count - 1] = String(word)
    } else if displayWidth(last) + 1 + displayWidth(String(word)) <= width {
      lines[lines.count - 1] += " " + word
    } else {
      lines.append(String(word))
    }
  }
  return lines
}
