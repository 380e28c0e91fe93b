package import VarveTables

/// A key that is computed: the digest of columns that never change, in an encoding that depends on their values alone and
/// that every other program can make too (Documentation/WritePatterns.md, "Record keys").
///
/// | value | tag | payload |
/// | --- | --- | --- |
/// | null | 0 | none |
/// | boolean | 1 | one byte, 0 or 1 |
/// | int64, decimal, double | 2 | digits without zeros at their ends, `e`, the exponent of ten: `15e-1`; zero is `0e0` |
/// | date, timestamp | 3 | microseconds since 1970 in UTC, 8 bytes, big-endian; a date is its midnight |
/// | text | 4 | its UTF-8 bytes without ASCII white space at their ends |
/// | json | 5 | its canonical text |
///
/// Types that widen into each other share a tag and spell equal values alike, so a key outlives the widening of its columns.
package struct RecordKey: Hashable, Sendable {
  /// The column that holds it, as text of 32 hexadecimal digits.
  package static let columnName = "_key"
  /// Grows when the bytes below change; a table keeps the encoding that it was made with.
  package static let encoding = 1
  private static let prefix = Array("varve-key\u{1}".utf8)
  private static let digits = 32

  /// In the order in which they were declared, which is part of the key.
  package var columns: [String]

  package init(_ columns: [String]) { self.columns = columns }

  /// The schema with the key's column at its end, where it lacks it.
  package static func extend(_ schema: Schema, by key: RecordKey?) -> Schema {
    guard key != nil, schema[columnName] == nil else { return schema }
    return Schema(schema.fields + [Field(columnName, .text)])
  }

  /// The keys of rows of which these are the declared columns; null where all of the row's values are.
  package static func column(_ sources: [Column], rowCount: Int) -> Column {
    let parts = sources.map { $0.recordKeyParts() }
    var texts = ByteValues()
    texts.bytes.reserveCapacity(rowCount * digits)
    texts.ends.reserveCapacity(rowCount)
    var validity: [Bool] = []
    var digest = Digest()
    for row in 0..<rowCount {
      if sources.allSatisfy({ $0.isNull(row) }) {
        if validity.isEmpty { validity = [Bool](repeating: true, count: rowCount) }
        validity[row] = false
      } else {
        digest.update(prefix)
        for part in parts {
          part.bytes.withUnsafeBytes { digest.update(UnsafeRawBufferPointer(rebasing: $0[part.range(row)])) }
        }
        digest.finish(digits: digits, to: &texts.bytes)
      }
      texts.ends.append(texts.bytes.count)
    }
    return Column(.text, .bytes(texts), validity: validity)
  }

  /// Per row, whether both have the same values, as keys tell values apart.
  static func equality(_ left: [Column], _ right: [Column], rowCount: Int) -> [Bool] {
    var equal = [Bool](repeating: true, count: rowCount)
    for (left, right) in zip(left, right) {
      let (left, right) = (left.recordKeyParts(), right.recordKeyParts())
      for row in 0..<rowCount where equal[row] { equal[row] = left[row].elementsEqual(right[row]) }
    }
    return equal
  }
}

extension Column {
  /// Each row's tag, length of the payload (4 bytes, big-endian) and payload.
  fileprivate func recordKeyParts() -> ByteValues {
    var parts = ByteValues()
    parts.ends.reserveCapacity(count)
    parts.bytes.reserveCapacity(count * 16)
    var payload: [UInt8] = []
    for row in 0..<count {
      payload.removeAll(keepingCapacity: true)
      let tag: UInt8 = isNull(row) ? 0 : append(row, to: &payload)
      parts.bytes.append(tag)
      withUnsafeBytes(of: UInt32(payload.count).bigEndian) { parts.bytes.append(contentsOf: $0) }
      parts.bytes.append(contentsOf: payload)
      parts.ends.append(parts.bytes.count)
    }
    return parts
  }

  /// The payload of a value that is not null; returns its tag.
  private func append(_ row: Int, to payload: inout [UInt8]) -> UInt8 {
    switch values {
    case .int64(let numbers):
      let number = numbers[row]
      switch type {
      case .boolean:
        payload.append(number == 0 ? 0 : 1)
        return 1
      case .date, .timestamp:
        let microseconds = type == .date ? number * CivilTime.microsecondsPerDay : number
        withUnsafeBytes(of: microseconds.bigEndian) { payload.append(contentsOf: $0) }
        return 3
      case .decimal(_, let scale): appendNumber(Int128(number), scale: scale, to: &payload)
      default: appendNumber(Int128(number), scale: 0, to: &payload)
      }
      return 2
    case .int128(let numbers):
      guard case .decimal(_, let scale) = type else { preconditionFailure("long numbers are decimals") }
      appendNumber(numbers[row], scale: scale, to: &payload)
      return 2
    case .double(let numbers):
      appendNumber(numbers[row], to: &payload)
      return 2
    case .bytes(let texts):
      let bytes = texts[row]
      payload.append(contentsOf: type == .json ? bytes : bytes.withoutWhiteSpaceAtEnds)
      return type == .json ? 5 : 4
    }
  }
}

/// `unscaled` * 10^-`scale`.
private func appendNumber(_ unscaled: Int128, scale: Int, to bytes: inout [UInt8]) {
  var (magnitude, exponent) = (unscaled.magnitude, -scale)
  if let short = UInt64(exactly: magnitude) {
    var rest = short
    while rest != 0, rest % 10 == 0 { (rest, exponent) = (rest / 10, exponent + 1) }
    magnitude = UInt128(rest)
  } else {
    while magnitude % 10 == 0 { (magnitude, exponent) = (magnitude / 10, exponent + 1) }
  }
  if magnitude == 0 { exponent = 0 }
  if unscaled < 0 { bytes.append(UInt8(ascii: "-")) }
  ValueText.append(unscaled: Int128(magnitude), scale: 0, to: &bytes)
  bytes.append(UInt8(ascii: "e"))
  ValueText.append(int64: Int64(exponent), to: &bytes)
}

/// A double is the number that its shortest text spells.
private func appendNumber(_ value: Double, to bytes: inout [UInt8]) {
  var text: [UInt8] = []
  ValueText.append(double: value.magnitude, to: &text)
  let mark = text.firstIndex(of: UInt8(ascii: "e"))
  var exponent = mark.flatMap { Int(String(decoding: text[($0 + 1)...], as: UTF8.self)) } ?? 0
  var digits = text[..<(mark ?? text.count)]
  if let point = digits.firstIndex(of: UInt8(ascii: ".")) {
    exponent -= digits.endIndex - point - 1
    digits.remove(at: point)
  }
  while digits.first == UInt8(ascii: "0") { digits.removeFirst() }
  while digits.last == UInt8(ascii: "0") {
    digits.removeLast()
    exponent += 1
  }
  if digits.isEmpty { (digits, exponent) = ([UInt8(ascii: "0")], 0) }
  if value < 0 { bytes.append(UInt8(ascii: "-")) }
  bytes.append(contentsOf: digits)
  bytes.append(UInt8(ascii: "e"))
  ValueText.append(int64: Int64(exponent), to: &bytes)
}

extension ArraySlice<UInt8> {
  /// Without space, tab, line feed, vertical tab, form feed and carriage return at its ends.
  fileprivate var withoutWhiteSpaceAtEnds: ArraySlice<UInt8> {
    func isWhite(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    guard let first = firstIndex(where: { !isWhite($0) }), let last = lastIndex(where: { !isWhite($0) }) else {
      return []
    }
    return self[first...last]
  }
}
