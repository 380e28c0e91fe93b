/// Recognises nested JSON that can be sent as it stands, which is nearly all of it: canonical, with short numbers. Says no
/// in doubt; then the value is parsed.
///
/// Canonical here: no white space, keys ascending by their bytes, no escapes. A number is an integer of at most 18
/// digits, or a decimal of at most 15 that is spelled as orjson spells it.
package struct NestedScan {
  private let text: UnsafeBufferPointer<UInt8>
  private var index = 0
  /// Deeper values are parsed.
  private static let depthMax = 16

  private init(_ text: UnsafeBufferPointer<UInt8>) { self.text = text }

  package static func isSendable(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    var scan = NestedScan(text)
    return scan.value(depth: 0) && scan.index == text.count
  }

  /// The next byte; 0 at the end, which no value begins or goes on with.
  private var next: UInt8 { index < text.count ? text[index] : 0 }

  private mutating func value(depth: Int) -> Bool {
    switch next {
    case UInt8(ascii: "\""): return string() != nil
    case UInt8(ascii: "{"): return depth < NestedScan.depthMax && object(depth: depth + 1)
    case UInt8(ascii: "["): return depth < NestedScan.depthMax && array(depth: depth + 1)
    case UInt8(ascii: "t"): return word("true")
    case UInt8(ascii: "f"): return word("false")
    case UInt8(ascii: "n"): return word("null")
    default: return number()
    }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    index += 1
    return true
  }

  private mutating func word(_ word: StaticString) -> Bool {
    let count = word.utf8CodeUnitCount
    guard index + count <= text.count else { return false }
    for offset in 0..<count where text[index + offset] != word.utf8Start[offset] { return false }
    index += count
    return true
  }

  /// The place of the text between the quotes.
  private mutating func string() -> Range<Int>? {
    index += 1
    let start = index
    while index < text.count {
      let byte = text[index]
      if byte == UInt8(ascii: "\"") {
        index += 1
        return start..<index - 1
      }
      if byte == UInt8(ascii: "\\") || byte < 0x20 { return nil }
      index += 1
    }
    return nil
  }

  private mutating func array(depth: Int) -> Bool {
    index += 1
    if take(UInt8(ascii: "]")) { return true }
    while value(depth: depth) {
      if take(UInt8(ascii: "]")) { return true }
      guard take(UInt8(ascii: ",")) else { return false }
    }
    return false
  }

  private mutating func object(depth: Int) -> Bool {
    index += 1
    if take(UInt8(ascii: "}")) { return true }
    var before: Range<Int>?
    while next == UInt8(ascii: "\""), let key = string() {
      if let before, !precedes(before, key) { return false }
      before = key
      guard take(UInt8(ascii: ":")), value(depth: depth) else { return false }
      if take(UInt8(ascii: "}")) { return true }
      guard take(UInt8(ascii: ",")) else { return false }
    }
    return false
  }

  private func precedes(_ one: Range<Int>, _ other: Range<Int>) -> Bool {
    for offset in 0..<min(one.count, other.count) {
      let (left, right) = (text[one.lowerBound + offset], text[other.lowerBound + offset])
      if left != right { return left < right }
    }
    return one.count < other.count
  }

  private mutating func digits() -> Int {
    let start = index
    while next &- UInt8(ascii: "0") < 10 { index += 1 }
    return index - start
  }

  private mutating func number() -> Bool {
    let isNegative = take(UInt8(ascii: "-"))
    let startsWithZero = next == UInt8(ascii: "0")
    let whole = digits()
    guard whole > 0, !startsWithZero || whole == 1 else { return false }
    guard take(UInt8(ascii: ".")) else {
      return whole <= 18 && !(isNegative && startsWithZero) && next | 0x20 != UInt8(ascii: "e")
    }
    let first = index
    let fraction = digits()
    guard fraction > 0, whole + fraction <= 15, next | 0x20 != UInt8(ascii: "e") else { return false }
    let last = text[index - 1]
    if last == UInt8(ascii: "0") { return fraction == 1 }
    // Below 0.00001 an exponent is written.
    return !startsWithZero || fraction <= 4 || text[first..<first + 4].contains { $0 != UInt8(ascii: "0") }
      || text[first + 4] != UInt8(ascii: "0")
  }
}
