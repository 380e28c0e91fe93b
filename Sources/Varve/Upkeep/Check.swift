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
    let selector = parsed.version == .latest ? .head : try Table.Selector(parsed.version, table: parsed.table)
    let snapshot = try table.snapshot(at: selector)
    let broken = try broken(snapshot, against: table.snapshot(), isWhole: true)
    return (Int(snapshot.version), broken.map(BrokenExpectation.init))
  }

  /// What is broken by the expectations of the newest version, in another or the same.
  func broken(
    _ snapshot: Snapshot, against published: Snapshot, isWhole: Bool
  ) throws -> [VarveLake.BrokenExpectation] {
    guard let expectations = try snapshot.metadata.expectations else { return [] }
    // Rows were held against other rules before, or never.
    let isWhole = isWhole || published.metadata[.expectations] != snapshot.metadata[.expectations]
    let check = QualityCheck(
      try snapshot.contents(), against: published.version == snapshot.version ? nil : try published.contents(),
      key: snapshot.metadata.key, isWhole: isWhole, limits: limits,
      scratch: { try ScratchFile.temporary(random: self.surroundings.random) })
    return try check.broken(expectations)
  }

  /// Shows readers the newest version, if it waits for its checks and passes them; else notes why it does not.
  ///
  /// A version that waits was recorded unpublished, so whatever dies before this leaves readers where they were; the next
  /// ingestion, or the same again, comes here once more.
  func settleChecks(_ table: Table) throws -> [VarveLake.BrokenExpectation] {
    guard let proxy = try Proxy.read(table.storage), proxy.mode == .held else { return [] }
    let head = try table.snapshot(at: .head)
    guard proxy.version < head.version else { return [] }
    var awaitsChecks = false
    for version in (proxy.version + 1)...head.version {
      guard let bookkeeping = try table.log.entry(existing: version).bookkeeping else { continue }
      awaitsChecks = awaitsChecks || bookkeeping.awaitsChecks
      // Somebody holds it back on purpose.
      if !bookkeeping.publishes, !bookkeeping.awaitsChecks { return [] }
    }
    guard awaitsChecks else { return [] }
    let broken = try broken(head, against: table.snapshot(at: .version(proxy.version)), isWhole: false)
    if broken.isEmpty {
      try table.publish(
        passed: head.version, clock: surroundings.clock, reason: "version \(head.version) is as expected")
      return []
    }
    let reason = "version \(head.version): " + broken.map(\.sentence).joined(separator: "; ")
    if try Proxy.history(table.storage).last?.reason != reason {
      try table.publish(proxy.version, mode: .held, clock: surroundings.clock, reason: reason)
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
}
