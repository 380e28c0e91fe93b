package import VarveParquet
package import VarveTables

/// What the feeds turned out to hold in one column.
package struct SpooledColumn: Sendable {
  /// The header as spelled, or the name of the known field that it means.
  package var header: String
  /// Nil while no value had come to the end.
  package var type: DataType?
  /// Nil of a column whose type was fixed.
  package var evidence: TypeEvidence?
  package var reason: String
  /// The table has no such column and takes no new ones.
  package var isForeign = false
}

/// What becomes of a spooled column.
package struct ColumnDecision: Sendable {
  /// Nil leaves the column out.
  package var field: Field?
  /// The field cannot hold all that came: what does not fit is rejected, row by row.
  package var rejects: Bool

  package init(_ field: Field?, rejects: Bool = false) {
    self.field = field
    self.rejects = rejects
  }
}

/// Feeds that have been read to their end.
package struct SpooledFeed: Sendable {
  /// The columns that have values, in the feeds' order.
  package var schema: Schema
  package var rowCount: Int
  /// The rows as data files, where the spool was to be that.
  package var partition: StagedPartition?
  /// The rows for an engine, else.
  package var feed: Feed?
  /// The bytes of the feed's file.
  package var bytes: (any ByteSource)?
}

extension Spool {
  package func spooledColumns() -> [SpooledColumn] {
    columns.map { column in
      SpooledColumn(
        header: column.header, type: column.typer.type, evidence: column.typer.evidence, reason: column.typer.reason,
        isForeign: column.isForeign)
    }
  }

  /// Ends the spool: settles each column's type, encodes again what was encoded under another, and completes the file.
  ///
  /// `decisions` has one per column of `spooledColumns`. Returns nil when rows were rejected and are not to be laid aside;
  /// `rejections` says which.
  package func finish(_ decisions: [ColumnDecision]) throws -> SpooledFeed? {
    precondition(decisions.count == columns.count, "each spooled column is decided about")
    try closeGroup()
    if failure != nil { return nil }
    let kept = zip(columns, decisions).compactMap { column, decision in
      decision.field.map { KeptColumn(column: column, field: $0, rejects: decision.rejects) }
    }
    let leftOut = try rowsRejectedLate(kept)
    if failure != nil { return nil }

    let schema = Schema(kept.map(\.field))
    let result =
      options.directory == nil
      ? try finishFeed(kept, schema, leavingOut: leftOut) : try finishPart(kept, schema, leavingOut: leftOut)
    return result
  }

  private func finishPart(_ kept: [KeptColumn], _ schema: Schema, leavingOut leftOut: [Int: Set<Int>]) throws
    -> SpooledFeed
  {
    guard var directory = options.directory else { preconditionFailure("a spool of parts has its directory") }
    let isClean =
      leftOut.isEmpty
      && kept.allSatisfy { column in
        groupRows.indices.allSatisfy { column.isClean(inGroup: $0) }
      }
    var target = file
    var rowGroups: [RowGroup] = []
    if !isClean {
      directory = try staging.makePartition()
      target = try SpoolFile(staging, directory: directory)
    }
    for group in groupRows.indices {
      let placed = try place(kept, group: group, leavingOut: leftOut[group] ?? [], in: target, copies: !isClean)
      if placed.rowCount > 0 { rowGroups.append(placed) }
    }
    if !isClean { try file.discard() }
    let rowCount = rowGroups.reduce(0) { $0 + $1.rowCount }
    guard rowCount > 0 else {
      try target.discard()
      return SpooledFeed(schema: schema, rowCount: 0)
    }
    try target.write(parquetFooter(schema: schema, rowGroups: rowGroups))
    guard let part = try target.finishPart(FileStatistics(rowGroups, schema)) else {
      preconditionFailure("a part finishes as a part")
    }
    return SpooledFeed(
      schema: schema, rowCount: rowCount,
      partition: StagedPartition(directory: directory, partition: [], files: [part]))
  }

  private func finishFeed(_ kept: [KeptColumn], _ schema: Schema, leavingOut leftOut: [Int: Set<Int>]) throws
    -> SpooledFeed
  {
    let partly = options.keepsAbsent ? kept.filter { $0.column.hasAbsent && $0.column.hasPresent } : []
    var spoolSchema = schema
    spoolSchema.fields += partly.map { Field(Feed.absentColumn($0.field.name), .boolean) }
    if options.keepsOrigins { spoolSchema.fields += SpoolOrigins.schema.fields }

    var rowGroups: [RowGroup] = []
    for group in groupRows.indices {
      let out = leftOut[group] ?? []
      var placed = try place(kept, group: group, leavingOut: out, in: file, copies: false)
      for column in partly {
        placed.chunks.append(try placeAgain(column.column.absentGroups[group], leavingOut: out))
      }
      if options.keepsOrigins {
        for chunk in originColumns.groups[group] { placed.chunks.append(try placeAgain(chunk, leavingOut: out)) }
      }
      if placed.rowCount > 0 { rowGroups.append(placed) }
    }
    let rowCount = rowGroups.reduce(0) { $0 + $1.rowCount }
    try file.write(parquetFooter(schema: spoolSchema, rowGroups: rowGroups))
    return SpooledFeed(
      schema: schema, rowCount: rowCount,
      feed: Feed(
        spool: try ParquetFile(file, name: "the spool"), schema: schema, partiallyAbsent: partly.map(\.field.name),
        rowCount: rowCount, unit: originColumns.unit, file: originColumns.file, sheet: originColumns.sheet),
      bytes: file)
  }

  /// The row group's chunks in the kept columns' final types, all of them in `target`.
  private func place(
    _ kept: [KeptColumn], group: Int, leavingOut leftOut: Set<Int>, in target: SpoolFile, copies: Bool
  ) throws -> RowGroup {
    let rowCount = groupRows[group] - leftOut.count
    let reading = reading
    let encoded = try concurrently(kept.count, parallelism: limits.parallelism) { index -> ColumnChunk? in
      if leftOut.isEmpty, kept[index].isClean(inGroup: group) {
        return copies ? try reading.chunk(kept[index].column.groups[group][0]) : nil
      }
      return try reading.encodeAgain(kept[index], group: group, leavingOut: leftOut)
    }
    let chunks = try zip(kept, encoded).map { column, chunk -> (offset: Int, metadata: ColumnChunkMetadata) in
      if let chunk { return (try target.append(chunk), chunk.metadata) }
      let run = column.column.groups[group][0]
      guard let offset = run.offset, let metadata = run.metadata else { preconditionFailure("a clean run has a chunk") }
      return (offset, metadata)
    }
    return RowGroup(rowCount: rowCount, chunks: chunks)
  }

  /// Rows with cells that the table's column cannot hold, by row group; noted as rejections, and laid aside.
  private func rowsRejectedLate(_ kept: [KeptColumn]) throws -> [Int: Set<Int>] {
    let reading = reading
    var rejected: [Int: [Int: [Rejection]]] = [:]
    for column in kept where column.rejects {
      for group in groupRows.indices {
        var first = 0
        try reading.retype(column, group: group) { typed, rowCount in
          for (row, rejection) in zip(typed.rejectedRows, typed.rejections) {
            rejected[group, default: [:]][first + row, default: []].append(rejection)
          }
          if !column.column.layAside(options) { note(typed.rejections) }
          first += rowCount
        }
      }
    }
    for (group, rows) in rejected.sorted(by: { $0.key < $1.key }) {
      rejections.add(rows.values.flatMap { $0 }, rows: rows.count)
      if failure == nil { try layAside(rows, group: group) }
    }
    return rejected.mapValues { Set($0.keys) }
  }

  private var reading: SpoolReading {
    SpoolReading(
      file: file, originFile: originFile, originColumns: originColumns, groupRows: groupRows, options: options)
  }

  private func layAside(_ rows: [Int: [Rejection]], group: Int) throws {
    let raws = try columns.map { column -> (String, RawColumn) in
      var raw = RawColumn(name: column.header)
      for run in column.groups[group] {
        guard let type = run.type else {
          raw.appendNulls(run.rowCount)
          continue
        }
        let values = try RunValues(reading.chunk(run), type: type)
        for batch in run.batches {
          let typed = try values.next(batch.rowCount)
          // A column of fixed type took its cells as text or did not reject them: its values say what they were.
          raw.append(column.restore(typed, batch.spellings.map(Spellings.init(encoded:)) ?? Spellings()))
        }
      }
      return (column.header, raw)
    }
    for (row, rejections) in rows.sorted(by: { $0.key < $1.key }) {
      guard let origin = rejections.first?.origin else { continue }
      try quarantine.add(raws.map { ($0.0, $0.1, row) }, origin: origin, rejections)
    }
  }

  private func placeAgain(
    _ placed: (offset: Int, metadata: ColumnChunkMetadata), leavingOut leftOut: Set<Int>
  ) throws -> (offset: Int, metadata: ColumnChunkMetadata) {
    if leftOut.isEmpty { return placed }
    let type = placed.metadata.type
    let rowCount = placed.metadata.rowCount
    let column = try RunValues(reading.chunk(at: placed.offset, placed.metadata, in: file), type: type).next(rowCount)
    let encoder = ColumnChunkEncoder(type: type, options: options.parquet)
    encoder.append(column.gather(rows: (0..<rowCount).filter { !leftOut.contains($0) }))
    let chunk = encoder.finish()
    return (try file.append(chunk), chunk.metadata)
  }
}

/// Reads back what a spool has laid down; shared by the threads that encode it again.
private struct SpoolReading: Sendable {
  let file: SpoolFile
  let originFile: SpoolFile
  let originColumns: SpoolOrigins
  let groupRows: [Int]
  let options: Spool.Options

  func encodeAgain(_ kept: KeptColumn, group: Int, leavingOut leftOut: Set<Int>) throws -> ColumnChunk {
    let encoder = ColumnChunkEncoder(type: kept.field.type, options: options.parquet)
    var first = 0
    try retype(kept, group: group) { typed, rowCount in
      let rows = first..<first + rowCount
      first += rowCount
      let column = typed.column ?? .nulls(kept.field.type, count: rowCount)
      if leftOut.isDisjoint(with: rows) {
        encoder.append(column)
      } else {
        encoder.append(column.gather(rows: rows.filter { !leftOut.contains($0) }.map { $0 - rows.lowerBound }))
      }
    }
    return encoder.finish()
  }

  /// Gives the column's cells in one row group anew, batch by batch, in its final type.
  func retype(_ kept: KeptColumn, group: Int, _ body: (TypedColumn, Int) throws -> Void) throws {
    var row = 0
    for run in kept.column.groups[group] {
      guard let type = run.type else {
        try body(TypedColumn(column: .nulls(kept.field.type, count: run.rowCount)), run.rowCount)
        row += run.rowCount
        continue
      }
      let values = try RunValues(chunk(run), type: type)
      for batch in run.batches {
        let column = try values.next(batch.rowCount)
        if type == kept.field.type, !kept.rejects {
          try body(TypedColumn(column: column), batch.rowCount)
        } else if let spellings = batch.spellings {
          let raw = kept.column.restore(column, Spellings(encoded: spellings))
          var typing = options.typing
          typing.keepsIdentifiers = true
          var typer =
            kept.rejects
            ? try ColumnTyper(declared: kept.field, options: typing)
            : ColumnTyper(retyping: kept.field.name, to: kept.field.type, options: options.typing)
          try body(typer.type(raw, origins: try origins(group, row..<row + batch.rowCount, kept)), batch.rowCount)
        } else {
          preconditionFailure("a column of fixed type keeps it")
        }
        row += batch.rowCount
      }
    }
  }

  func origins(_ group: Int, _ rows: Range<Int>, _ kept: KeptColumn) throws -> Origins {
    guard kept.rejects else { return Origins(file: "", unit: .row, positions: [Int](repeating: 0, count: rows.count)) }
    precondition(options.keepsOrigins, "a spool whose columns may reject late keeps origins")
    let values = try zip(originColumns.groups[group], SpoolOrigins.schema.fields).map { chunk, field in
      try RunValues(self.chunk(at: chunk.offset, chunk.metadata, in: originFile), type: field.type)
        .next(groupRows[group]).slice(rows)
    }
    var origins = Origins(file: originColumns.file, unit: originColumns.unit)
    if case .text(let file) = values[2].value(at: 0) { origins.file = file }
    if case .text(let sheet) = values[1].value(at: 0) { origins.sheet = sheet }
    if case .int64(let positions) = values[0].values { origins.positions = positions.map { Int($0) } }
    return origins
  }

  func chunk(_ run: SpoolRun) throws -> ColumnChunk {
    guard let offset = run.offset, let metadata = run.metadata else { preconditionFailure("a typed run has a chunk") }
    return try chunk(at: offset, metadata, in: file)
  }

  func chunk(at offset: Int, _ metadata: ColumnChunkMetadata, in file: SpoolFile) throws -> ColumnChunk {
    ColumnChunk(bytes: try file.read(at: offset, count: metadata.byteCount), metadata: metadata)
  }
}

/// A column of the result.
private struct KeptColumn: Sendable {
  let column: SpoolColumn
  let field: Field
  let rejects: Bool

  /// Whether the row group has the column as one chunk of its final type.
  func isClean(inGroup group: Int) -> Bool {
    let runs = column.groups[group]
    return runs.count == 1 && runs[0].type == field.type && runs[0].offset != nil && !rejects
  }
}

/// The values of one chunk, a number of rows at a time.
private final class RunValues {
  private let scan: ParquetScan
  private var rest: Column

  init(_ chunk: ColumnChunk, type: DataType) throws {
    let schema = Schema([Field("values", type)])
    let groups = [RowGroup(rowCount: chunk.metadata.rowCount, chunks: [(parquetMagic.count, chunk.metadata)])]
    let bytes = parquetMagic + chunk.bytes + parquetFooter(schema: schema, rowGroups: groups)
    scan = try ParquetFile(ByteArray(bytes), name: "the spool").scan(columns: [0])
    rest = .empty(type)
  }

  func next(_ rowCount: Int) throws -> Column {
    while rest.count < rowCount {
      guard let batch = try scan.next() else { preconditionFailure("a chunk holds the rows that were put into it") }
      if rest.count == 0 { rest = batch.columns[0] } else { rest.append(contentsOf: batch.columns[0]) }
    }
    if rest.count == rowCount {
      defer { rest = .empty(rest.type) }
      return rest
    }
    let taken = rest.slice(0..<rowCount)
    rest = rest.slice(rowCount..<rest.count)
    return taken
  }
}

extension RawColumn {
  fileprivate mutating func appendNulls(_ count: Int) {
    kinds += [RawKind](repeating: .null, count: count)
    ends += [Int](repeating: bytes.count, count: count)
  }

  fileprivate mutating func append(_ other: RawColumn) {
    let start = bytes.count
    kinds += other.kinds
    ends += other.ends.map { $0 + start }
    bytes += other.bytes
  }
}
