// Thrift's compact protocol, as far as Parquet's structures use it
// (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).

enum CompactType {
  static let booleanTrue: UInt8 = 1
  static let booleanFalse: UInt8 = 2
  static let byte: UInt8 = 3
  static let int16: UInt8 = 4
  static let int32: UInt8 = 5
  static let int64: UInt8 = 6
  static let double: UInt8 = 7
  static let binary: UInt8 = 8
  static let list: UInt8 = 9
  static let set: UInt8 = 10
  static let map: UInt8 = 11
  static let structure: UInt8 = 12
}

/// Writes structures field by field, in ascending order of field ids.
struct CompactWriter {
  private(set) var bytes: [UInt8] = []
  private var lastField = 0

  mutating func int32(_ field: Int, _ value: Int32) {
    header(field, CompactType.int32)
    varint(CompactWriter.zigzag(Int64(value)))
  }

  mutating func int64(_ field: Int, _ value: Int) {
    header(field, CompactType.int64)
    varint(CompactWriter.zigzag(Int64(value)))
  }

  mutating func int16(_ field: Int, _ value: Int) {
    header(field, CompactType.int16)
    varint(CompactWriter.zigzag(Int64(value)))
  }

  mutating func byte(_ field: Int, _ value: Int8) {
    header(field, CompactType.byte)
    bytes.append(UInt8(bitPattern: value))
  }

  mutating func boolean(_ field: Int, _ value: Bool) {
    header(field, value ? CompactType.booleanTrue : CompactType.booleanFalse)
  }

  mutating func binary(_ field: Int, _ value: some Collection<UInt8>) {
    header(field, CompactType.binary)
    varint(UInt64(value.count))
    bytes += value
  }

  mutating func text(_ field: Int, _ value: String) { binary(field, value.utf8) }

  mutating func structure(_ field: Int, _ write: (inout CompactWriter) -> Void) {
    header(field, CompactType.structure)
    element(write)
  }

  mutating func structures<Element>(
    _ field: Int, _ elements: [Element], _ write: (inout CompactWriter, Element) -> Void
  ) {
    listHeader(field, CompactType.structure, elements.count)
    for value in elements { element { write(&$0, value) } }
  }

  mutating func int32s(_ field: Int, _ values: [Int32]) {
    listHeader(field, CompactType.int32, values.count)
    for value in values { varint(CompactWriter.zigzag(Int64(value))) }
  }

  mutating func texts(_ field: Int, _ values: [String]) {
    listHeader(field, CompactType.binary, values.count)
    for value in values {
      varint(UInt64(value.utf8.count))
      bytes += value.utf8
    }
  }

  /// A structure's fields and its end, without a field header: the document itself, or a list's element.
  mutating func element(_ write: (inout CompactWriter) -> Void) {
    let outer = lastField
    lastField = 0
    write(&self)
    bytes.append(0)
    lastField = outer
  }

  private mutating func header(_ field: Int, _ type: UInt8) {
    let delta = field - lastField
    precondition(delta > 0 && delta < 16, "thrift fields are written in ascending order")
    bytes.append(UInt8(delta) << 4 | type)
    lastField = field
  }

  private mutating func listHeader(_ field: Int, _ type: UInt8, _ count: Int) {
    header(field, CompactType.list)
    if count < 15 {
      bytes.append(UInt8(count) << 4 | type)
    } else {
      bytes.append(0xF0 | type)
      varint(UInt64(count))
    }
  }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: value << 1 ^ value >> 63) }
}

/// Why a structure could not be read.
enum CompactError: Error {
  /// The bytes end within it: with more of them it may be readable.
  case ended
  case malformed(String, at: Int)
}

/// Reads structures field by field from hostile bytes: never past the end, never deeper than `depthMax`.
struct CompactReader {
  private static let depthMax = 32

  private let bytes: [UInt8]
  private(set) var position: Int
  private let end: Int
  private var depth = 0

  init(_ bytes: [UInt8], from position: Int = 0, to end: Int) {
    self.bytes = bytes
    self.position = position
    self.end = end
  }

  /// Calls `field` with each field's id and type; what it does not read (returns false), is passed over.
  mutating func structure(
    _ field: (inout CompactReader, Int, UInt8) throws(CompactError) -> Bool
  ) throws(CompactError) {
    depth += 1
    guard depth <= CompactReader.depthMax else { throw .malformed("structures nested too deeply", at: position) }
    var last = 0
    while true {
      let head = try byte()
      if head == 0 { break }
      let delta = Int(head >> 4)
      if delta == 0 {
        last = Int(Int16(truncatingIfNeeded: try integer()))
      } else {
        last += delta
      }
      let type = head & 0x0F
      if try !field(&self, last, type) { try skip(type) }
    }
    depth -= 1
  }

  /// A list's elements; `element` must read each of them whole.
  mutating func list(
    of expected: UInt8, _ element: (inout CompactReader) throws(CompactError) -> Void
  ) throws(CompactError) {
    let head = try byte()
    guard head & 0x0F == expected else { throw .malformed("a list of another type", at: position) }
    var count = Int(head >> 4)
    if count == 15 { count = try length() }
    // An element takes at least one byte.
    guard count <= end - position else { throw .ended }
    for _ in 0..<count { try element(&self) }
  }

  /// An integer of any width, zigzag.
  mutating func integer() throws(CompactError) -> Int64 {
    let raw = try varint()
    return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
  }

  mutating func int32() throws(CompactError) -> Int32 {
    let at = position
    guard let value = Int32(exactly: try integer()) else { throw .malformed("a number out of range", at: at) }
    return value
  }

  /// A count that is declared as 32 bits, whatever its bytes say.
  mutating func smallNatural() throws(CompactError) -> Int {
    let at = position
    let value = try int32()
    guard value >= 0 else { throw .malformed("a negative count", at: at) }
    return Int(value)
  }

  /// A byte count, row count or offset.
  mutating func natural() throws(CompactError) -> Int {
    let at = position
    let value = try integer()
    guard value >= 0 else { throw .malformed("a negative count", at: at) }
    return Int(value)
  }

  mutating func int8() throws(CompactError) -> Int { Int(Int8(bitPattern: try byte())) }

  mutating func binary() throws(CompactError) -> [UInt8] {
    let count = try length()
    guard count <= end - position else { throw .ended }
    defer { position += count }
    return Array(bytes[position..<position + count])
  }

  mutating func text() throws(CompactError) -> String {
    let at = position
    guard let text = String(validating: try binary(), as: UTF8.self) else {
      throw .malformed("a name that is no UTF-8", at: at)
    }
    return text
  }

  private mutating func byte() throws(CompactError) -> UInt8 {
    guard position < end else { throw .ended }
    defer { position += 1 }
    return bytes[position]
  }

  private mutating func length() throws(CompactError) -> Int {
    let at = position
    let raw = try varint()
    guard raw <= UInt64(Int32.max) else { throw .malformed("a length out of range", at: at) }
    return Int(raw)
  }

  private mutating func varint() throws(CompactError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let next = try byte()
      value |= UInt64(next & 0x7F) << shift
      if next < 0x80 { return value }
      shift += 7
      guard shift < 64 else { throw .malformed("a number of more than 64 bits", at: position) }
    }
  }

  private mutating func skip(_ type: UInt8) throws(CompactError) {
    switch type {
    case CompactType.booleanTrue, CompactType.booleanFalse: break
    case CompactType.byte: _ = try byte()
    case CompactType.int16, CompactType.int32, CompactType.int64: _ = try varint()
    case CompactType.double: try advance(8)
    case CompactType.binary: try advance(try length())
    case CompactType.structure: try structure { _, _, _ throws(CompactError) in false }
    case CompactType.list, CompactType.set:
      let head = try byte()
      var count = Int(head >> 4)
      if count == 15 { count = try length() }
      for _ in 0..<count { try skipElement(head & 0x0F) }
    case CompactType.map:
      let count = try length()
      guard count > 0 else { return }
      let types = try byte()
      for _ in 0..<count {
        try skipElement(types >> 4)
        try skipElement(types & 0x0F)
      }
    default: throw .malformed("an unknown thrift type \(type)", at: position)
    }
  }

  /// In a list or map a boolean takes a byte.
  private mutating func skipElement(_ type: UInt8) throws(CompactError) {
    depth += 1
    guard depth <= CompactReader.depthMax else { throw .malformed("structures nested too deeply", at: position) }
    if type == CompactType.booleanTrue || type == CompactType.booleanFalse {
      _ = try byte()
    } else {
      try skip(type)
    }
    depth -= 1
  }

  private mutating func advance(_ count: Int) throws(CompactError) {
    guard count <= end - position else { throw .ended }
    position += count
  }
}
