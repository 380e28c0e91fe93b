internal import VarveTables

/// How a leaf's stored values become values of one of our types. Other writers store the same things in many ways.
struct LeafReading: Sendable {
  /// What is left to do after a page's encoding is undone.
  enum Conversion: Hashable, Sendable {
    case none
    case unsigned32
    case unsigned64
    case fromMillis
    case fromNanos
    /// Nanoseconds of a day, and a Julian day: Spark's and Impala's old timestamps.
    case int96
    /// A number in two's complement, big end first.
    case decimalBytes
    /// int64 to 128 bits.
    case wide
    /// As `08:30:00.5`.
    case time(TimeUnit)
    case uuid
    case float16
    case utf8
    /// A column without any value, of no type.
    case null
  }

  var type: DataType
  var physical: PhysicalType
  /// Bytes of a fixed-length byte array.
  var byteWidth: Int
  var conversion: Conversion

  /// The storage of values before conversion.
  var decodedStorage: DataType.Storage {
    switch physical {
    case .boolean, .int32, .int64: .int64
    case .float, .double: .double
    case .int96, .byteArray, .fixedLengthByteArray: .bytes
    }
  }

  /// Throws what it cannot be read for.
  init(_ element: SchemaElement) throws(Damage) {
    guard let physical = element.physical else { throw Damage("is nested") }
    let logical = element.logical ?? LogicalType(converted: element)
    var byteWidth = physical == .int96 ? 12 : 0
    if physical == .fixedLengthByteArray {
      byteWidth = element.byteWidth
      guard byteWidth > 0 else { throw Damage("has values of \(byteWidth) bytes") }
    }
    let (type, conversion) = try LeafReading.meaning(physical, logical, element, byteWidth)
    self.init(type, physical, byteWidth, conversion)
  }

  /// As files of ours store that type.
  init(_ type: ParquetNode.LeafType) {
    let element = SchemaElement(type)
    guard let reading = try? LeafReading(element) else { preconditionFailure("Varve reads what it writes") }
    self = reading
    if case .type(let type) = type { self.type = type }
  }

  private init(_ type: DataType, _ physical: PhysicalType, _ byteWidth: Int, _ conversion: Conversion) {
    self.type = type
    self.physical = physical
    self.byteWidth = byteWidth
    self.conversion = conversion
  }

  private static func meaning(
    _ physical: PhysicalType, _ logical: LogicalType?, _ element: SchemaElement, _ byteWidth: Int
  ) throws(Damage) -> (DataType, Conversion) {
    switch (physical, logical) {
    case (_, .unknown): return (.text, .null)
    case (.boolean, nil): return (.boolean, .none)
    case (.int32, nil), (.int64, nil): return (.int64, .none)
    case (.int32, .integer(let bitWidth, let isSigned)) where bitWidth <= 32:
      return (.int64, isSigned ? .none : .unsigned32)
    case (.int64, .integer(_, let isSigned)): return (.int64, isSigned ? .none : .unsigned64)
    case (.int32, .date): return (.date, .none)
    case (.int32, .time(.millis)): return (.text, .time(.millis))
    case (.int64, .time(let unit)): return (.text, .time(unit))
    case (.int64, .timestamp(let unit, _)):
      return (.timestamp, unit == .micros ? .none : unit == .millis ? .fromMillis : .fromNanos)
    case (.int96, nil), (.int96, .timestamp): return (.timestamp, .int96)
    case (.float, nil), (.double, nil): return (.double, .none)
    case (.int32, .decimal(let precision, let scale)), (.int64, .decimal(let precision, let scale)),
      (.byteArray, .decimal(let precision, let scale)),
      (.fixedLengthByteArray, .decimal(let precision, let scale)):
      guard (1...DataType.decimalPrecisionMax).contains(precision), (0...precision).contains(scale) else {
        throw Damage("is a decimal of precision \(precision) and scale \(scale), which is not supported")
      }
      let type = DataType.decimal(precision: precision, scale: scale)
      guard physical == .int32 || physical == .int64 else { return (type, .decimalBytes) }
      return (type, type.storage == .int64 ? .none : .wide)
    case (.byteArray, nil) where element.converted != nil: break
    case (.byteArray, nil), (.byteArray, .string), (.byteArray, .enum), (.byteArray, .json),
      (.fixedLengthByteArray, .string), (.fixedLengthByteArray, .enum):
      return (.text, .utf8)
    case (.fixedLengthByteArray, nil) where element.converted == nil: return (.text, .utf8)
    case (.fixedLengthByteArray, .uuid) where byteWidth == 16: return (.text, .uuid)
    case (.fixedLengthByteArray, .float16) where byteWidth == 2: return (.double, .float16)
    default: break
    }
    let annotation = logical.map { "\($0)" } ?? element.converted.map { "converted type \($0)" } ?? "no annotation"
    throw Damage("is stored as \(physical) with \(annotation), which is not supported")
  }
}

extension LogicalType {
  /// What a converted type, the older annotation, says.
  init?(converted element: SchemaElement) {
    guard let converted = element.converted else { return nil }
    switch converted {
    case ConvertedType.utf8: self = .string
    case ConvertedType.map, ConvertedType.mapKeyValue: self = .map
    case ConvertedType.list: self = .list
    case ConvertedType.enum: self = .enum
    case ConvertedType.decimal: self = .decimal(precision: element.precision, scale: element.scale)
    case ConvertedType.date: self = .date
    case ConvertedType.timeMillis: self = .time(.millis)
    case ConvertedType.timeMicros: self = .time(.micros)
    case ConvertedType.timestampMillis: self = .timestamp(.millis, isAdjustedToUTC: true)
    case ConvertedType.timestampMicros: self = .timestamp(.micros, isAdjustedToUTC: true)
    case ConvertedType.uint8...ConvertedType.uint64:
      self = .integer(bitWidth: 8 << Int(converted - ConvertedType.uint8), isSigned: false)
    case ConvertedType.int8...ConvertedType.int64:
      self = .integer(bitWidth: 8 << Int(converted - ConvertedType.int8), isSigned: true)
    case ConvertedType.json: self = .json
    case ConvertedType.bson: self = .bson
    default: return nil
    }
  }
}
