import Glibc

/// Numbers as cells spell them, and as Varve does.
///
/// A number in a workbook is a binary64. Excel spells one with up to 17 digits, of which the shortest spelling that
/// means the same binary64 is what a person typed: 19.989999999999998 was 19.99. Other spellings keep their digits.
enum CellNumber {
  /// Appends the number in the grammar of JSON: whole numbers without a point, no zeros that say nothing.
  ///
  /// - Returns: whether `spelling` is a number within the range of a binary64.
  static func append(_ spelling: UnsafeBufferPointer<UInt8>, to bytes: inout GrowingBytes) -> Bool {
    if spelling.count <= 15, spelling.count > 0, isPlainWhole(spelling) {
      bytes.append(spelling)
      return true
    }
    guard var decimal = Decimal(spelling) else { return false }
    let digitsMax = 17
    if !decimal.isWholeWithoutExponent, (16...digitsMax).contains(decimal.digits.count) {
      guard let value = Double(String(decoding: spelling, as: UTF8.self).trimmingPlus()), value.isFinite else {
        return false
      }
      let shortest = value.description
      guard let parsed = Array(shortest.utf8).withUnsafeBufferPointer({ Decimal($0) }) else { return false }
      decimal = parsed
    }
    guard decimal.pointPosition <= 309 else { return false }
    if decimal.pointPosition == 309, Double(decimal.spelled) == .infinity { return false }
    bytes.append(decimal.spelled)
    return true
  }

  /// The nearest binary64, or nil when `spelling` is no number.
  static func value(_ spelling: UnsafeBufferPointer<UInt8>) -> Double? {
    guard spelling.count < 512 else { return nil }
    var mantissa: UInt64 = 0
    var scale = 0
    var digits = 0
    var position = 0
    let isNegative = spelling.first == UInt8(ascii: "-")
    if isNegative { position = 1 }
    var hasPoint = false
    while position < spelling.count {
      let byte = spelling[position]
      if byte == UInt8(ascii: "."), !hasPoint {
        hasPoint = true
      } else if byte &- UInt8(ascii: "0") <= 9, digits < 18 {
        mantissa = mantissa &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
        digits += 1
        if hasPoint { scale += 1 }
      } else {
        break
      }
      position += 1
    }
    // Exact operands and one correctly rounded division give the nearest binary64.
    if position == spelling.count, digits > 0, mantissa <= 1 << 53, scale <= 22 {
      let value = Double(mantissa) / powersOfTen[scale]
      return isNegative ? -value : value
    }
    guard Decimal(spelling) != nil, let value = Double(String(decoding: spelling, as: UTF8.self).trimmingPlus()),
      value.isFinite
    else { return nil }
    return value
  }

  private static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
  ]

  private static func isPlainWhole(_ spelling: UnsafeBufferPointer<UInt8>) -> Bool {
    if spelling[0] == UInt8(ascii: "0") { return spelling.count == 1 }
    for byte in spelling where byte &- UInt8(ascii: "0") > 9 { return false }
    return true
  }

  /// A number taken apart: 0.`digits` times ten to the `pointPosition`, no zero at either end of `digits`.
  private struct Decimal {
    var isNegative = false
    var digits: [UInt8] = []
    var pointPosition = 0
    var isWithoutExponent = true
    var isWholeWithoutExponent = false

    init?(_ spelling: UnsafeBufferPointer<UInt8>) {
      var rest = spelling[...]
      if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
        isNegative = sign == UInt8(ascii: "-")
        rest.removeFirst()
      }
      let whole = rest.prefix { $0 &- UInt8(ascii: "0") <= 9 }
      rest = rest.dropFirst(whole.count)
      digits = Array(whole)
      pointPosition = whole.count
      var hasFraction = false
      if rest.first == UInt8(ascii: ".") {
        rest.removeFirst()
        let fraction = rest.prefix { $0 &- UInt8(ascii: "0") <= 9 }
        rest = rest.dropFirst(fraction.count)
        digits.append(contentsOf: fraction)
        hasFraction = fraction.contains { $0 != UInt8(ascii: "0") }
      }
      guard !digits.isEmpty else { return nil }
      isWholeWithoutExponent = !hasFraction
      if let letter = rest.first, letter | 0x20 == UInt8(ascii: "e") {
        isWholeWithoutExponent = false
        isWithoutExponent = false
        rest.removeFirst()
        var exponentIsNegative = false
        if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
          exponentIsNegative = sign == UInt8(ascii: "-")
          rest.removeFirst()
        }
        guard !rest.isEmpty, rest.count <= 5, rest.allSatisfy({ $0 &- UInt8(ascii: "0") <= 9 }) else { return nil }
        let exponent = rest.reduce(0) { $0 * 10 + Int($1 &- UInt8(ascii: "0")) }
        pointPosition += exponentIsNegative ? -exponent : exponent
        rest = rest.dropFirst(rest.count)
      }
      guard rest.isEmpty else { return nil }
      let leadingZeros = digits.prefix { $0 == UInt8(ascii: "0") }.count
      digits.removeFirst(leadingZeros)
      pointPosition -= leadingZeros
      while digits.last == UInt8(ascii: "0") { digits.removeLast() }
      if digits.isEmpty {
        pointPosition = 0
        isNegative = false
      }
    }

    /// Plain where that is readable, with an exponent else.
    var spelled: String {
      guard !digits.isEmpty else { return "0" }
      let sign = isNegative ? "-" : ""
      let text = String(decoding: digits, as: UTF8.self)
      if pointPosition >= digits.count, isWholeWithoutExponent || pointPosition <= 21 {
        return sign + text + String(repeating: "0", count: pointPosition - digits.count)
      }
      if isWithoutExponent || (-5...21).contains(pointPosition) {
        guard pointPosition > 0 else { return sign + "0." + String(repeating: "0", count: -pointPosition) + text }
        let point = text.index(text.startIndex, offsetBy: pointPosition)
        return sign + text[..<point] + "." + text[point...]
      }
      let fraction = digits.count == 1 ? "" : "." + text.dropFirst()
      return sign + text.prefix(1) + fraction + "e\(pointPosition - 1)"
    }
  }
}

extension String {
  /// Swift's own parser knows no plus sign in front.
  fileprivate func trimmingPlus() -> String { hasPrefix("+") ? String(dropFirst()) : self }
}
