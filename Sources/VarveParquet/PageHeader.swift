/// What stands before a page (parquet.thrift, PageHeader).
struct PageHeader: Sendable {
  var type = PageType.data
  var byteCountUncompressed = 0
  var byteCount = 0
  /// CRC-32 of the page's bytes as stored.
  var checksum: UInt32?
  /// Data pages: null ones too. Dictionary pages: the dictionary's entries.
  var valueCount = 0
  var encoding = Encoding.plain
  /// Version 1 only: the levels' encodings.
  var definitionEncoding = Encoding.rle
  var repetitionEncoding = Encoding.rle
  /// Version 2 only: the levels' bytes, which are never compressed.
  var definitionByteCount = 0
  var repetitionByteCount = 0
  var isCompressed = true

  func encoded() -> [UInt8] {
    var writer = CompactWriter()
    writer.element { writer in
      writer.int32(1, type)
      writer.int32(2, Int32(byteCountUncompressed))
      writer.int32(3, Int32(byteCount))
      if let checksum { writer.int32(4, Int32(bitPattern: checksum)) }
      if type == PageType.dictionary {
        writer.structure(7) {
          $0.int32(1, Int32(valueCount))
          $0.int32(2, encoding.rawValue)
        }
      } else {
        writer.structure(5) {
          $0.int32(1, Int32(valueCount))
          $0.int32(2, encoding.rawValue)
          $0.int32(3, definitionEncoding.rawValue)
          $0.int32(4, repetitionEncoding.rawValue)
        }
      }
    }
    return writer.bytes
  }

  init() {}

  init(_ reader: inout CompactReader) throws(CompactError) {
    var header = PageHeader()
    let start = reader.position
    var hasDescription = false
    try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
      switch (field, type) {
      case (1, CompactType.int32): header.type = try reader.int32()
      case (2, CompactType.int32): header.byteCountUncompressed = try reader.smallNatural()
      case (3, CompactType.int32): header.byteCount = try reader.smallNatural()
      case (4, CompactType.int32): header.checksum = UInt32(bitPattern: try reader.int32())
      case (5, CompactType.structure), (7, CompactType.structure):
        hasDescription = true
        let isData = field == 5
        try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
          guard type == CompactType.int32 else { return false }
          switch (field, isData) {
          case (1, _): header.valueCount = try reader.smallNatural()
          case (2, _): header.encoding = Encoding(rawValue: try reader.int32())
          case (3, true): header.definitionEncoding = Encoding(rawValue: try reader.int32())
          case (4, true): header.repetitionEncoding = Encoding(rawValue: try reader.int32())
          default: return false
          }
          return true
        }
      case (8, CompactType.structure):
        hasDescription = true
        try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
          switch (field, type) {
          case (1, CompactType.int32): header.valueCount = try reader.smallNatural()
          case (4, CompactType.int32): header.encoding = Encoding(rawValue: try reader.int32())
          case (5, CompactType.int32): header.definitionByteCount = try reader.smallNatural()
          case (6, CompactType.int32): header.repetitionByteCount = try reader.smallNatural()
          case (7, CompactType.booleanFalse): header.isCompressed = false
          default: return false
          }
          return true
        }
      default: return false
      }
      return true
    }
    let isKnown = [PageType.data, PageType.dictionary, PageType.dataV2].contains(header.type)
    guard hasDescription || !isKnown else { throw .malformed("a page that is not described", at: start) }
    self = header
  }
}
