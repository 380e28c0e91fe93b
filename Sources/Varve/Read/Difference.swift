internal import VarveLake
public import VarveTables

/// What became of rows from one version to another.
public final class Difference {
  /// What became of a row.
  public enum Kind: String, Sendable { case inserted, updated, deleted }

  /// A row that differs.
  public struct Change: Sendable {
    /// Which it is.
    public var kind: Kind
    /// A value per column; nil for an inserted row.
    public var before: [Value]?
    /// Nil for a deleted row.
    public var after: [Value]?
    /// The positions of the columns that an update changed.
    public var changedColumns: [Int]
  }

  /// The columns of the newer version, then those that only the older one has.
  public let schema: Schema
  /// The columns by which rows of the two versions belong together; none where whole rows were compared.
  public let key: [String]
  /// Rows inserted, of the changes that have come so far.
  public private(set) var insertedCount = 0
  /// Rows updated, of the changes that have come so far.
  public private(set) var updatedCount = 0
  /// Rows deleted, of the changes that have come so far.
  public private(set) var deletedCount = 0
  private let diff: Diff
  private var batch: ChangeBatch?
  private var row = 0

  init(_ diff: Diff, key: [String]) {
    self.diff = diff
    self.key = key
    schema = diff.schema
  }

  /// The next change, in the order of the key; nil at the end, and then the counts are whole.
  public func next() throws -> Change? {
    while batch == nil || row == batch?.count {
      guard let next = try diff.next() else { return nil }
      batch = next
      row = 0
    }
    guard let batch else { return nil }
    defer { row += 1 }
    switch batch.kinds[row] {
    case .inserted:
      insertedCount += 1
      return Change(kind: .inserted, before: nil, after: batch.new.values(at: row), changedColumns: [])
    case .deleted:
      deletedCount += 1
      return Change(kind: .deleted, before: batch.old.values(at: row), after: nil, changedColumns: [])
    case .updated:
      updatedCount += 1
      return Change(
        kind: .updated, before: batch.old.values(at: row), after: batch.new.values(at: row),
        changedColumns: batch.changed.indices.filter { batch.changed[$0][row] })
    }
  }
}

extension Warehouse {
  /// How two versions of a table differ, by key where it has one, else by whole rows.
  public func diff(_ from: String, _ to: String) throws -> Difference {
    let old = try resolve(from).snapshot
    let new = try resolve(to).snapshot
    let key = new.metadata.key.filter { old.schema[$0] != nil }
    return Difference(
      try Diff(
        from: old.contents(), to: new.contents(), key: new.metadata.key, followsNames: true, limits: limits,
        scratch: { try ScratchFile.temporary(random: self.surroundings.random) }),
      key: key.count == new.metadata.key.count ? key : [])
  }
}
