extension FileMetadata {
  /// Reads the structure that fills `bytes`.
  init(_ bytes: [UInt8]) throws(CompactError) {
    var reader = CompactReader(bytes, to: bytes.count)
    var metadata = FileMetadata()
    var hasRowCount = false
    try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
      switch (field, type) {
      case (2, CompactType.list):
        try reader.list(of: CompactType.structure) { (reader) throws(CompactError) in
          metadata.schema.append(try SchemaElement(&reader))
        }
      case (3, CompactType.int64):
        metadata.rowCount = try reader.natural()
        hasRowCount = true
      case (4, CompactType.list):
        try reader.list(of: CompactType.structure) { (reader) throws(CompactError) in
          metadata.rowGroups.append(try RowGroupMetadata(&reader))
        }
      case (5, CompactType.list):
        try reader.list(of: CompactType.structure) { (reader) throws(CompactError) in
          metadata.keyValues.append(try FileMetadata.keyValue(&reader))
        }
      case (6, CompactType.binary): metadata.createdBy = String(decoding: try reader.binary(), as: UTF8.self)
      case (7, CompactType.list):
        try reader.list(of: CompactType.structure) { (reader) throws(CompactError) in
          var isTypeOrder = false
          try reader.structure { (_, field, _) throws(CompactError) -> Bool in
            isTypeOrder = field == 1
            return false
          }
          metadata.hasTypeOrder.append(isTypeOrder)
        }
      default: return false
      }
      return true
    }
    guard hasRowCount, !metadata.schema.isEmpty else { throw .malformed("no schema or no row count", at: 0) }
    self = metadata
  }

  private static func keyValue(_ reader: inout CompactReader) throws(CompactError) -> (key: String, value: String?) {
    var pair: (key: String, value: String?) = ("", nil)
    try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
      switch (field, type) {
      case (1, CompactType.binary): pair.key = String(decoding: try reader.binary(), as: UTF8.self)
      case (2, CompactType.binary): pair.value = String(decoding: try reader.binary(), as: UTF8.self)
      default: return false
      }
      return true
    }
    return pair
  }
}

extension RowGroupMetadata {
  fileprivate init(_ reader: inout CompactReader) throws(CompactError) {
    var group = RowGroupMetadata()
    try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
      switch (field, type) {
      case (1, CompactType.list):
        try reader.list(of: CompactType.structure) { (reader) throws(CompactError) in
          group.chunks.append(try LeafChunkMetadata(&reader))
        }
      case (2, CompactType.int64): group.byteCountUncompressed = Int(try reader.integer())
      case (3, CompactType.int64): group.rowCount = try reader.natural()
      default: return false
      }
      return true
    }
    self = group
  }
}

extension LeafChunkMetadata {
  fileprivate init(_ reader: inout CompactReader) throws(CompactError) {
    var chunk = LeafChunkMetadata()
    let start = reader.position
    var isEncrypted = false
    try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
      switch (field, type) {
      case (1, CompactType.binary): chunk.filePath = try reader.text()
      case (3, CompactType.structure): try chunk.readMetadata(&reader)
      case (8, _):
        isEncrypted = true
        return false
      default: return false
      }
      return true
    }
    guard !isEncrypted else { throw .malformed("an encrypted column", at: start) }
    guard chunk.physical != nil else { throw .malformed("a column chunk that is not described", at: start) }
    self = chunk
  }

  private mutating func readMetadata(_ reader: inout CompactReader) throws(CompactError) {
    var chunk = self
    try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
      switch (field, type) {
      case (1, CompactType.int32): chunk.physical = try PhysicalType(&reader)
      case (2, CompactType.list):
        try reader.list(of: CompactType.int32) { (reader) throws(CompactError) in
          chunk.encodings.append(Encoding(rawValue: try reader.int32()))
        }
      case (3, CompactType.list):
        try reader.list(of: CompactType.binary) { (reader) throws(CompactError) in
          chunk.path.append(try reader.text())
        }
      case (4, CompactType.int32): chunk.codec = Codec(rawValue: try reader.int32())
      case (5, CompactType.int64): chunk.valueCount = try reader.natural()
      case (6, CompactType.int64): chunk.byteCountUncompressed = try reader.natural()
      case (7, CompactType.int64): chunk.byteCount = try reader.natural()
      case (9, CompactType.int64): chunk.dataPageOffset = try reader.natural()
      case (11, CompactType.int64): chunk.dictionaryPageOffset = try reader.natural()
      case (12, CompactType.structure): chunk.statistics = try Statistics(&reader)
      case (13, CompactType.list):
        try reader.list(of: CompactType.structure) { (reader) throws(CompactError) in
          chunk.pageCounts.append(try PageCount(&reader))
        }
      default: return false
      }
      return true
    }
    self = chunk
  }
}

extension PageCount {
  fileprivate init(_ reader: inout CompactReader) throws(CompactError) {
    var count = PageCount(pageType: 0, encoding: .plain, count: 0)
    try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
      switch (field, type) {
      case (1, CompactType.int32): count.pageType = try reader.int32()
      case (2, CompactType.int32): count.encoding = Encoding(rawValue: try reader.int32())
      case (3, CompactType.int32): count.count = Int(try reader.int32())
      default: return false
      }
      return true
    }
    self = count
  }
}

extension Statistics {
  init(_ reader: inout CompactReader) throws(CompactError) {
    var statistics = Statistics()
    try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
      switch (field, type) {
      case (1, CompactType.binary): statistics.legacyMaximum = try reader.binary()
      case (2, CompactType.binary): statistics.legacyMinimum = try reader.binary()
      case (3, CompactType.int64): statistics.nullCount = try reader.natural()
      case (5, CompactType.binary): statistics.maximum = try reader.binary()
      case (6, CompactType.binary): statistics.minimum = try reader.binary()
      case (7, CompactType.booleanTrue), (7, CompactType.booleanFalse):
        statistics.isMaximumExact = type == CompactType.booleanTrue
      case (8, CompactType.booleanTrue), (8, CompactType.booleanFalse):
        statistics.isMinimumExact = type == CompactType.booleanTrue
      default: return false
      }
      return true
    }
    self = statistics
  }
}

extension PhysicalType {
  fileprivate init(_ reader: inout CompactReader) throws(CompactError) {
    let at = reader.position
    let raw = try reader.int32()
    guard let type = PhysicalType(rawValue: raw) else { throw .malformed("an unknown physical type \(raw)", at: at) }
    self = type
  }
}

extension SchemaElement {
  fileprivate init(_ reader: inout CompactReader) throws(CompactError) {
    var element = SchemaElement()
    let start = reader.position
    var hasName = false
    try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
      switch (field, type) {
      case (1, CompactType.int32): element.physical = try PhysicalType(&reader)
      case (2, CompactType.int32): element.byteWidth = Int(try reader.int32())
      case (3, CompactType.int32):
        let raw = try reader.int32()
        guard let repetition = ParquetNode.Repetition(rawValue: raw) else {
          throw .malformed("an unknown repetition \(raw)", at: start)
        }
        element.repetition = repetition
      case (4, CompactType.binary):
        element.name = try reader.text()
        hasName = true
      case (5, CompactType.int32): element.childCount = Int(try reader.int32())
      case (6, CompactType.int32): element.converted = try reader.int32()
      case (7, CompactType.int32): element.scale = Int(try reader.int32())
      case (8, CompactType.int32): element.precision = Int(try reader.int32())
      case (9, CompactType.int32): element.fieldID = try reader.int32()
      case (10, CompactType.structure): element.logical = try LogicalType(&reader)
      default: return false
      }
      return true
    }
    guard hasName else { throw .malformed("a schema element without a name", at: start) }
    self = element
  }
}

extension LogicalType {
  fileprivate init?(_ reader: inout CompactReader) throws(CompactError) {
    var logical: LogicalType?
    try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
      guard type == CompactType.structure else { return false }
      switch field {
      case 1: logical = .string
      case 2: logical = .map
      case 3: logical = .list
      case 4: logical = .enum
      case 5:
        var (scale, precision) = (0, 0)
        try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
          guard type == CompactType.int32 else { return false }
          if field == 1 { scale = Int(try reader.int32()) } else { precision = Int(try reader.int32()) }
          return true
        }
        logical = .decimal(precision: precision, scale: scale)
        return true
      case 6: logical = .date
      case 7, 8:
        let (unit, isAdjustedToUTC) = try LogicalType.time(&reader)
        guard let unit else { return true }
        logical = field == 7 ? .time(unit) : .timestamp(unit, isAdjustedToUTC: isAdjustedToUTC)
        return true
      case 10:
        var (bitWidth, isSigned) = (0, true)
        try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
          switch (field, type) {
          case (1, CompactType.byte): bitWidth = try reader.int8()
          case (2, CompactType.booleanTrue), (2, CompactType.booleanFalse): isSigned = type == CompactType.booleanTrue
          default: return false
          }
          return true
        }
        logical = .integer(bitWidth: bitWidth, isSigned: isSigned)
        return true
      case 11: logical = .unknown
      case 12: logical = .json
      case 13: logical = .bson
      case 14: logical = .uuid
      case 15: logical = .float16
      default: logical = .other(field: field)
      }
      return false
    }
    guard let logical else { return nil }
    self = logical
  }

  /// TimeType and TimestampType: they have the same fields.
  private static func time(_ reader: inout CompactReader) throws(CompactError) -> (TimeUnit?, Bool) {
    var unit: TimeUnit?
    var isAdjustedToUTC = false
    try reader.structure { (reader, field, type) throws(CompactError) -> Bool in
      switch (field, type) {
      case (1, CompactType.booleanTrue), (1, CompactType.booleanFalse):
        isAdjustedToUTC = type == CompactType.booleanTrue
        return true
      case (2, CompactType.structure):
        try reader.structure { (_, field, _) throws(CompactError) -> Bool in
          unit = field == 1 ? .millis : field == 2 ? .micros : field == 3 ? .nanos : nil
          return false
        }
        return true
      default: return false
      }
    }
    return (unit, isAdjustedToUTC)
  }
}
