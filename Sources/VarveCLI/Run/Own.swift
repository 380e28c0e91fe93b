import Glibc
import Varve
import VarveDelivery

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
      },
      columns: { directory, table, feed in
        let warehouse = Warehouse(at: warehousePath(directory))
        if let fields = try? warehouse.describe(table).schema.fields {
          return fields.map { .init($0.name, $0.type.name) }
        }
        guard let feed, isSmallFile(feed) else { return [] }
        let columns = (try? warehouse.preview(FeedRequest(path: feed), rows: 0).columns) ?? []
        return columns.map { .init($0.name, $0.reason) }
      },
      targets: { directory in
        let warehouse = Warehouse(at: warehousePath(directory))
        let declared = (try? warehouse.declaredTargets()) ?? []
        let used = (try? warehouse.deliveries(limit: deliveriesSearchedMax).map(\.target)) ?? []
        return declared.map { .init($0, "declared in varve.json") }
          + Set(used).subtracting(declared).sorted().map { .init($0, "delivered to before") }
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

/// Whether a feed is read while somebody waits for its columns.
private func isSmallFile(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_size <= 4 << 20
}

/// Deliveries whose targets are offered, newest first.
private let deliveriesSearchedMax = 200
/// Versions that are offered behind a table's name, newest first.
private let versionsShownMax = 50
