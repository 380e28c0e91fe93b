import Glibc
import Varve
import VarveJSON

extension Session {
  func advise(_ call: Invocation) throws {
    if call.has("tree") {
      try output.writeLine(Advice.tree.drawing)
      try output.writeLine("\nwith any of them:")
      for pattern in Advice.companions { try output.writeLine("\(pattern.name): \(pattern.commands[0])") }
      return
    }
    var answers: [String: Bool] = [:]
    for question in Advice.tree.questions { answers[question.name] = call[question.name].map { $0 == "yes" } }
    while case .question(let question, _, _) = Advice.tree.following(answers) {
      answers[question.name] = try ask(question)
    }
    guard case .pattern(let pattern) = Advice.tree.following(answers) else {
      preconditionFailure("every question has been answered")
    }
    if call.has("json") {
      try output.writeLine(json(of: pattern).text(.pretty))
      return
    }
    try output.writeLine(output.style.paint(pattern.name, .heading))
    try output.write(wrap(pattern.reason, width: helpWidth) + "\n")
    for command in pattern.commands { try output.writeLine("  " + command) }
    try output.writeLine("\n" + output.style.paint("with it, if you need it:", .heading))
    for companion in Advice.companions {
      try output.write(wrap("\(companion.name): \(companion.reason)", width: helpWidth))
      for command in companion.commands { try output.writeLine("  " + command) }
    }
  }

  /// Asks on a terminal until the answer is one; elsewhere nobody can be asked.
  private func ask(_ question: AdviceQuestion) throws -> Bool {
    guard isatty(STDIN_FILENO) == 1 else {
      throw Problem(
        .usage, at: ["varve advise"], "--\(question.name) yes|no is open: \(question.text)",
        advice: "see `varve advise --tree` for all questions")
    }
    // Whoever is being asked may leave at once: there is nothing to put in order.
    signal(SIGINT, SIG_DFL)
    while true {
      try errors.write("\(wrap(question.text, width: helpWidth).dropLast()) [y/n] ")
      try errors.flush()
      guard let line = readLine() else { throw Problem(.interrupted, "interrupted; nothing was answered") }
      switch line.trimmed.lowercased() {
      case "y", "yes": return true
      case "n", "no": return false
      default: continue
      }
    }
  }
}

private func json(of pattern: AdvisedPattern) -> JSONValue {
  [
    "pattern": .init(pattern.name), "reason": .init(pattern.reason),
    "commands": .array(pattern.commands.map { .init($0) }),
  ]
}

extension String {
  fileprivate var trimmed: String {
    var rest = self[...]
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }
}
