internal import VarveParquet
internal import VarveTables

/// A stretch of one column within one row group, encoded under one type.
struct SpoolRun {
  /// Nil while no value had come: only nulls.
  var type: DataType?
  var rowCount: Int
  /// Where the chunk lies in the spool's file; nil for a run of nulls.
  var offset: Int?
  var metadata: ColumnChunkMetadata?
  /// The batches it was made of, in order.
  var batches: [SpoolBatch] = []
}

/// What is kept of one typed batch so that its raw cells can be given back.
struct SpoolBatch {
  var rowCount: Int
  /// Encoded `Spellings`; nil of a declared column.
  var spellings: [UInt8]?
}

/// One column of the feeds on its way into the spool.
///
/// Used by one thread at a time: the spool hands each of its columns to one worker and waits for all.
final class SpoolColumn: @unchecked Sendable {
  /// The header as the feeds spell it.
  let header: String
  /// The field that types it, where that is known beforehand.
  let declared: Field?
  /// The table has no such column and takes no new ones: every value is one too many.
  let isForeign: Bool
  /// What becomes of rows whose cell does not fit.
  let contract: ColumnContract
  /// What is expected of each of its cells, and the type that they will have in the table.
  let rules: (of: [Expectation], as: DataType?)
  private(set) var typer: ColumnTyper
  private let options: ParquetOptions
  private let keepsAbsent: Bool

  /// Rows in closed row groups and in the open one.
  private(set) var rowCount = 0
  /// Per closed row group, its runs.
  private(set) var groups: [[SpoolRun]] = []
  /// Per closed row group, where the flags of absent rows lie.
  private(set) var absentGroups: [(offset: Int, metadata: ColumnChunkMetadata)] = []
  private(set) var hasAbsent = false
  private(set) var hasPresent = false

  private var run = SpoolRun(type: nil, rowCount: 0)
  private var encoder: ColumnChunkEncoder?
  private var absentEncoder: ColumnChunkEncoder?
  private var chunks: [(run: SpoolRun, chunk: ColumnChunk?)] = []

  init(
    header: String, declared: Field?, isForeign: Bool, contract: ColumnContract,
    rules: (of: [Expectation], as: DataType?),
    typer: ColumnTyper, options: ParquetOptions, keepsAbsent: Bool
  ) {
    self.header = header
    self.declared = declared
    self.isForeign = isForeign
    self.contract = contract
    self.rules = rules
    self.typer = typer
    self.options = options
    self.keepsAbsent = keepsAbsent
  }

  func type(_ raw: RawColumn, origins: Origins) -> TypedColumn {
    if isForeign { return refuse(raw, origins) }
    var typed = typer.type(raw, origins: origins)
    for rule in rules.of { reject(rule, raw, origins, &typed) }
    return typed
  }

  /// Rejects the cells that break a rule, beside those that do not fit the type.
  private func reject(_ rule: Expectation, _ raw: RawColumn, _ origins: Origins, _ typed: inout TypedColumn) {
    let column = typed.column ?? .nulls(.text, count: raw.count)
    let known = Set(typed.rejectedRows)
    for row in rule.violations(in: column, as: rules.as) where !known.contains(row) {
      // A merge leaves alone what a record lacks.
      if keepsAbsent, raw.kinds[row] == .absent { continue }
      let text = String(decoding: raw.bytes[raw.range(row)], as: UTF8.self)
      typed.rejectedRows.append(row)
      typed.rejections.append(
        Rejection(
          origin: origins[row], column: header, raw: text,
          reason: rule.complaint(raw.kinds[row] == .null || raw.kinds[row] == .absent ? nil : text), rule: rule.name))
    }
  }

  private func refuse(_ raw: RawColumn, _ origins: Origins) -> TypedColumn {
    var typed = TypedColumn(absent: [Bool](repeating: true, count: raw.count))
    for row in 0..<raw.count where raw.kinds[row] != .absent && raw.kinds[row] != .null {
      typed.rejectedRows.append(row)
      typed.rejections.append(
        Rejection(
          origin: origins[row], column: header, raw: String(decoding: raw.bytes[raw.range(row)], as: UTF8.self),
          reason: "the table has no such column, and its contract is \(contract.rawValue)",
          rule: "column"))
    }
    return typed
  }

  func restore(_ column: Column, _ spellings: Spellings) -> RawColumn { typer.restore(column, spellings) }

  /// Rows that the feed had before it first named this column, or that a feed without it brought.
  func appendAbsent(_ count: Int) {
    guard count > 0 else { return }
    append(TypedColumn(absent: [Bool](repeating: true, count: count)), rowCount: count)
  }

  func append(_ typed: TypedColumn, rowCount count: Int) {
    rowCount += count
    noteAbsent(typed.absent, count)
    guard let column = typed.column else {
      if encoder != nil, let type = run.type { encoder?.append(.nulls(type, count: count)) }
      run.rowCount += count
      run.batches.append(SpoolBatch(rowCount: count, spellings: run.type == nil ? nil : typed.spellings.encoded()))
      return
    }
    if let type = run.type, type != column.type { closeRun() }
    if run.type == nil {
      run.type = column.type
      let encoder = ColumnChunkEncoder(type: column.type, options: options)
      if run.rowCount > 0 { encoder.append(.nulls(column.type, count: run.rowCount)) }
      self.encoder = encoder
    }
    encoder?.append(column)
    run.rowCount += count
    run.batches.append(SpoolBatch(rowCount: count, spellings: declared == nil ? typed.spellings.encoded() : nil))
  }

  private func noteAbsent(_ absent: [Bool], _ count: Int) {
    let anyAbsent = absent.contains(true)
    hasAbsent = hasAbsent || anyAbsent
    hasPresent = hasPresent || !anyAbsent || absent.contains(false)
    guard keepsAbsent else { return }
    let encoder = absentEncoder ?? ColumnChunkEncoder(type: .boolean, options: options)
    absentEncoder = encoder
    encoder.append(
      Column(.boolean, .int64(anyAbsent ? absent.map { $0 ? 1 : 0 } : [Int64](repeating: 0, count: count))))
  }

  private func closeRun() {
    guard run.rowCount > 0 else { return }
    chunks.append((run, encoder?.finish()))
    run = SpoolRun(type: nil, rowCount: 0)
    encoder = nil
  }

  /// Ends the row group: encodes what is open. `write` places it, on the spool's own thread.
  func closeGroup() { closeRun() }

  /// Writes the closed row group's chunks, in order, through `place`, which returns where each landed.
  func write(place: (ColumnChunk) throws -> Int) throws {
    var runs: [SpoolRun] = []
    for (run, chunk) in chunks {
      var run = run
      if let chunk {
        run.offset = try place(chunk)
        run.metadata = chunk.metadata
      }
      runs.append(run)
    }
    chunks = []
    groups.append(runs)
    if let absentEncoder {
      let chunk = absentEncoder.finish()
      absentGroups.append((try place(chunk), chunk.metadata))
      self.absentEncoder = nil
    }
  }

  /// The column was not there yet when these row groups were closed.
  func startBehind(closedGroups rowCounts: [Int], place: (ColumnChunk) throws -> Int) throws {
    for count in rowCounts {
      appendAbsent(count)
      closeRun()
      try write(place: place)
    }
  }
}
