package import VarveTables

/// A Parquet file: its footer, and ways to its values. Whoever wrote it, nothing in it is believed unchecked.
///
/// Errors are of kind `failed` and name the file, the column and the byte where that can be said.
package final class ParquetFile: Sendable {
  package let name: String
  /// The columns that are flat and of a type that Varve has. `index` below always means one of these.
  package let schema: Schema
  /// Top-level columns that `schema` lacks, and why: they are nested, or of a type that Varve does not have.
  package let unreadableColumns: [(name: String, reason: String)]
  package let rowCount: Int
  package let rowGroups: [ParquetRowGroup]
  /// All leaves, those of nested columns too, in the file's order.
  package let leaves: [ParquetLeaf]
  package let keyValues: [(key: String, value: String?)]
  package let createdBy: String?

  let source: any ByteSource
  let metadata: FileMetadata
  /// By column of `schema`: which leaf it is.
  private let leafIndices: [Int]

  package init(_ source: any ByteSource, name: String) throws {
    self.source = source
    self.name = name
    let metadata: FileMetadata
    let leaves: [ParquetLeaf]
    do {
      let (footer, footerStart) = try ParquetFile.readFooter(source)
      leaves = try ParquetLeaf.leaves(of: footer.schema)
      try ParquetFile.check(footer, leaves, footerStart)
      metadata = footer
    } catch let damage as Damage {
      throw damage.problem(at: [name])
    }
    self.metadata = metadata
    self.leaves = leaves
    rowCount = metadata.rowCount
    keyValues = metadata.keyValues
    createdBy = metadata.createdBy
    var firstRow = 0
    rowGroups = metadata.rowGroups.map { group in
      defer { firstRow += group.rowCount }
      return ParquetRowGroup(
        firstRow: firstRow, rowCount: group.rowCount, byteCount: group.chunks.reduce(0) { $0 + $1.byteCount })
    }
    var fields: [Field] = []
    var leafIndices: [Int] = []
    var unreadable: [(name: String, reason: String)] = []
    for (index, leaf) in leaves.enumerated() {
      if let type = leaf.type, leaf.isFlat {
        fields.append(Field(leaf.path[0], type, isNullable: leaf.maxDefinition > 0))
        leafIndices.append(index)
      } else if unreadable.last?.name != leaf.path[0] || leaf.isFlat {
        unreadable.append((leaf.path[0], leaf.isFlat ? leaf.unreadableReason ?? "" : "is nested"))
      }
    }
    schema = Schema(fields)
    unreadableColumns = unreadable
    self.leafIndices = leafIndices
  }

  /// The column of that name, or a problem that says why there is none to read.
  package func columnIndex(named column: String) throws -> Int {
    if let index = schema.index(of: column) { return index }
    let place = [name, "column \"\(column)\""]
    if let unreadable = unreadableColumns.first(where: { $0.name == column }) {
      throw Problem(.failed, at: place, unreadable.reason, advice: "leave the column out")
    }
    throw Problem(.failed, at: place, "there is no such column")
  }

  /// The size of the file.
  package var byteCount: Int { source.byteCount }

  /// Bounds of a column in a row group, where the file has some that can be trusted.
  package func bounds(rowGroup: Int, column: Int) -> ValueBounds? {
    let leaf = leafIndices[column]
    guard let statistics = metadata.rowGroups[rowGroup].chunks[leaf].statistics,
      case .success(let reading) = leaves[leaf].reading
    else { return nil }
    let hasTypeOrder = metadata.hasTypeOrder.indices.contains(leaf) && metadata.hasTypeOrder[leaf]
    return statistics.bounds(reading, hasTypeOrder: hasTypeOrder)
  }

  package func nullCount(rowGroup: Int, column: Int) -> Int? {
    if leaves[leafIndices[column]].maxDefinition == 0 { return 0 }
    return metadata.rowGroups[rowGroup].chunks[leafIndices[column]].statistics?.nullCount
  }

  /// What `parquetFooter` wants to know of a chunk copied from this file, and where its bytes lie here; nil when it is
  /// not stored as Varve stores its type, and so must be encoded anew.
  package func chunk(rowGroup: Int, column: Int) -> (range: Range<Int>, metadata: ColumnChunkMetadata)? {
    let leaf = leaves[leafIndices[column]]
    let chunk = metadata.rowGroups[rowGroup].chunks[leafIndices[column]]
    guard let type = leaf.type, leaf.maxDefinition == 1, SchemaElement(.type(type)).isStored(like: leaf.element),
      // A footer of ours adds these up: a damaged one may claim anything.
      chunk.byteCountUncompressed <= 1 << 48, let nullCount = chunk.statistics?.nullCount,
      let range = try? chunk.range(in: source.byteCount)
    else { return nil }
    let dictionary = chunk.dictionaryPageOffset.map { $0 - range.lowerBound }
    let metadata = ColumnChunkMetadata(
      type: type, rowCount: chunk.valueCount, nullCount: nullCount, byteCount: chunk.byteCount,
      byteCountUncompressed: chunk.byteCountUncompressed, bounds: bounds(rowGroup: rowGroup, column: column),
      dataPageOffset: chunk.dataPageOffset - range.lowerBound,
      dictionaryPageOffset: dictionary == 0 ? 0 : nil, codec: chunk.codec, encodings: chunk.encodings,
      pageCounts: chunk.pageCounts)
    return (range, metadata)
  }

  /// The chunk itself, to be written elsewhere without being decoded; nil as above.
  package func copyChunk(rowGroup: Int, column: Int) throws -> ColumnChunk? {
    guard let (range, metadata) = chunk(rowGroup: rowGroup, column: column) else { return nil }
    return ColumnChunk(bytes: try source.read(at: range.lowerBound, count: range.count), metadata: metadata)
  }

  /// The values of a column in a row group.
  package func decodeChunk(rowGroup: Int, column: Int) throws -> ColumnChunkReader {
    let leaf = leaves[leafIndices[column]]
    let place = [name, "column \"\(leaf.path[0])\""]
    let reader = try reader(rowGroup: rowGroup, leaf: leafIndices[column])
    return ColumnChunkReader(reader, isOptional: leaf.maxDefinition > 0, place: place)
  }

  /// Rows in their order, the columns in the order asked for. Rows outside `rows` are passed over.
  package func scan(
    columns: [Int]? = nil, rows: Range<Int>? = nil, batchRowsMax: Int = 8192, batchColumnBytesMax: Int = 32 << 20
  ) -> ParquetScan {
    ParquetScan(
      self, columns: columns ?? Array(schema.fields.indices), rows: (rows ?? 0..<rowCount).clamped(to: 0..<rowCount),
      batchRowsMax: batchRowsMax, batchColumnBytesMax: batchColumnBytesMax)
  }

  /// The rows of some row groups.
  package func scan(
    columns: [Int]? = nil, rowGroups: Range<Int>, batchRowsMax: Int = 8192, batchColumnBytesMax: Int = 32 << 20
  ) -> ParquetScan {
    let groups = self.rowGroups[rowGroups]
    let first = groups.first?.firstRow ?? 0
    let end = groups.last.map { $0.firstRow + $0.rowCount } ?? first
    return scan(
      columns: columns, rows: first..<end, batchRowsMax: batchRowsMax, batchColumnBytesMax: batchColumnBytesMax)
  }

  func reader(rowGroup: Int, leaf index: Int) throws -> LeafChunkReader {
    let leaf = leaves[index]
    let chunk = metadata.rowGroups[rowGroup].chunks[index]
    do throws(Damage) {
      let reading = try leaf.reading.get()
      return LeafChunkReader(
        source, try chunk.range(in: source.byteCount), codec: chunk.codec, valueCount: chunk.valueCount, reading,
        maxDefinition: leaf.maxDefinition, maxRepetition: leaf.maxRepetition)
    } catch {
      throw error.problem(at: [name, "column \"\(leaf.path.joined(separator: "."))\""])
    }
  }
}

/// Rows of a file that are stored together.
package struct ParquetRowGroup: Hashable, Sendable {
  package var firstRow: Int
  package var rowCount: Int
  package var byteCount: Int
}
