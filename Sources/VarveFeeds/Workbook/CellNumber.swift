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
    if let plain = PlainDecimal(spelling) {
      guard plain.digitCount > 15 else {
        bytes.append(spelling)
        return true
      }
      // Fifteen digits survive a binary64, so if they mean the same, they are the shortest; else one digit fewer may do.
      let value = plain.value
      // Of two neighbours of 16 digits the nearer one is the shortest spelling, and a 5 at the end does not tell which.
      if plain.digitCount == 17, plain.mantissa % 10 == 5, plain.rounded(to: 15).value != value {
        return appendUnusual(spelling, to: &bytes)
      }
      if plain.rounded(to: 15).value == value {
        plain.rounded(to: 15).append(isNegative: plain.isNegative, to: &bytes)
      } else if plain.digitCount == 17, plain.rounded(to: 16).value == value {
        plain.rounded(to: 16).append(isNegative: plain.isNegative, to: &bytes)
      } else {
        bytes.append(spelling)
      }
      return true
    }
    return appendUnusual(spelling, to: &bytes)
  }

  private static func appendUnusual(_ spelling: UnsafeBufferPointer<UInt8>, to bytes: inout GrowingBytes) -> Bool {
    guard var decimal = Decimal(spelling) else { return false }
    if !decimal.isWholeWithoutExponent, (16...17).contains(decimal.digits.count) {
      guard let value = Double(String(decoding: spelling, as: UTF8.self).trimmingPlus()), value.isFinite else {
        return false
      }
      guard let parsed = Array(value.description.utf8).withUnsafeBufferPointer({ Decimal($0) }) else { return false }
      decimal = parsed
    }
    guard decimal.pointPosition <= 309 else { return false }
    if decimal.pointPosition == 309, Double(decimal.spelled) == .infinity { return false }
    bytes.append(decimal.spelled)
    return true
  }

  /// A number as most are: at most 17 digits, perhaps a minus and a point, and no zero that could go.
  private struct PlainDecimal {
    private(set) var isNegative = false
    /// The digits without the point.
    private(set) var mantissa: UInt64 = 0
    /// How many of them stand behind the point.
    private(set) var scale = 0
    /// From the first that is not zero; whole numbers count as 15 at most, for they are never shortened.
    private(set) var digitCount = 0

    @inline(__always)
    init?(_ spelling: UnsafeBufferPointer<UInt8>) {
      let count = spelling.count
      guard count > 0, count <= 20 else { return nil }
      var position = 0
      if spelling[0] == UInt8(ascii: "-") {
        isNegative = true
        position = 1
      }
      let start = position
      var point = -1
      while position < count {
        let byte = spelling[position]
        if byte == UInt8(ascii: "."), point < 0 {
          point = position
        } else {
          guard byte &- UInt8(ascii: "0") <= 9 else { return nil }
          mantissa = mantissa &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
          if mantissa > 0 { digitCount += 1 }
        }
        position += 1
      }
      let wholeDigits = (point < 0 ? count : point) - start
      // Zeros in front or behind, and a minus before nothing but zeros, are for others to take away.
      guard wholeDigits > 0, wholeDigits == 1 || spelling[start] != UInt8(ascii: "0"), digitCount <= 17,
        mantissa > 0 || !isNegative
      else { return nil }
      guard point >= 0 else {
        digitCount = min(digitCount, 15)
        return
      }
      scale = count - point - 1
      guard scale > 0, spelling[count - 1] != UInt8(ascii: "0") else { return nil }
    }

    private init(mantissa: UInt64, scale: Int) {
      self.mantissa = mantissa
      self.scale = scale
    }

    /// The same number with that many digits, fewer than it has, and without zeros at the end.
    func rounded(to digits: Int) -> PlainDecimal {
      let cut = digitCount - digits
      let divisor = wholePowersOfTen[cut]
      var mantissa = mantissa / divisor + (mantissa % divisor * 2 >= divisor ? 1 : 0)
      var scale = scale - cut
      while scale > 0, mantissa % 10 == 0 {
        mantissa /= 10
        scale -= 1
      }
      if scale < 0 {
        mantissa *= wholePowersOfTen[-scale]
        scale = 0
      }
      return PlainDecimal(mantissa: mantissa, scale: scale)
    }

    /// The nearest binary64, without the sign.
    var value: Double {
      // Exact operands and one correctly rounded division.
      if mantissa <= 1 << 53 { return Double(mantissa) / powersOfTen[scale] }
      // The first 64 bits of a quotient of more, and whether anything follows them, decide how 53 are rounded.
      let room = UInt128(mantissa).leadingZeroBitCount
      let (quotient, remainder) = (UInt128(mantissa) << UInt128(room))
        .quotientAndRemainder(dividingBy: UInt128(wholePowersOfTen[scale]))
      let excess = 64 - quotient.leadingZeroBitCount
      let bits = UInt64(truncatingIfNeeded: quotient >> UInt128(excess))
      let hasMore = remainder != 0 || UInt128(bits) << UInt128(excess) != quotient
      return Double(sign: .plus, exponent: excess - room, significand: Double(bits | (hasMore ? 1 : 0)))
    }

    func append(isNegative: Bool, to bytes: inout GrowingBytes) {
      if isNegative { bytes.append(UInt8(ascii: "-")) }
      var divisor = wholePowersOfTen[scale]
      var rest = mantissa
      appendWhole(rest / divisor, to: &bytes)
      guard scale > 0 else { return }
      bytes.append(UInt8(ascii: "."))
      rest %= divisor
      while divisor > 1 {
        divisor /= 10
        bytes.append(UInt8(ascii: "0") + UInt8(rest / divisor))
        rest %= divisor
      }
    }

    private func appendWhole(_ number: UInt64, to bytes: inout GrowingBytes) {
      var divisor: UInt64 = 1
      while number / divisor >= 10 { divisor *= 10 }
      while divisor > 0 {
        bytes.append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
        divisor /= 10
      }
    }
  }

  /// The nearest binary64, or nil when `spelling` is no number.
  static func value(_ spelling: UnsafeBufferPointer<UInt8>) -> Double? {
    if let plain = PlainDecimal(spelling) { return plain.isNegative ? -plain.value : plain.value }
    guard Decimal(spelling) != nil, let value = Double(String(decoding: spelling, as: UTF8.self).trimmingPlus()),
      value.isFinite
    else { return nil }
    return value
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

private let powersOfTen: [Double] = (0...19).map { Double(wholePowersOfTen[$0]) }

private let wholePowersOfTen: [UInt64] = (0...19).map { (0..<$0).reduce(1) { power, _ in power * 10 } }

extension String {
  /// Swift's own parser knows no plus sign in front.
  fileprivate func trimmingPlus() -> String { hasPrefix("+") ? String(dropFirst()) : self }
}
