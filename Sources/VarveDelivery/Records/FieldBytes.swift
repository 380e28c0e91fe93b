internal import VarveJSON
internal import VarveTables

/// The encoded values of one field, row after row: `,"name":value`, of which the first byte is put in when the record
/// is. A row that lacks the field has no bytes.
struct FieldBytes: ~Copyable {
  private let mapping: RecordMapping.Column
  /// `,"name":`.
  private let head: [UInt8]
  private var buffer = ByteBuffer(capacity: 1 << 16)
  /// Where each row's bytes end.
  private var ends = UnsafeMutablePointer<Int>.allocate(capacity: 0)
  private var endsCapacity = 0
  private var rowCount = 0
  private var scratch: [UInt8] = []

  init(_ mapping: RecordMapping.Column) {
    self.mapping = mapping
    var head = [UInt8(ascii: ",")]
    JSONValue.write(string: mapping.field, to: &head)
    head.append(UInt8(ascii: ":"))
    self.head = head
  }

  deinit { ends.deallocate() }

  /// The bytes as they are now.
  struct View {
    fileprivate let base: UnsafePointer<UInt8>
    fileprivate let ends: UnsafePointer<Int>
    let byteCount: Int

    /// Copies row `row`, if it has the field, with `separator` in front; the place behind it.
    @inline(__always)
    func copy(
      _ row: Int, _ separator: UInt8, to place: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8>? {
      let start = row == 0 ? 0 : ends[row - 1]
      let count = ends[row] - start
      guard count > 0 else { return nil }
      place.update(from: base + start, count: count)
      place.pointee = separator
      return place + count
    }
  }

  var view: View { View(base: buffer.base, ends: ends, byteCount: buffer.count) }

  /// Before so many rows are encoded.
  mutating func begin(_ rowsExpected: Int) {
    buffer.removeAll()
    rowCount = 0
    guard rowsExpected > endsCapacity else { return }
    ends.deallocate()
    ends = .allocate(capacity: rowsExpected)
    endsCapacity = rowsExpected
  }

  @inline(__always)
  private mutating func noteEnd() {
    ends[rowCount] = buffer.count
    rowCount += 1
  }

  /// A value that JSON or its readers cannot hold.
  struct Unsendable: Error {
    var row: Int
    var path: [String] = []
    var what: String
    var advice: String?
  }

  mutating func encode(kinds: [String]) {
    for var kind in kinds {
      buffer.append(head)
      kind.withUTF8 { buffer.append(string: $0) }
      noteEnd()
    }
  }

  mutating func encode(_ column: Column, _ absence: Column?, rowCount: Int) throws(Unsendable) {
    let absent: [Int64] = if case .int64(let marks)? = absence?.values { marks } else { [] }
    switch column.values {
    case .int64(let values):
      for row in 0..<rowCount {
        if begin(row, column, absent) { try append(integer: values[row], column.type, row) }
        noteEnd()
      }
    case .int128(let values):
      for row in 0..<rowCount {
        if begin(row, column, absent) { try append(decimal: values[row], column.type, row) }
        noteEnd()
      }
    case .double(let values):
      for row in 0..<rowCount {
        if begin(row, column, absent) { try append(double: values[row], row) }
        noteEnd()
      }
    case .bytes(let values):
      let isNested = column.type == .json && mapping.form != .string
      try values.bytes.withUnsafeBufferPointer { (bytes) throws(Unsendable) in
        for row in 0..<rowCount {
          if begin(row, column, absent) {
            let text = UnsafeBufferPointer(rebasing: bytes[values.range(row)])
            if isNested { try append(nested: text, row) } else { buffer.append(string: text) }
          }
          noteEnd()
        }
      }
    }
  }

  /// Writes the field's name, unless the row lacks the field; false where no value belongs behind it.
  @inline(__always)
  private mutating func begin(_ row: Int, _ column: Column, _ absent: [Int64]) -> Bool {
    if !absent.isEmpty, absent[row] != 0 { return false }
    head.withUnsafeBufferPointer { buffer.append($0) }
    guard column.isNull(row) else { return true }
    buffer.append("null")
    return false
  }

  private mutating func append(integer value: Int64, _ type: DataType, _ row: Int) throws(Unsendable) {
    switch type {
    case .boolean where mapping.form == .string: buffer.append(value != 0 ? "\"true\"" : "\"false\"")
    case .boolean: buffer.append(value != 0 ? "true" : "false")
    case .date: appendString { CivilTime.append(days: value, to: &$0) }
    case .timestamp: appendString { CivilTime.append(microseconds: value, to: &$0) }
    case .decimal: try append(decimal: Int128(value), type, row)
    default:
      if mapping.form == .string { buffer.append(UInt8(ascii: "\"")) }
      buffer.append(integer: value)
      if mapping.form == .string { buffer.append(UInt8(ascii: "\"")) }
    }
  }

  private mutating func append(decimal value: Int128, _ type: DataType, _ row: Int) throws(Unsendable) {
    guard case .decimal(let precision, let scale) = type else {
      preconditionFailure("only decimals are stored so wide")
    }
    if mapping.form == .string || mapping.form == .value && precision > Self.doubleDigitsMax {
      return appendString { ValueText.append(unscaled: value, scale: scale, to: &$0) }
    }
    if scale == 0, let whole = Int64(exactly: value) { return buffer.append(integer: whole) }
    if precision <= Self.doubleDigitsMax {
      // Both are exact, so that their quotient is the nearest double.
      return buffer.append(double: Double(Int64(value)) / Self.powersOfTen[scale])
    }
    scratch.removeAll(keepingCapacity: true)
    ValueText.append(unscaled: value, scale: scale, to: &scratch)
    guard let double = scratch.withUnsafeBufferPointer({ Double(exactly: $0) }) else {
      throw Unsendable(
        row: row, what: "\(String(decoding: scratch, as: UTF8.self)) is kept neither by a double nor by 64 bits",
        advice: "let the target's \"columns\" send it \"as\": \"string\"")
    }
    buffer.append(double: double)
  }

  private mutating func append(double value: Double, _ row: Int) throws(Unsendable) {
    guard value.isFinite else { throw Unsendable(row: row, what: "JSON has no spelling for \(value)") }
    if mapping.form == .string { return appendString { ValueText.append(double: value, to: &$0) } }
    buffer.append(double: value)
  }

  private mutating func append(nested text: UnsafeBufferPointer<UInt8>, _ row: Int) throws(Unsendable) {
    if NestedScan.isSendable(text) { return buffer.append(text) }
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONValue(parsing: text)
    } catch {
      throw Unsendable(
        row: row, what: "is no JSON: \(error)", advice: "let the target's \"columns\" send it \"as\": \"string\"")
    }
    do throws(NestedNumbers.Refusal) {
      scratch.removeAll(keepingCapacity: true)
      try NestedNumbers.normalised(value, mapping.wideNumbers).write(to: &scratch, .canonical)
      buffer.append(scratch)
    } catch {
      throw Unsendable(
        row: row, path: [error.path], what: error.what,
        advice: "let the target's \"columns\" send such numbers with \"wide_numbers\": \"string\"")
    }
  }

  /// Text that needs no escapes, in quotes.
  private mutating func appendString(_ write: (inout [UInt8]) -> Void) {
    scratch.removeAll(keepingCapacity: true)
    write(&scratch)
    buffer.append(UInt8(ascii: "\""))
    buffer.append(scratch)
    buffer.append(UInt8(ascii: "\""))
  }

  /// Every decimal of so many digits comes back from its double.
  private static let doubleDigitsMax = 15
  private static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
  ]
}
