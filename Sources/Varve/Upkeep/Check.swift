internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// An expectation that a version of a table does not meet.
public struct BrokenExpectation: Hashable, Sendable {
  /// `not_null`, `min`, `max`, `one_of`, `matches`, `unique`, `rows` or `drift`.
  public var rule: String
  /// The column, or columns parted by commas; nil of a rule for whole versions.
  public var column: String?
  /// How many rows break it; nil of a rule for whole versions.
  public var rowCount: Int?
  /// In words, with the first such row.
  public var what: String

  init(_ broken: VarveLake.BrokenExpectation) {
    rule = broken.rule
    column = broken.column
    rowCount = broken.rowCount
    what = broken.sentence
  }
}

extension Warehouse {
  /// Holds a version of a table against what is expected of it; a bare name is the newest. Every row is looked at, and
  /// nothing is changed.
  public func check(_ reference: String) throws -> (version: Int, broken: [BrokenExpectation]) {
    let parsed = try TableReference(parsing: reference)
    let table = try table(parsed.table)
    let selector = parsed.version == .latest ? .settled : try Table.Selector(parsed.version, table: parsed.table)
    let snapshot = try table.snapshot(at: selector)
    let broken = try broken(snapshot, against: table.snapshot(), isWhole: true)
    return (Int(snapshot.version), broken.map(BrokenExpectation.init))
  }

  /// What is broken by the expectations of the newest version, in another or the same.
  func broken(
    _ snapshot: Snapshot, against published: Snapshot, isWhole: Bool
  ) throws -> [VarveLake.BrokenExpectation] {
    try broken(
      snapshot.metadata, snapshot.contents(), against: published.version == snapshot.version ? nil : published,
      isWhole: isWhole)
  }

  private func broken(
    _ metadata: TableMetadata, _ contents: TableContents, against published: Snapshot?, isWhole: Bool
  ) throws -> [VarveLake.BrokenExpectation] {
    guard let expectations = try metadata.expectations else { return [] }
    // Rows were held against other rules before, or never.
    let isWhole = isWhole || published.map { $0.metadata[.expectations] != metadata[.expectations] } ?? false
    let check = QualityCheck(
      contents, against: try published?.contents(), key: metadata.key, isWhole: isWhole, limits: limits,
      scratch: { try ScratchFile.temporary(random: self.surroundings.random) })
    return try check.broken(expectations)
  }

  /// Holds what a table will be behind steps that are staged, on their base, against what is expected of it. Where
  /// readers were held for checks alone, the last step is made to show itself.
  ///
  /// A transaction is shown as a whole or not at all, so a table that is not as expected must stop it before it is
  /// decided. Throws `refused` then.
  func checkBeforehand(_ steps: inout [Decision.Step], of table: Table, on base: Snapshot?) throws {
    guard let last = steps.indices.last, steps[last].bookkeeping.publishes else { return }
    let metadata = steps[0].creation ?? base?.metadata
    guard let metadata else { preconditionFailure("a table that is not made has a base") }
    let proxy = try Proxy.read(table.storage).flatMap { $0.mode == .held ? $0 : nil }
    let published = try proxy.map { try table.snapshot(at: .version($0.version)) } ?? base
    if let proxy, let base {
      // Somebody holds it back on purpose: then it stays held, and is checked when it is published.
      if try waits(table, after: proxy.version, upTo: base.version) == .forSomebody { return }
      steps[last].completes = true
    }
    var contents =
      try base?.contents()
      ?? TableContents(
        storage: table.storage, schema: Schema([]), partitionColumns: metadata.partitionColumns, files: [])
    for step in steps { try contents.apply(step.change, stagedIn: step.staging) }
    let broken = try broken(metadata, contents, against: published, isWhole: false)
    guard broken.isEmpty else {
      throw Problem(
        .refused, at: [table.name],
        "would not be as expected, so nothing of the transaction is committed: "
          + broken.map(\.sentence).joined(separator: "; "),
        advice: "mend the data, or what is expected of it")
    }
  }

  private enum Waiting { case forNobody, forChecks, forSomebody }

  /// What versions that readers are not shown wait for.
  private func waits(_ table: Table, after shown: Int64, upTo head: Int64) throws -> Waiting {
    var waiting = Waiting.forNobody
    var awaitsExecutions = false
    guard shown < head else { return waiting }
    for version in (shown + 1)...head {
      guard let bookkeeping = try table.log.entry(existing: version).bookkeeping else { continue }
      if bookkeeping.awaitsChecks { waiting = .forChecks } else if !bookkeeping.publishes { return .forSomebody }
      awaitsExecutions = awaitsExecutions || bookkeeping.awaitsExecutions
    }
    if awaitsExecutions, try !ExecutionState(table.log.history(upTo: head, limit: nil)).stale.isEmpty {
      return .forSomebody
    }
    return waiting
  }

  /// Shows readers the newest version, if it waits for its checks and passes them; else notes why it does not.
  ///
  /// A version that waits was recorded unpublished, so whatever dies before this leaves readers where they were; the next
  /// ingestion, or the same again, comes here once more.
  func settleChecks(_ table: Table) throws -> [VarveLake.BrokenExpectation] {
    guard let proxy = try Proxy.read(table.storage), proxy.mode == .held else { return [] }
    let head = try table.snapshot(at: .settled)
    guard try waits(table, after: proxy.version, upTo: head.version) == .forChecks else { return [] }
    let broken = try broken(head, against: table.snapshot(at: .version(proxy.version)), isWhole: false)
    if broken.isEmpty {
      try table.publish(
        passed: head.version, clock: surroundings.clock, reason: "version \(head.version) is as expected")
      return []
    }
    let reason = "version \(head.version): " + broken.map(\.sentence).joined(separator: "; ")
    if try Proxy.history(table.storage).last?.reason != reason {
      try table.hold(at: proxy.version, clock: surroundings.clock, reason: reason)
    }
    return broken
  }
}

extension Bookkeeping {
  /// Whether readers are to see the version once it was held against the table's expectations.
  var awaitsChecks: Bool {
    get { details["awaits_checks"]?.boolean ?? false }
    set { details["awaits_checks"] = newValue ? true : nil }
  }

  /// Whether readers are to see the version only when the executions that it made stale have run again.
  var awaitsExecutions: Bool {
    get { details["awaits_executions"]?.boolean ?? false }
    set { details["awaits_executions"] = newValue ? true : nil }
  }
}
