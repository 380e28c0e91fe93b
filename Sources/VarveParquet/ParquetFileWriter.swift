package import VarveTables

/// What stands behind the chunks of a file: footer, its length, magic. `keyValues` are kept in their order.
///
/// The same arguments give the same bytes: no time, no version of Varve.
package func parquetFooter(schema: Schema, rowGroups: [RowGroup], keyValues: [(String, String)] = []) -> [UInt8] {
  let roots = schema.fields.map { ParquetNode.leaf($0.name, $0.type) }
  let groups = rowGroups.map { group in
    precondition(group.chunks.count == schema.fields.count, "a row group has one chunk per column")
    let chunks = zip(schema.fields, group.chunks).map { field, placed in
      precondition(placed.metadata.rowCount == group.rowCount, "the chunks of a row group have the same rows")
      return LeafChunkMetadata(placed.metadata, name: field.name, type: field.type, offset: placed.offset)
    }
    return RowGroupMetadata(
      chunks: chunks, byteCountUncompressed: chunks.reduce(0) { $0 + $1.byteCountUncompressed },
      rowCount: group.rowCount)
  }
  return footer(roots, rowCount: rowGroups.reduce(0) { $0 + $1.rowCount }, groups, keyValues)
}

func footer(
  _ roots: [ParquetNode], rowCount: Int, _ rowGroups: [RowGroupMetadata], _ keyValues: [(String, String)]
) -> [UInt8] {
  let schema = SchemaElement.elements(of: roots)
  let metadata = FileMetadata(
    schema: schema, rowCount: rowCount, rowGroups: rowGroups, keyValues: keyValues.map { ($0.0, $0.1) },
    createdBy: "Varve", hasTypeOrder: schema.filter { $0.physical != nil }.map { _ in true })
  let bytes = metadata.encoded()
  precondition(bytes.count <= Int(UInt32.max), "a footer takes less than 4 GiB")
  let length = withUnsafeBytes(of: UInt32(bytes.count).littleEndian) { Array($0) }
  return bytes + length + parquetMagic
}

extension LeafChunkMetadata {
  fileprivate init(_ chunk: ColumnChunkMetadata, name: String, type: DataType, offset: Int) {
    precondition(
      SchemaElement(.type(type)).isStored(like: SchemaElement(.type(chunk.type))),
      "a chunk of \(chunk.type.name) is not stored as \(type.name) is")
    self.init(
      physical: SchemaElement(.type(type)).physical, path: [name], encodings: chunk.encodings, codec: chunk.codec,
      valueCount: chunk.rowCount, byteCountUncompressed: chunk.byteCountUncompressed, byteCount: chunk.byteCount,
      dataPageOffset: offset + chunk.dataPageOffset,
      dictionaryPageOffset: chunk.dictionaryPageOffset.map { offset + $0 },
      statistics: Statistics(nullCount: chunk.nullCount, bounds: chunk.bounds, type: type),
      pageCounts: chunk.pageCounts)
  }
}

extension SchemaElement {
  /// Whether values have the same bytes and the same meaning.
  func isStored(like other: SchemaElement) -> Bool {
    physical == other.physical && byteWidth == other.byteWidth && logical == other.logical
  }
}

/// Writes a file row group by row group.
package struct ParquetFileWriter<Sink: ByteSink> {
  private var sink: Sink
  private let schema: Schema
  private let keyValues: [(String, String)]
  private var rowGroups: [RowGroup] = []
  package private(set) var byteCount = 0

  package init(_ sink: Sink, schema: Schema, keyValues: [(String, String)] = []) throws {
    self.sink = sink
    self.schema = schema
    self.keyValues = keyValues
    try write(parquetMagic)
  }

  /// One chunk per column of the schema, all of the same rows.
  package mutating func append(rowGroup chunks: [ColumnChunk]) throws {
    var placed: [(offset: Int, metadata: ColumnChunkMetadata)] = []
    for chunk in chunks {
      placed.append((byteCount, chunk.metadata))
      try write(chunk.bytes)
    }
    rowGroups.append(RowGroup(rowCount: chunks.first?.metadata.rowCount ?? 0, chunks: placed))
  }

  /// The sink, behind the file's last byte.
  package consuming func finish() throws -> Sink {
    try write(parquetFooter(schema: schema, rowGroups: rowGroups, keyValues: keyValues))
    return sink
  }

  private mutating func write(_ bytes: [UInt8]) throws {
    try sink.write(bytes)
    byteCount += bytes.count
  }
}
