import Varve

extension Session {
  func completion(_ call: Invocation) throws {
    guard let script = CompletionScript(rawValue: call.arguments[0]) else {
      preconditionFailure("the parser lets only known shells pass")
    }
    try output.write(script.text)
  }

  func man() throws {
    let today = timeText(try surroundingsOfProcess().milliseconds()).prefix { $0 != "T" }
    try output.write(
      manPage(groups: commandGroups, globalOptions: globalOptions, version: Varve.version, date: String(today)))
  }

  /// Answers a completion script; what goes wrong is no candidate.
  func complete(_ words: [String]) throws {
    let completion = Completion(
      groups: commandGroups, globalOptions: globalOptions,
      tables: { directory in
        let tables = (try? Warehouse(at: warehousePath(directory)).tables()) ?? []
        return tables.map { .init($0.name, "version \($0.version), \($0.rowCount.map(grouped) ?? "?") rows") }
      },
      versions: { directory, table in
        let warehouse = Warehouse(at: warehousePath(directory))
        let history = (try? warehouse.history(table, limit: versionsShownMax)) ?? []
        let tags = (try? warehouse.tags(table)) ?? []
        return history.map { .init("\($0.version)", ([$0.timestamp] + $0.sources).joined(separator: ", ")) }
          + tags.compactMap { tag in tag.name.map { .init("tag:" + $0, "version \(tag.version)") } }
      })
    switch completion.proposal(for: words) {
    case .files: try output.writeLine("files")
    case .directories: try output.writeLine("directories")
    case .words(let candidates):
      try output.writeLine("words")
      for candidate in candidates { try output.writeLine("\(printable(candidate.text))\t\(printable(candidate.note))") }
    }
  }
}

/// Versions that are offered behind a table's name, newest first.
private let versionsShownMax = 50
