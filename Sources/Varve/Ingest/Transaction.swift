internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// Ingestions into several tables that are committed together, all or nothing.
public struct TransactionRequest: Sendable {
  /// Names the transaction for ever: the same id never commits twice. Nil: a random one.
  public var id: String?
  /// One for each table.
  public var ingestions: [IngestRequest]

  /// Ingestions that are committed together, under an id that commits once.
  public init(_ ingestions: [IngestRequest], id: String? = nil) {
    self.ingestions = ingestions
    self.id = id
  }
}

/// How a transaction ended.
public struct TransactionReport: Sendable {
  /// How a transaction ended.
  public enum Outcome: String, Sendable {
    case committed
    /// Its feeds are in their tables already, or had no effect.
    case unchanged
    /// It is decided, and the next command that writes carries out the rest of it. Readers see nothing of it before.
    case decided
    /// A process is preparing it.
    case inProgress = "in_progress"
    /// It failed, or its process died before it was decided: nothing of it was committed, or ever will be. The same id
    /// may be used again.
    case rolledBack = "rolled_back"
    /// No transaction ever had that id.
    case unknown
  }

  /// Its id.
  public var id: String
  /// How it ended.
  public var outcome: Outcome
  /// By table, in the order of the request.
  public var reports: [IngestReport] = []
  /// The version that each table got.
  public var versions: [(table: String, version: Int)] = []
  /// Why it was rolled back.
  public var reason: String?
}

extension Warehouse {
  /// Ingests into several tables, and commits all of it or nothing.
  ///
  /// Everything is staged first; then one file decides. A crash before it leaves the old versions, one after it is made up
  /// for by the next writer. Readers are shown all new versions in one moment.
  public func commit(
    _ transaction: TransactionRequest, onEvent: @escaping (Event) -> Void = { _ in }
  ) throws -> TransactionReport {
    try check(transaction)
    let id = transaction.id ?? surroundings.random.identifier()
    let lake = try writable()
    if try lake.decision(id) != nil {
      // Whoever carried it out may have died before the end of its mark was durable.
      try lake.storage.sync(Layout.pendingTransactions)
      return try outcome(ofTransaction: id)
    }
    // Held until its end; whoever does the same transaction waits here.
    let mark = try lake.begin(id)
    defer { withExtendedLifetime(mark) {} }
    if try lake.decision(id) != nil {
      if try lake.versions(of: lake.decision(id)!).allSatisfy({ $0 != nil }) { try lake.end(id, nil) }
      return try outcome(ofTransaction: id)
    }
    let attempts = transaction.ingestions.map { request in
      var request = request
      request.transaction = id
      return Attempt(self, request, onEvent: onEvent)
    }
    do {
      for attempt in attempts { attempt.begin() }
      defer { for request in transaction.ingestions { try? lake.discardIfUnused(request.table) } }
      let report = try overtaking(transaction, id: id, attempts, mark, in: lake, onEvent)
      if report.outcome == .unchanged { try lake.end(id, .init(.unchanged, "there was nothing to commit")) }
      for (attempt, report) in zip(attempts, report.reports) { attempt.finish(report) }
      return report
    } catch {
      // Once it is decided, only carrying it out is left, and the ledger learns of it from the log.
      guard (try? lake.decision(id) == nil) == true else { throw error }
      for attempt in attempts { attempt.fail(error) }
      try? lake.end(id, transaction.id == nil ? nil : .init(.rolledBack, "\(error)"))
      throw error
    }
  }

  /// Prepares and commits. Where others were faster, it is prepared anew on what they left: twice beside them, then once
  /// with the turns of all its tables.
  private func overtaking(
    _ transaction: TransactionRequest, id: String, _ attempts: [Attempt], _ mark: FileLock,
    in lake: VarveLake.Warehouse, _ onEvent: @escaping (Event) -> Void
  ) throws -> TransactionReport {
    var turns: [String: FileLock] = [:]
    defer { withExtendedLifetime(turns) {} }
    for count in 0..<Committer.attemptsMax {
      do {
        return try commit(transaction, id: id, attempts, mark, turns, in: lake, onEvent)
      } catch let overtaken as Overtaken {
        onEvent(.remark("\(overtaken.table): planned anew, since \(overtaken.collision)"))
      }
      guard count >= Committer.replansOutsideLockMax, turns.isEmpty else { continue }
      for name in transaction.ingestions.map(\.table).sorted() { turns[name] = try lake.prepare(name).lock() }
    }
    throw Committer.isOutrun(transaction.ingestions.map(\.table))
  }

  /// What became of a transaction. Can be asked for ever, and writes nothing.
  public func outcome(ofTransaction id: String) throws -> TransactionReport {
    guard Layout.isIdentifier(id) else { throw Warehouse.badIdentifier(id) }
    guard let lake = try lake() else { return TransactionReport(id: id, outcome: .unknown) }
    // The mark first: one that is gone by then has left a decision or an end.
    let mark = try lake.mark(of: id)
    guard let decision = try lake.decision(id) else {
      var report = TransactionReport(id: id, outcome: .unknown)
      let end = mark == .abandoned ? .ofDeadWriter : try lake.end(of: id)
      if let end {
        report.outcome = end.outcome == .unchanged ? .unchanged : .rolledBack
        report.reason = end.reason
      }
      if mark == .held { report.outcome = .inProgress }
      return report
    }
    var report = TransactionReport(id: id, outcome: .committed)
    for (step, version) in zip(decision.steps, try lake.versions(of: decision)) {
      if let version { report.note(step.table, version) } else { report.outcome = .decided }
    }
    if try !lake.isCarriedOut(id) { report.outcome = .decided }
    return report
  }

  private func check(_ transaction: TransactionRequest) throws {
    if let id = transaction.id, !Layout.isIdentifier(id) { throw Warehouse.badIdentifier(id) }
    guard !transaction.ingestions.isEmpty else { throw Problem(.usage, "the transaction has no ingestions") }
    var tables = Set<String>()
    for request in transaction.ingestions {
      try TableName.check(request.table)
      guard tables.insert(request.table).inserted else {
        throw Problem(
          .usage, at: [request.table], "stands twice in the transaction, which makes one act of each table",
          advice: "name all its feeds in one ingestion, or make two transactions")
      }
      guard !request.feeds.isEmpty else { throw Problem(.usage, at: [request.table], "there is no feed to ingest") }
    }
  }

  private static func badIdentifier(_ id: String) -> Problem {
    Problem(.usage, "\"\(id)\" is no transaction's id", advice: "use 1 to 128 letters, digits, - and _")
  }

  private func commit(
    _ transaction: TransactionRequest, id: String, _ attempts: [Attempt], _ mark: FileLock, _ turns: [String: FileLock],
    in lake: VarveLake.Warehouse, _ onEvent: @escaping (Event) -> Void
  ) throws -> TransactionReport {
    let files = try transaction.ingestions.map { try $0.feeds.map { try SourceFile(path: $0.path, name: $0.name) } }
    var prepared: [Ingestion] = []
    do {
      var report = TransactionReport(id: id, outcome: .unchanged)
      for (number, request) in transaction.ingestions.enumerated() {
        let ingestion = try Ingestion(
          self, request, files: files[number], table: lake.prepare(request.table), attempt: attempts[number],
          onEvent: onEvent)
        ingestion.isHeldBack = true
        prepared.append(ingestion)
        report.reports.append(try ingestion.run())
      }
      try surroundings.checkInterrupted()
      try decide(id, prepared, mark, turns, in: lake, &report)
      for (table, version) in report.versions { onEvent(.committed(table: table, version: version)) }
      return report
    } catch {
      // Once it is decided, only carrying it out is left.
      if try lake.decision(id) == nil {
        for ingestion in prepared {
          guard let waiting = ingestion.prepared else { continue }
          try? waiting.staging.abandon()
          try? ingestion.discardQuarantine(waiting)
        }
      }
      throw error
    }
  }

  private func decide(
    _ id: String, _ ingestions: [Ingestion], _ mark: FileLock, _ turns: [String: FileLock],
    in lake: VarveLake.Warehouse, _ report: inout TransactionReport
  ) throws {
    let prepared = ingestions.compactMap(\.prepared)
    let steps = prepared.flatMap(\.steps)
    guard !steps.isEmpty else { return }
    let areas = Dictionary(uniqueKeysWithValues: prepared.map { ($0.staging.transaction, $0.staging) })
    let committed = try committer.commit(
      Decision(id: id, steps: steps), in: lake, areas: areas, mark: mark, turns: turns)
    report.outcome = .committed
    for (step, version) in zip(steps, committed) {
      report.note(step.table, version.version)
      guard let index = report.reports.firstIndex(where: { $0.table == step.table }) else { continue }
      report.reports[index].outcome = .committed
      report.reports[index].version = Int(version.version)
    }
  }
}

extension TransactionReport {
  /// A table's last version counts, where a backfill made several.
  fileprivate mutating func note(_ table: String, _ version: Int64) {
    if let index = versions.firstIndex(where: { $0.table == table }) {
      versions[index].version = Int(version)
    } else {
      versions.append((table, Int(version)))
    }
  }
}

extension TransactionRequest {
  /// A transaction file: `{"id": …, "ingestions": [{"table": …, "feeds": [PATH or {"path": …, "sheet": …}], …}]}`.
  ///
  /// The options of `varve ingest` are keys, with `_` for `-`.
  public init(path: String) throws {
    func wrong(_ what: String) -> Problem {
      Problem(.failed, at: [path], what, advice: "see Documentation/Transactions.md")
    }
    let source = try FileByteSource(path: path)
    guard source.byteCount <= TransactionRequest.bytesMax else { throw wrong("is no transaction file: too large") }
    let json: JSONValue
    do {
      json = try JSONValue(parsing: source.read(at: 0, count: source.byteCount))
    } catch {
      throw wrong("is no JSON: \(error)")
    }
    guard let list = json["ingestions"]?.array else { throw wrong("has no array \"ingestions\"") }
    for member in json.object?.members ?? [] where !["id", "ingestions"].contains(member.key) {
      throw wrong("\"\(member.key)\" is no key of a transaction")
    }
    ingestions = try list.enumerated().map { number, entry in
      guard var object = entry.object else { throw wrong("ingestion \(number + 1) is no object") }
      object["feeds"] = .array(
        (object["feeds"]?.array ?? []).map { feed in
          feed.string.map { .object(["path": .string($0)]) } ?? feed
        })
      object["format"] = JSONValue(IngestRequest.format)
      guard let request = IngestRequest(json: .object(object)) else {
        throw wrong("ingestion \(number + 1) has no \"table\" or no \"feeds\"")
      }
      // What was not understood would not come back.
      let understood = request.json
      for member in object.members
      where member.key == "transaction" || understood[member.key] == nil && !TransactionRequest.isPreset(member.value) {
        throw wrong("ingestion \(number + 1): \"\(member.key)\" is unknown, or its value is")
      }
      for (feed, back) in zip(object["feeds"]?.array ?? [], understood["feeds"]?.array ?? []) {
        for member in feed.object?.members ?? []
        where back[member.key] == nil && !TransactionRequest.isPreset(member.value) {
          throw wrong("ingestion \(number + 1), feed \"\(back["path"]?.string ?? "")\": \"\(member.key)\" is unknown")
        }
      }
      return request
    }
    id = json["id"]?.string
  }

  private static let bytesMax = 1 << 24

  /// A value that a request leaves out because it changes nothing.
  private static func isPreset(_ value: JSONValue) -> Bool {
    switch value {
    case .null, .boolean(false): true
    case .array(let values): values.isEmpty
    case .string(let text): ["fail", "refuse", "reject"].contains(text)
    default: false
    }
  }
}
