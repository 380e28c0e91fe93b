internal import VarveJSON
internal import VarveTables

/// Where decisions lie in a warehouse, and what came of those that were never made.
///
/// `_transactions/pending/<id>` is there from the beginning of a transaction to its end, locked by whoever makes it.
extension Warehouse {
  /// What was decided under that id; nil where nothing was. Decisions are kept for ever.
  package func decision(_ id: String) throws -> Decision? {
    guard Layout.isIdentifier(id), let bytes = try storage.read(Layout.transaction(id)) else { return nil }
    return try Decision(bytes, place: [storage.path, Layout.transaction(id)])
  }

  /// The version of its table that each step became; nil where it has not been carried out.
  package func versions(of decision: Decision) throws -> [Int64?] {
    try decision.steps.indices.map { index in
      guard let table = try table(decision.steps[index].table), let head = try table.head() else { return nil }
      let base = decision.steps[index].base
      guard head > base else { return nil }
      return try ((base + 1)...head).first { try decision.step(of: table.log.entry(existing: $0)) == index }
    }
  }

  /// Whether all of it has been carried out.
  package func isCarriedOut(_ id: String) throws -> Bool { try !storage.exists(Layout.pendingTransaction(id)) }

  func pendingDecisions() throws -> [String] {
    try storage.list(Layout.pendingTransactions).filter(Layout.isIdentifier)
  }

  // MARK: The mark

  /// Who holds a transaction's mark.
  package enum Mark: Sendable {
    case none
    /// A process that lives.
    case held
    /// A process that died.
    case abandoned
  }

  package func mark(of id: String) throws -> Mark {
    guard try storage.exists(Layout.pendingTransaction(id)) else { return .none }
    if let lock = try lockPending(id) { return withExtendedLifetime(lock) { .abandoned } }
    return try storage.exists(Layout.pendingTransaction(id)) ? .held : .none
  }

  /// Begins a transaction: takes its mark, after whoever has it. The transaction lasts as long as the lock, and ends
  /// with being carried out or with `end`.
  package func begin(_ id: String) throws -> FileLock {
    try storage.makeDurableDirectories(Layout.pendingTransactions)
    while true {
      guard let lock = try storage.lock(Layout.pendingTransaction(id), waits: true), lock.isLinked else { continue }
      try storage.sync(Layout.pendingTransactions)
      return lock
    }
  }

  /// Nil while its writer lives.
  func lockPending(_ id: String) throws -> FileLock? {
    guard let lock = try storage.lock(Layout.pendingTransaction(id), waits: false, creates: false), lock.isLinked else {
      return nil
    }
    return lock
  }

  /// Shows readers all versions of the decision. Durable, since what was shown must not be taken back.
  func unmarkPending(_ id: String) throws {
    try storage.removeIfPresent(Layout.pendingTransaction(id))
    try storage.sync(Layout.pendingTransactions)
  }

  // MARK: Decisions

  /// The moment from which the decision counts.
  func decide(_ decision: Decision) throws {
    let draft = Layout.transactionDraft(decision.id)
    try storage.removeIfPresent(draft)
    try storage.write(draft, decision.bytes, isSealed: true)
    guard try storage.link(draft, as: Layout.transaction(decision.id)) else {
      throw Problem(.refused, at: [storage.path], "the transaction \(decision.id) was decided before")
    }
    try storage.sync(Layout.transactions)
    try storage.removeIfPresent(draft)
  }

  // MARK: Ends

  /// How a transaction ended that committed nothing.
  package struct End: Hashable, Sendable {
    package enum Outcome: String, Sendable {
      case rolledBack = "rolled_back"
      /// There was nothing to commit.
      case unchanged
    }

    package var outcome: Outcome
    package var reason: String

    package init(_ outcome: Outcome, _ reason: String) {
      self.outcome = outcome
      self.reason = reason
    }

    package static let ofDeadWriter = End(.rolledBack, "the process that began it died before it was decided")
    private static let format = 1

    var bytes: [UInt8] {
      JSONValue.object([
        "format": JSONValue(End.format), "outcome": .string(outcome.rawValue), "reason": .string(reason),
      ]).bytes()
    }

    init(_ bytes: [UInt8], place: [String]) throws {
      guard let json = try? JSONValue(parsing: bytes), let format = json["format"]?.int else {
        throw Problem(.damaged, at: place, "cannot be read", advice: "remove it; the transaction committed nothing")
      }
      guard format <= End.format, let outcome = json["outcome"]?.string.flatMap(Outcome.init(rawValue:)) else {
        throw Problem(.refused, at: place, "was written by a newer Varve", advice: "use that Varve")
      }
      self.init(outcome, json["reason"]?.string ?? "")
    }
  }

  /// How the last attempt under that id ended, where nothing was ever decided under it; kept for ever.
  package func end(of id: String) throws -> End? {
    guard let bytes = try storage.read(Layout.endedTransaction(id)) else { return nil }
    return try End(bytes, place: [storage.path, Layout.endedTransaction(id)])
  }

  /// Ends a transaction without a decision: first its end is noted, then its mark goes. The mark is held.
  package func end(_ id: String, _ end: End?) throws {
    if let end {
      try storage.makeDurableDirectories(Layout.endedTransactions)
      try storage.replace(Layout.endedTransaction(id), end.bytes, draft: Layout.endedTransactionDraft(id))
    }
    try unmarkPending(id)
  }
}

extension Table {
  /// The newest version up to `version` that no pending decision holds back, which is what readers may be shown.
  ///
  /// `version` must have been looked for before this is called: a decision that was not pending then, and is none now,
  /// either had no part in that version or is carried out.
  func shown(_ version: Int64) throws -> Int64 {
    guard let warehouse = try warehouse() else { return version }
    var shown = version
    for decision in try warehouse.pendingDecisions().compactMap(warehouse.decision) {
      guard let step = decision.steps.first(where: { $0.table == name }), step.base < shown else { continue }
      let first = try ((step.base + 1)...shown).first { number in
        try log.entry(number).flatMap(decision.step) != nil
      }
      if let first { shown = first - 1 }
    }
    return shown
  }

  /// The decision about this table that is still to be carried out, if there is one. Asked under the table's lock.
  func decisionUnderWay() throws -> String? {
    guard let warehouse = try warehouse() else { return nil }
    return try warehouse.pendingDecisions().first { id in
      try warehouse.decision(id)?.steps.contains { $0.table == name } ?? false
    }
  }

  /// The directory that the table lies in, which need not be a warehouse's.
  func warehouse() throws -> Warehouse? {
    let parent = Layout.parent(storage.path)
    return try Warehouse.open(parent.isEmpty ? (storage.path.hasPrefix("/") ? "/" : ".") : parent)
  }
}
