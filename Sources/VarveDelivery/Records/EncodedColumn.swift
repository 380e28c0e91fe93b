internal import VarveJSON
internal import VarveTables

/// One field of a batch's records, encoded for all of its rows: `,"name":value`, of which the first byte is put in when
/// the record is.
final class EncodedColumn {
  enum Source {
    /// A column of the batch, and the one that is true where a row lacks it.
    case column(Int, absence: Int?)
    /// What became of the row.
    case kind
  }

  let mapping: RecordMapping.Column
  private let source: Source
  /// `,"name":`.
  private let head: [UInt8]
  private var buffer = ByteBuffer(capacity: 1 << 16)
  private var ends: [Int] = []
  private var scratch: [UInt8] = []

  init(source: Source, _ mapping: RecordMapping.Column) {
    self.source = source
    self.mapping = mapping
    var head = [UInt8(ascii: ",")]
    JSONValue.write(string: mapping.field, to: &head)
    head.append(UInt8(ascii: ":"))
    self.head = head
  }

  var byteCount: Int { buffer.count }

  /// Copies row `row`, if it has the field, with `separator` in front; the place behind it.
  @inline(__always)
  func copy(
    _ row: Int, _ separator: UInt8, to place: UnsafeMutablePointer<UInt8>
  ) -> UnsafeMutablePointer<UInt8>? {
    let start = row == 0 ? 0 : ends[row - 1]
    let count = ends[row] - start
    guard count > 0 else { return nil }
    place.update(from: buffer.base + start, count: count)
    place.pointee = separator
    return place + count
  }

  func encode(_ batch: Batch, _ kinds: [String], place: [String], firstRecord: Int) throws {
    buffer.removeAll()
    ends.removeAll(keepingCapacity: true)
    switch source {
    case .kind:
      precondition(kinds.count == batch.rowCount, "every row has a kind of change")
      for var kind in kinds {
        buffer.append(head)
        kind.withUTF8 { buffer.append(string: $0) }
        ends.append(buffer.count)
      }
    case .column(let index, let absence):
      do throws(Unsendable) {
        try encode(batch.columns[index], absence.map { batch.columns[$0] }, rowCount: batch.rowCount)
      } catch {
        throw Problem(
          .failed,
          at: place + ["record \(firstRecord + error.row + 1)", "column \"\(mapping.column)\""] + error.path,
          error.what, advice: error.advice)
      }
    }
  }

  /// A value that JSON or its readers cannot hold.
  private struct Unsendable: Error {
    var row: Int
    var path: [String] = []
    var what: String
    var advice: String?
  }

  private func encode(_ column: Column, _ absence: Column?, rowCount: Int) throws(Unsendable) {
    let absent: [Int64] = if case .int64(let marks)? = absence?.values { marks } else { [] }
    switch column.values {
    case .int64(let values):
      for row in 0..<rowCount {
        if begin(row, column, absent) { try append(integer: values[row], column.type, row) }
        ends.append(buffer.count)
      }
    case .int128(let values):
      for row in 0..<rowCount {
        if begin(row, column, absent) { try append(decimal: values[row], column.type, row) }
        ends.append(buffer.count)
      }
    case .double(let values):
      for row in 0..<rowCount {
        if begin(row, column, absent) { try append(double: values[row], row) }
        ends.append(buffer.count)
      }
    case .bytes(let values):
      let isNested = column.type == .json && mapping.form != .string
      for row in 0..<rowCount {
        if begin(row, column, absent) {
          if isNested {
            try append(nested: values[row], row)
          } else {
            values.bytes.withUnsafeBufferPointer {
              buffer.append(string: UnsafeBufferPointer(rebasing: $0[values.range(row)]))
            }
          }
        }
        ends.append(buffer.count)
      }
    }
  }

  /// Writes the field's name, unless the row lacks the field; false where no value belongs behind it.
  @inline(__always)
  private func begin(_ row: Int, _ column: Column, _ absent: [Int64]) -> Bool {
    if !absent.isEmpty, absent[row] != 0 { return false }
    head.withUnsafeBufferPointer { buffer.append($0) }
    guard column.isNull(row) else { return true }
    buffer.append("null")
    return false
  }

  private func append(integer value: Int64, _ type: DataType, _ row: Int) throws(Unsendable) {
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

  private func append(decimal value: Int128, _ type: DataType, _ row: Int) throws(Unsendable) {
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

  private func append(double value: Double, _ row: Int) throws(Unsendable) {
    guard value.isFinite else { throw Unsendable(row: row, what: "JSON has no spelling for \(value)") }
    if mapping.form == .string { return appendString { ValueText.append(double: value, to: &$0) } }
    buffer.append(double: value)
  }

  private func append(nested text: ArraySlice<UInt8>, _ row: Int) throws(Unsendable) {
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
  private func appendString(_ write: (inout [UInt8]) -> Void) {
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
