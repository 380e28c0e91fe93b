package import VarveParquet
package import VarveTables

/// Writes the rows of one partition as parts in a staged directory of its own, which is made with the first row.
///
/// Row groups are cut after a number of rows or of bytes, parts after the row group that takes them past theirs: where,
/// depends on the rows alone. The columns of a row group are encoded at once by as many threads as the limits allow.
package final class PartWriter {
  private let staging: StagingArea
  private let schema: Schema
  private let partition: [String?]
  private let limits: EngineLimits
  private let options: ParquetOptions
  private var directory: String?
  private var files: [StagedFile] = []

  private var part: Part?
  private var encoders: [ColumnChunkEncoder] = []
  private var groupRows = 0
  private var groupBytes = 0
  /// Rows of the open group that no encoder has seen.
  private var pending: [Batch] = []
  private var pendingRows = 0
  private var pendingBytes = 0

  /// Rows are handed to the encoders when there are this many or so many bytes, so that threads are not called for less.
  private static let pendingRowsMax = 16_384
  private static let pendingBytesMax = 8 << 20

  package init(_ staging: StagingArea, schema: Schema, partition: [String?], limits: EngineLimits) {
    self.staging = staging
    self.schema = schema
    self.partition = partition
    self.limits = limits
    options = ParquetOptions(compression: .zstd(level: limits.zstdLevel))
  }

  package func append(_ batch: Batch) throws {
    var row = 0
    while row < batch.rowCount {
      let (end, bytes) = groupEnd(batch, from: row)
      pending.append(row == 0 && end == batch.rowCount ? batch : batch.slice(row..<end))
      pendingRows += end - row
      pendingBytes += bytes
      groupRows += end - row
      groupBytes += bytes
      row = end
      if groupRows >= limits.rowGroupRowsMax || groupBytes >= limits.rowGroupBytesMax {
        try closeRowGroup()
      } else if pendingRows >= Self.pendingRowsMax || pendingBytes >= Self.pendingBytesMax {
        encodePending()
      }
    }
  }

  func append(_ source: any BatchSource) throws {
    while let batch = try source.next() { try append(batch) }
  }

  /// Ends the open part, so that what follows begins another.
  func closePart() throws {
    try closeRowGroup()
    guard let part else { return }
    files.append(try part.finish(schema))
    self.part = nil
  }

  /// The directory with all its parts, or nil when there was no row.
  package func finish() throws -> StagedPartition? {
    try closePart()
    return directory.map { StagedPartition(directory: $0, partition: partition, files: files) }
  }

  /// A row group of chunks that are encoded already.
  func append(rowGroup chunks: [ColumnChunk], rowCount: Int) throws {
    try closeRowGroup()
    try write(chunks, rowCount: rowCount)
  }

  /// How far into the batch the open row group reaches, and the bytes of those rows.
  private func groupEnd(_ batch: Batch, from row: Int) -> (end: Int, bytes: Int) {
    let end = min(batch.rowCount, row + limits.rowGroupRowsMax - groupRows)
    let room = limits.rowGroupBytesMax - groupBytes
    let bytes = batch.valueBytes(row..<end)
    if bytes < room { return (end, bytes) }
    // The first row with which the bound is reached.
    var low = row
    var high = end
    while high - low > 1 {
      let middle = (low + high) / 2
      if batch.valueBytes(row..<middle) < room { low = middle } else { high = middle }
    }
    return (high, batch.valueBytes(row..<high))
  }

  private func encodePending() {
    guard pendingRows > 0 else { return }
    if encoders.isEmpty {
      encoders = schema.fields.map { ColumnChunkEncoder(type: $0.type, options: options) }
    }
    let encoders = encoders
    let batches = pending
    _ = encodeEach(encoders.count, rows: pendingRows) { index in
      for batch in batches { encoders[index].append(batch.columns[index]) }
    }
    pending = []
    pendingRows = 0
    pendingBytes = 0
  }

  private func closeRowGroup() throws {
    guard groupRows > 0 else { return }
    encodePending()
    let encoders = encoders
    let chunks = encodeEach(encoders.count, rows: groupRows) { encoders[$0].finish() }
    let rowCount = groupRows
    self.encoders = []
    groupRows = 0
    groupBytes = 0
    try write(chunks, rowCount: rowCount)
  }

  private func write(_ chunks: [ColumnChunk], rowCount: Int) throws {
    let part = try self.part ?? openPart()
    try part.append(chunks, rowCount: rowCount)
    if part.byteCount >= limits.partBytesMax { try closePart() }
  }

  private func openPart() throws -> Part {
    let directory = try self.directory ?? staging.makePartition()
    self.directory = directory
    let part = Part(try staging.createPart(in: directory, number: files.count))
    self.part = part
    return part
  }

  /// Fewer rows are not worth a thread.
  private static let rowsPerThreadMin = 1_024

  /// As `concurrently`, for work that cannot fail.
  private func encodeEach<Result: Sendable>(
    _ count: Int, rows: Int, _ work: @Sendable (Int) -> Result
  ) -> [Result] {
    let parallelism = rows < Self.rowsPerThreadMin ? 1 : limits.parallelism
    guard let results = try? concurrently(count, parallelism: parallelism, work) else {
      preconditionFailure("encoding cannot fail")
    }
    return results
  }
}

/// One file of a partition.
private final class Part {
  private let file: StagedFileWriter
  private var rowGroups: [RowGroup] = []
  /// Bytes not yet written: small pieces go to the file and its digest together.
  private var held: [UInt8] = parquetMagic
  private static let heldBytesMax = 256 << 10

  var byteCount: Int { file.byteCount + held.count }

  init(_ file: StagedFileWriter) { self.file = file }

  func append(_ chunks: [ColumnChunk], rowCount: Int) throws {
    var placed: [(offset: Int, metadata: ColumnChunkMetadata)] = []
    for chunk in chunks {
      placed.append((byteCount, chunk.metadata))
      try write(chunk.bytes)
    }
    rowGroups.append(RowGroup(rowCount: rowCount, chunks: placed))
  }

  func finish(_ schema: Schema) throws -> StagedFile {
    try write(parquetFooter(schema: schema, rowGroups: rowGroups))
    try flush()
    return try file.finish(statistics: FileStatistics(rowGroups, schema))
  }

  private func write(_ bytes: [UInt8]) throws {
    if held.count + bytes.count > Self.heldBytesMax { try flush() }
    if bytes.count > Self.heldBytesMax { try file.write(bytes) } else { held += bytes }
  }

  private func flush() throws {
    guard !held.isEmpty else { return }
    try file.write(held)
    held = []
  }
}

extension FileStatistics {
  /// The sum of what is known of a file's row groups.
  package init(_ rowGroups: [RowGroup], _ schema: Schema) {
    self.init(rowCount: rowGroups.reduce(0) { $0 + $1.rowCount })
    for (index, field) in schema.fields.enumerated() {
      var column = ColumnBounds(nullCount: 0)
      var isBounded = true
      for group in rowGroups {
        let chunk = group.chunks[index].metadata
        column.nullCount! += chunk.nullCount
        if let bounds = chunk.bounds {
          column.minimum = column.minimum.map { min($0, bounds.minimum) } ?? bounds.minimum
          column.maximum = column.maximum.map { max($0, bounds.maximum) } ?? bounds.maximum
        } else if chunk.nullCount < chunk.rowCount {
          isBounded = false
        }
      }
      if !isBounded {
        column.minimum = nil
        column.maximum = nil
      }
      columns[field.name] = column
    }
  }
}

extension Batch {
  /// What the values of these rows take, each but text as its slot does.
  fileprivate func valueBytes(_ rows: Range<Int>) -> Int {
    guard !rows.isEmpty else { return 0 }
    return columns.reduce(0) { sum, column in
      switch column.values {
      case .int64, .double: sum + rows.count * 8
      case .int128: sum + rows.count * 16
      case .bytes(let texts):
        sum + rows.count * 8 + texts.range(rows.upperBound - 1).upperBound - texts.range(rows.lowerBound).lowerBound
      }
    }
  }
}
