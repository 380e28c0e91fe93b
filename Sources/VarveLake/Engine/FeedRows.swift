import VarveParquet
import VarveTables

/// A feed's rows in the columns of the new version: types widened, missing columns null, periods and keys computed.
final class FeedRows {
  let schema: Schema
  private let feed: Feed
  private let scan: ParquetScan
  private let layout: PartitionLayout?
  private let columns: [Int?]
  private let absent: [(column: Int, flags: Int)]
  private let flag: Int?
  /// Where the record key goes, and what it is computed from: places in the scan, of a value and of its absence.
  private let recordKey: (column: Int, sources: [(field: Field, value: Int, absent: Int?)])?
  private var firstRow = 0

  struct Rows {
    /// The feed's number, from 0, of the batch's first row.
    var first: Int
    var batch: Batch
    /// By column, per row, whether the row lacks it, for columns that only some rows lack.
    var absent: [Int: [Bool]]
    /// Per row, whether `flagColumn` is true; empty without one.
    var flags: [Bool]
  }

  /// The whole rows of the plan's schema. `flagColumn` is a boolean column to be delivered beside them.
  convenience init(_ plan: PartitionPlan, flagColumn: String? = nil) throws {
    try self.init(plan.feed, fields: plan.schema.fields, layout: plan.layout, flagColumn: flagColumn)
  }

  /// Some columns. With a layout, which must be that of the fields, periods are computed.
  init(_ feed: Feed, fields: [Field], layout: PartitionLayout? = nil, flagColumn: String? = nil) throws {
    self.feed = feed
    self.layout = layout
    schema = Schema(fields)
    var names: [String] = []
    func scanned(_ name: String) -> Int {
      if let index = names.firstIndex(of: name) { return index }
      names.append(name)
      return names.count - 1
    }
    columns = fields.map { field in feed.schema[field.name] == nil ? nil : scanned(feed.spoolName(field.name)) }
    absent = fields.indices.compactMap { index in
      feed.partiallyAbsent.contains(fields[index].name)
        ? (index, scanned(Feed.absentColumn(feed.spoolName(fields[index].name)))) : nil
    }
    flag = flagColumn.map { scanned(feed.spoolName($0)) }
    recordKey = feed.recordKey.flatMap { key in
      guard let column = fields.firstIndex(where: { $0.name == RecordKey.columnName }) else { return nil }
      return (
        column,
        key.columns.compactMap { name in
          feed.schema[name].map { field in
            let spooled = feed.spoolName(name)
            return (
              field, scanned(spooled),
              feed.partiallyAbsent.contains(name) ? scanned(Feed.absentColumn(spooled)) : nil
            )
          }
        }
      )
    }
    scan = feed.spool.scan(
      columns: try names.map { try feed.spool.columnIndex(named: $0) }, batchRowsMax: MergedBatches.rowsPerBatchMax,
      batchColumnBytesMax: EngineLimits.batchColumnBytesMax)
  }

  func next() throws -> Rows? {
    guard let spooled = try scan.next() else { return nil }
    let count = spooled.rowCount
    let first = firstRow
    firstRow += count
    var batch = Batch(
      schema,
      try zip(columns, schema.fields).map { column, field in
        guard let column else { return .nulls(field.type, count: count) }
        return try spooled.columns[column].known(as: feed.schema[field.name]!.type).widened(to: field.type) { row in
          try feed.origins(of: [first + row]).flatMap(\.place) + ["column \"\(field.name)\""]
        }
      }, rowCount: count)
    var flags: [Int: [Bool]] = [:]
    for (column, index) in absent {
      let isAbsent = spooled.columns[index].trues
      batch.columns[column].setNull(rows: isAbsent.indices.filter { isAbsent[$0] })
      flags[column] = isAbsent
    }
    layout?.derive(&batch)
    if let recordKey {
      let sources = recordKey.sources.map { field, value, absent in
        var column = spooled.columns[value].known(as: field.type)
        if let absent {
          let isAbsent = spooled.columns[absent].trues
          column.setNull(rows: isAbsent.indices.filter { isAbsent[$0] })
        }
        return column
      }
      batch.columns[recordKey.column] = RecordKey.column(sources, rowCount: count)
    }
    return Rows(
      first: first, batch: batch, absent: flags, flags: flag.map { spooled.columns[$0].trues } ?? [])
  }
}

extension Column {
  /// Per row, whether a boolean is true; null is not.
  fileprivate var trues: [Bool] {
    let values = int64s
    return validity.isEmpty ? values.map { $0 != 0 } : values.indices.map { validity[$0] && values[$0] != 0 }
  }
}

/// Feed rows that are ready to be written, as a source; each row is checked before it leaves.
final class AddedFeedRows: BatchSource {
  private let rows: FeedRows
  private let plan: PartitionPlan
  private let leftOut: RowSet
  private let checks: RowChecks
  var schema: Schema { plan.schema }

  init(_ plan: PartitionPlan, leavingOut leftOut: RowSet = RowSet()) throws {
    self.plan = plan
    self.leftOut = leftOut
    rows = try FeedRows(plan)
    checks = RowChecks(plan)
  }

  func next() throws -> Batch? {
    while let rows = try rows.next() {
      let kept = leftOut.isEmpty ? nil : (0..<rows.batch.rowCount).filter { !leftOut.contains(rows.first + $0) }
      if let kept, kept.isEmpty { continue }
      let batch = kept.map { rows.batch.gather(rows: $0) } ?? rows.batch
      try checks.check(batch) { row in rows.first + (kept?[row] ?? row) }
      return batch
    }
    return nil
  }
}

/// What must hold of every row that a change adds, whichever the pattern.
struct RowChecks {
  let plan: PartitionPlan
  private let layout: PartitionLayout
  private let required: [Int]

  init(_ plan: PartitionPlan) {
    self.plan = plan
    layout = plan.layout
    required = plan.schema.fields.indices.filter { !plan.schema.fields[$0].isNullable }
  }

  /// `feedRow` tells the number in the feed of a row of the batch.
  func check(_ batch: Batch, feedRow: (Int) -> Int) throws {
    for column in required where !batch.columns[column].validity.isEmpty {
      let nulls = batch.columns[column].validity.indices.filter { !batch.columns[column].validity[$0] }
      guard !nulls.isEmpty else { continue }
      throw try plan.feed.problem(
        .failed, rows: nulls.map(feedRow), total: nulls.count, column: plan.schema.fields[column].name,
        "has no value, and the column is declared as not nullable")
    }
    if let refused = layout.firstRefused(batch) {
      let place = try plan.feed.origins(of: [feedRow(refused.row)]).flatMap(\.place)
      throw Problem(
        refused.problem.kind, at: place + refused.problem.place, refused.problem.what, advice: refused.problem.advice)
    }
  }
}
