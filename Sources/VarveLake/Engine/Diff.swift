package import VarveTables

/// What became of one row from one version to another.
package enum ChangeKind: String, Sendable {
  case inserted, updated, deleted
}

/// Some changed rows. Row i of `old` became row i of `new`; it is all null in `old` when inserted, in `new` when deleted.
package struct ChangeBatch: Sendable {
  package var kinds: [ChangeKind]
  package var old: Batch
  package var new: Batch
  /// By column, per row, whether an updated row has another value there; all false for the others.
  package var changed: [[Bool]]

  package var count: Int { kinds.count }
}

/// The difference of two versions of a table: by key, or for a table without key by whole rows, of which each counts as
/// often as it is there.
///
/// Files that both versions have are passed over, and of those that differ in what is struck out all rows that both
/// have; the rest is sorted in bounded memory. Changes come in key order.
package final class Diff {
  /// The columns of the newer version, then those that only the older has; of two types the wider.
  package let schema: Schema
  private let keyColumns: [Int]
  private let old: SideRows
  private let new: SideRows

  private static let changesPerBatchMax = 4_096

  /// `key` is that of the newer version; a key column that one of the two lacks makes it a difference by whole rows.
  /// `followsNames`: a column that was renamed is one column, and not one that went and one that came.
  package init(
    from: TableContents, to: TableContents, key: [String], followsNames: Bool = false, limits: EngineLimits,
    scratch: @escaping () throws -> ScratchFile
  ) throws {
    let (union, names) = Diff.union(from.schema, to.schema, followsNames: followsNames)
    schema = union
    let keyed = !key.isEmpty && key.allSatisfy { from.schema[$0] != nil && to.schema[$0] != nil }
    let keyColumns = keyed ? key.map { union.index(of: $0)! } : Array(union.fields.indices)
    self.keyColumns = keyColumns
    let shared = Set(from.files.map(\.key)).intersection(to.files.map(\.key))
    func side(
      of contents: TableContents, beside other: TableContents, names: [String: String]
    ) throws -> SideRows {
      let sort = ExternalSort(union, by: keyColumns, budgetBytes: limits.sortBytes, scratch: scratch)
      let others = Dictionary(other.files.map { (ExactText($0.path), $0) }, uniquingKeysWith: { $1 })
      for file in contents.files where !shared.contains(file.key) {
        var passed: RowSet?
        if let twin = others[ExactText(file.path)] {
          // Of a file that both have, only what the other has struck out differs.
          let rowCount = try contents.rowCount(file)
          let struckThere = try other.struckRows(twin, rowCount: rowCount)
          let own = try struckThere.subtracting(contents.struckRows(file, rowCount: rowCount))
          if own.isEmpty { continue }
          passed = RowSet(all: rowCount).subtracting(own)
        }
        try sort.add(LiveFileRows(contents, file, fields: union.fields, names: names, striking: passed))
      }
      return try SideRows(sort.finish(), keyColumns)
    }
    old = try side(of: from, beside: to, names: names)
    new = try side(
      of: to, beside: from, names: Dictionary(to.schema.fields.map { ($0.name, $0.name) }) { $1 })
  }

  /// The columns of both, and what each of them is called in the older version, if it has it.
  private static func union(
    _ from: Schema, _ to: Schema, followsNames: Bool
  ) -> (schema: Schema, names: [String: String]) {
    var schema = to
    var names: [String: String] = [:]
    var rest: [Field] = []
    func match(_ field: Field, _ index: Int?) {
      guard let index, names[schema.fields[index].name] == nil else { return rest.append(field) }
      schema.fields[index].type = DataType.wider(field.type, schema.fields[index].type)
      names[schema.fields[index].name] = field.name
    }
    for field in from.fields {
      match(field, followsNames ? to.fields.firstIndex { $0.lineage == field.lineage } : to.index(of: field.name))
    }
    let unmatched = rest
    rest = []
    for field in unmatched { match(field, to.index(of: field.name)) }
    for var field in rest {
      let name = field.name
      while schema.index(of: field.name) != nil { field.name += " (before)" }
      schema.fields.append(field)
      names[field.name] = name
    }
    return (schema, names)
  }

  /// The next changes, or nil when there are no more.
  package func next() throws -> ChangeBatch? {
    while old.hasRow || new.hasRow {
      let batch = try nextPairs()
      if batch.count > 0 { return batch }
    }
    return nil
  }

  /// The changes among the next rows of both sides, perhaps none.
  private func nextPairs() throws -> ChangeBatch {
    // Source 0 of each side is one row of nulls.
    let nothing = Batch(schema, schema.fields.map { .nulls($0.type, count: 1) }, rowCount: 1)
    old.begin(nothing)
    new.begin(nothing)
    var oldPicks: [RowPick] = []
    var newPicks: [RowPick] = []
    while old.hasRow || new.hasRow, oldPicks.count < Self.changesPerBatchMax {
      let order = !new.hasRow ? -1 : !old.hasRow ? 1 : old.compare(with: new)
      oldPicks.append(order <= 0 ? try old.take() : RowPick(0, 0))
      newPicks.append(order >= 0 ? try new.take() : RowPick(0, 0))
    }
    var batch = ChangeBatch(
      kinds: zip(oldPicks, newPicks).map { $0.source == 0 ? .inserted : $1.source == 0 ? .deleted : .updated },
      old: Batch(oldPicks, from: old.sources, schema: schema), new: Batch(newPicks, from: new.sources, schema: schema),
      changed: [])
    let pairs = batch.kinds.indices.filter { batch.kinds[$0] == .updated }
    var isChanged = batch.kinds.map { $0 != .updated }
    for (before, after) in zip(batch.old.columns, batch.new.columns) {
      var changed = [Bool](repeating: false, count: batch.count)
      for (row, isEqual) in zip(pairs, before.equality(rows: pairs, with: after, rows: pairs)) where !isEqual {
        changed[row] = true
        isChanged[row] = true
      }
      batch.changed.append(changed)
    }
    let kept = isChanged.indices.filter { isChanged[$0] }
    if kept.count < batch.count {
      batch.kinds = kept.map { batch.kinds[$0] }
      batch.old = batch.old.gather(rows: kept)
      batch.new = batch.new.gather(rows: kept)
      batch.changed = batch.changed.map { column in kept.map { column[$0] } }
    }
    return batch
  }
}

/// One version's rows, by key.
private final class SideRows {
  private let rows: any BatchSource
  private let keyColumns: [Int]
  private var batch: Batch?
  private var keys = RowKeys([], rowCount: 0)
  private var row = 0
  /// The batches that rows were taken from since `begin`.
  private(set) var sources: [Batch] = []
  private var place: Int?

  init(_ rows: any BatchSource, _ keyColumns: [Int]) throws {
    self.rows = rows
    self.keyColumns = keyColumns
    try load()
  }

  var hasRow: Bool { batch != nil }

  func begin(_ first: Batch) {
    sources = [first]
    place = nil
  }

  func compare(with other: SideRows) -> Int { keys.compare(row, with: other.keys, other.row) }

  func take() throws -> RowPick {
    guard let batch else { preconditionFailure("there is a row to take") }
    if place == nil {
      sources.append(batch)
      place = sources.count - 1
    }
    let pick = RowPick(place!, row)
    row += 1
    if row == batch.rowCount { try load() }
    return pick
  }

  private func load() throws {
    batch = try rows.next()
    row = 0
    place = nil
    if let batch { keys = RowKeys(keyColumns.map { batch.columns[$0] }, rowCount: batch.rowCount) }
  }
}

extension DataType {
  /// A type that has the values of both: one of the two if it is wider than the other, else text.
  static func wider(_ one: DataType, _ other: DataType) -> DataType {
    if one == other || other.isWider(than: one) { return other }
    return one.isWider(than: other) ? one : .text
  }

  package func isWider(than other: DataType) -> Bool {
    switch (other, self) {
    case (.int64, .double), (.int64, .decimal), (.double, .decimal), (.date, .timestamp), (_, .text), (_, .json): true
    case (.decimal(let precision, let scale), .decimal(let widePrecision, let wideScale)):
      wideScale >= scale && widePrecision - wideScale >= precision - scale
    default: false
    }
  }
}
