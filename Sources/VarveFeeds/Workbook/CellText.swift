import Glibc

/// The text of cells as spreadsheets mean it, from the text of XML elements.
enum CellText {
  /// Appends what a `t` or `v` element says: blanks around it go unless `xml:space` keeps them, and `_xHHHH_` stands for
  /// a UTF-16 code unit (ISO/IEC 29500-1, 22.9.2.19, ST_Xstring).
  static func append(
    _ raw: UnsafeBufferPointer<UInt8>, keepsBlanks: Bool, to text: inout GrowingBytes
  ) {
    var start = 0
    var end = raw.count
    if !keepsBlanks {
      while start < end, isBlank(raw[start]) { start += 1 }
      while end > start, isBlank(raw[end - 1]) { end -= 1 }
    }
    guard start < end, let base = raw.baseAddress else { return }
    guard memchr(base + start, Int32(UInt8(ascii: "_")), end - start) != nil else {
      return text.append(base + start, end - start)
    }
    appendUnescaped(UnsafeBufferPointer(start: base + start, count: end - start), to: &text)
  }

  /// Unicode scalars of valid UTF-8.
  static func characterCount(_ text: UnsafeBufferPointer<UInt8>) -> Int {
    var count = 0
    for byte in text where byte & 0xC0 != 0x80 { count += 1 }
    return count
  }

  static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0A).contains(byte) || byte == 0x0D }

  /// A surrogate without its partner stays as it was spelled, for it is no character.
  private static func appendUnescaped(_ raw: UnsafeBufferPointer<UInt8>, to text: inout GrowingBytes) {
    var position = 0
    while position < raw.count {
      if let unit = escapedUnit(raw, position) {
        if let scalar = Unicode.Scalar(unit) {
          append(scalar, to: &text)
          position += escapeLength
          continue
        }
        if unit < 0xDC00, let low = escapedUnit(raw, position + escapeLength), (0xDC00...0xDFFF).contains(low),
          let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
        {
          append(scalar, to: &text)
          position += 2 * escapeLength
          continue
        }
      }
      text.append(raw[position])
      position += 1
    }
  }

  private static let escapeLength = 7

  private static func append(_ scalar: Unicode.Scalar, to text: inout GrowingBytes) {
    for byte in UTF8.encode(scalar).unsafelyUnwrapped { text.append(byte) }
  }

  private static func escapedUnit(_ raw: UnsafeBufferPointer<UInt8>, _ start: Int) -> UInt32? {
    guard start + escapeLength <= raw.count, raw[start] == UInt8(ascii: "_"), raw[start + 1] == UInt8(ascii: "x"),
      raw[start + 6] == UInt8(ascii: "_")
    else { return nil }
    var unit: UInt32 = 0
    for index in (start + 2)..<(start + 6) {
      let digit: UInt8
      switch raw[index] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = raw[index] - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = raw[index] - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = raw[index] - UInt8(ascii: "A") + 10
      default: return nil
      }
      unit = unit << 4 | UInt32(digit)
    }
    return unit
  }
}
