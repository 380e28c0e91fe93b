/// Spellings as bytes, to be laid aside and taken up again by the same process. Numbers are little-endian.
///
/// kind, null kind, fraction digits, point, capitals, instant, blank: a byte each; then the number of exceptions (8 bytes), and
/// for each its row (8), kind (1), spelled (1) and the end of its text (8); then the texts.
extension Spellings {
  package func encoded() -> [UInt8] {
    var bytes: [UInt8] = [
      kind.rawValue, nullKind.rawValue, style.fractionDigits, style.point, style.capitals.rawValue,
      style.isInstant ? 1 : 0,
      style.hasBlank ? 1 : 0,
    ]
    func append(_ number: Int) { withUnsafeBytes(of: UInt64(number).littleEndian) { bytes.append(contentsOf: $0) } }
    bytes.reserveCapacity(15 + byteCount)
    append(rows.count)
    for index in rows.indices {
      append(rows[index])
      bytes.append(kinds[index].rawValue)
      bytes.append(isSpelled[index] ? 1 : 0)
      append(texts.ends[index])
    }
    bytes.append(contentsOf: texts.bytes)
    return bytes
  }

  /// What `encoded` gave; anything else traps.
  package init(encoded bytes: [UInt8]) {
    var index = 0
    func byte() -> UInt8 {
      index += 1
      return bytes[index - 1]
    }
    func number() -> Int {
      var number: UInt64 = 0
      for shift in 0..<8 { number |= UInt64(bytes[index + shift]) << UInt64(shift * 8) }
      index += 8
      return Int(number)
    }
    func kind() -> RawKind {
      guard let kind = RawKind(rawValue: byte()) else { preconditionFailure("these bytes are no spellings") }
      return kind
    }
    self.kind = kind()
    nullKind = kind()
    style.fractionDigits = byte()
    style.point = byte()
    style.capitals = CellStyle.Capitals(rawValue: byte()) ?? .none
    style.isInstant = byte() == 1
    style.hasBlank = byte() == 1
    let count = number()
    for _ in 0..<count {
      rows.append(number())
      kinds.append(kind())
      isSpelled.append(byte() == 1)
      texts.ends.append(number())
    }
    texts.bytes = Array(bytes[index...])
  }
}
