package import VarveTables

/// The encoded values of one column in one row group. The bytes do not say where they lie, nor the column's name: they
/// can be written to any place of any file.
package struct ColumnChunk: Sendable {
  package var bytes: [UInt8]
  package var metadata: ColumnChunkMetadata

  package init(bytes: [UInt8], metadata: ColumnChunkMetadata) {
    self.bytes = bytes
    self.metadata = metadata
  }
}

/// What a footer says about a chunk in a flat, optional column stored as Varve stores its type.
package struct ColumnChunkMetadata: Sendable {
  package var type: DataType
  package var rowCount: Int
  package var nullCount: Int
  /// Pages with their headers.
  package var byteCount: Int
  package var byteCountUncompressed: Int
  /// Nil when every value is null or NaN, or when they are not known.
  package var bounds: ValueBounds?
  /// From the chunk's first byte.
  package var dataPageOffset: Int
  package var dictionaryPageOffset: Int?
  var codec: Codec
  var encodings: [Encoding]
  var pageCounts: [PageCount]
}

/// Chunks side by side, one per column of the schema, with the place of each in the file.
package struct RowGroup: Sendable {
  package var rowCount: Int
  package var chunks: [(offset: Int, metadata: ColumnChunkMetadata)]

  package init(rowCount: Int, chunks: [(offset: Int, metadata: ColumnChunkMetadata)]) {
    self.rowCount = rowCount
    self.chunks = chunks
  }
}
