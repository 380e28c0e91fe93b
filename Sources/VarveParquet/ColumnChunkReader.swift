package import VarveTables

/// The values of one flat column in one row group, in batches. One page is in memory at a time.
package final class ColumnChunkReader {
  private let leaf: LeafChunkReader
  private let type: DataType
  private let place: [String]
  private let isOptional: Bool
  private let target: ValueBuffer

  init(_ leaf: LeafChunkReader, isOptional: Bool, place: [String]) {
    self.leaf = leaf
    self.isOptional = isOptional
    self.place = place
    type = leaf.reading.type
    target = ValueBuffer(type.storage)
  }

  /// A chunk of ours, wherever its bytes lie: `offset` is that of its first byte in `source`.
  package convenience init(
    _ source: any ByteSource, at offset: Int, _ metadata: ColumnChunkMetadata, name: String
  ) throws {
    guard offset >= 0, metadata.byteCount >= 0, offset <= source.byteCount - metadata.byteCount else {
      throw Problem(.failed, at: [name], "a column chunk lies beyond the file's end")
    }
    let leaf = LeafChunkReader(
      source, offset..<offset + metadata.byteCount, codec: metadata.codec, valueCount: metadata.rowCount,
      LeafReading(.type(metadata.type)), maxDefinition: 1, maxRepetition: 0)
    self.init(leaf, isOptional: true, place: [name])
  }

  /// A chunk in memory.
  package convenience init(_ chunk: ColumnChunk, name: String = "column chunk") throws {
    try self.init(ByteArray(chunk.bytes), at: 0, chunk.metadata, name: name)
  }

  /// The next rows, at most `rowsMax`, nil behind the last. Fewer, but at least one, when their strings would take more
  /// than `bytesMax` bytes.
  package func next(rowsMax: Int, bytesMax: Int = 32 << 20) throws -> Column? {
    target.removeAll()
    let levels = ByteBuffer()
    let read: (values: Int, nulls: Int)
    do {
      read = try leaf.read(
        rowsMax, into: target, bytesMax: bytesMax, isSpread: true, definitions: isOptional ? levels : nil)
    } catch let damage as Damage {
      throw damage.problem(at: place)
    }
    guard read.values > 0 else { return nil }
    var validity: [Bool] = []
    if read.nulls > 0 {
      let levels = levels.values(of: UInt8.self)
      validity = [Bool](unsafeUninitializedCapacity: read.values) { target, count in
        for row in 0..<read.values { target[row] = levels[row] == 1 }
        count = read.values
      }
    }
    return Column(type, target.columnValues(), validity: validity)
  }

  /// Passes over rows: whole pages are not even decompressed.
  package func skip(rows: Int) throws {
    do {
      try leaf.skip(rows)
    } catch let damage as Damage {
      throw damage.problem(at: place)
    }
  }
}

extension Damage {
  func problem(at place: [String]) -> Problem {
    Problem(.failed, at: place + (offset.map { ["byte \($0)"] } ?? []), what)
  }
}
