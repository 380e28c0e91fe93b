/// A file's footer (parquet.thrift, FileMetaData).
struct FileMetadata: Sendable {
  var schema: [SchemaElement] = []
  var rowCount = 0
  var rowGroups: [RowGroupMetadata] = []
  var keyValues: [(key: String, value: String?)] = []
  var createdBy: String?
  /// Per leaf, whether its statistics are ordered as its type says. Empty when the file does not tell.
  var hasTypeOrder: [Bool] = []
}

struct RowGroupMetadata: Sendable {
  var chunks: [LeafChunkMetadata] = []
  var byteCountUncompressed = 0
  var rowCount = 0
}

/// One leaf's chunk in one row group (parquet.thrift, ColumnChunk and ColumnMetaData).
struct LeafChunkMetadata: Sendable {
  var filePath: String?
  var physical: PhysicalType?
  var path: [String] = []
  var encodings: [Encoding] = []
  var codec = Codec.uncompressed
  /// Null ones too.
  var valueCount = 0
  var byteCountUncompressed = 0
  var byteCount = 0
  var dataPageOffset = 0
  var dictionaryPageOffset: Int?
  var statistics: Statistics?
  var pageCounts: [PageCount] = []
}

/// How many pages of a kind a chunk has (parquet.thrift, PageEncodingStats).
struct PageCount: Hashable, Sendable {
  var pageType: Int32
  var encoding: Encoding
  var count: Int
}

/// parquet.thrift, Statistics. Values as in the PLAIN encoding, texts without length.
struct Statistics: Sendable {
  var nullCount: Int?
  var minimum: [UInt8]?
  var maximum: [UInt8]?
  var isMinimumExact: Bool?
  var isMaximumExact: Bool?
  /// The fields of before column orders: only right where the order is that of signed numbers.
  var legacyMinimum: [UInt8]?
  var legacyMaximum: [UInt8]?
}

extension FileMetadata {
  /// The structure alone, without length and magic.
  func encoded() -> [UInt8] {
    var writer = CompactWriter()
    writer.element { writer in
      writer.int32(1, 2)
      writer.structures(2, Array(schema.enumerated())) { $1.element.encode(into: &$0, isRoot: $1.offset == 0) }
      writer.int64(3, rowCount)
      writer.structures(4, Array(rowGroups.enumerated())) { $1.element.encode(into: &$0, ordinal: $1.offset) }
      if !keyValues.isEmpty {
        writer.structures(5, keyValues) {
          $0.text(1, $1.key)
          if let value = $1.value { $0.text(2, value) }
        }
      }
      if let createdBy { writer.text(6, createdBy) }
      // A union whose only case, TYPE_ORDER, is an empty structure.
      writer.structures(7, hasTypeOrder) { writer, _ in writer.structure(1) { _ in } }
    }
    return writer.bytes
  }
}

extension RowGroupMetadata {
  fileprivate func encode(into writer: inout CompactWriter, ordinal: Int) {
    writer.structures(1, chunks) { $1.encode(into: &$0) }
    writer.int64(2, byteCountUncompressed)
    writer.int64(3, rowCount)
    if let first = chunks.first { writer.int64(5, first.dictionaryPageOffset ?? first.dataPageOffset) }
    writer.int64(6, chunks.reduce(0) { $0 + $1.byteCount })
    if ordinal <= Int(Int16.max) { writer.int16(7, ordinal) }
  }
}

extension LeafChunkMetadata {
  fileprivate func encode(into writer: inout CompactWriter) {
    writer.int64(2, 0)
    writer.structure(3) { writer in
      writer.int32(1, physical!.rawValue)
      writer.int32s(2, encodings.map(\.rawValue))
      writer.texts(3, path)
      writer.int32(4, codec.rawValue)
      writer.int64(5, valueCount)
      writer.int64(6, byteCountUncompressed)
      writer.int64(7, byteCount)
      writer.int64(9, dataPageOffset)
      if let dictionaryPageOffset { writer.int64(11, dictionaryPageOffset) }
      if let statistics { writer.structure(12) { statistics.encode(into: &$0) } }
      if !pageCounts.isEmpty {
        writer.structures(13, pageCounts) {
          $0.int32(1, $1.pageType)
          $0.int32(2, $1.encoding.rawValue)
          $0.int32(3, Int32(clamping: $1.count))
        }
      }
    }
  }
}

extension Statistics {
  fileprivate func encode(into writer: inout CompactWriter) {
    if let nullCount { writer.int64(3, nullCount) }
    if let maximum { writer.binary(5, maximum) }
    if let minimum { writer.binary(6, minimum) }
    if let isMaximumExact { writer.boolean(7, isMaximumExact) }
    if let isMinimumExact { writer.boolean(8, isMinimumExact) }
  }
}

extension SchemaElement {
  fileprivate func encode(into writer: inout CompactWriter, isRoot: Bool) {
    if let physical { writer.int32(1, physical.rawValue) }
    if physical == .fixedLengthByteArray { writer.int32(2, Int32(byteWidth)) }
    if !isRoot { writer.int32(3, repetition.rawValue) }
    writer.text(4, name)
    if physical == nil { writer.int32(5, Int32(childCount)) }
    if let converted { writer.int32(6, converted) }
    if case .decimal(let precision, let scale) = logical {
      writer.int32(7, Int32(scale))
      writer.int32(8, Int32(precision))
    }
    if let fieldID { writer.int32(9, fieldID) }
    if let logical { writer.structure(10) { logical.encode(into: &$0) } }
  }
}

extension LogicalType {
  /// Only the cases that files of ours have.
  fileprivate func encode(into writer: inout CompactWriter) {
    switch self {
    case .string: writer.structure(1) { _ in }
    case .map: writer.structure(2) { _ in }
    case .list: writer.structure(3) { _ in }
    case .decimal(let precision, let scale):
      writer.structure(5) {
        $0.int32(1, Int32(scale))
        $0.int32(2, Int32(precision))
      }
    case .date: writer.structure(6) { _ in }
    case .timestamp(let unit, let isAdjustedToUTC):
      writer.structure(8) {
        $0.boolean(1, isAdjustedToUTC)
        $0.structure(2) { $0.structure(unit == .millis ? 1 : unit == .micros ? 2 : 3) { _ in } }
      }
    default: preconditionFailure("no column of Varve's has this logical type")
    }
  }
}
