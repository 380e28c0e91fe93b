import Glibc

/// A number as spelled, taken apart in one pass: its value is `mantissa` × 10 to the power of `exponent`.
///
/// The grammar is JSON's (RFC 8259, section 6). What people also write (`+1`, `.5`, `5.`, `007`) is read too, and marked.
struct NumberText {
  var isNegative = false
  /// All digits, as a number, when there are at most 38 of them from the first that is not zero; else saturated.
  var mantissa: UInt64 = 0
  /// The digits beyond what `mantissa` holds, when there are more than 19.
  var wideMantissa: UInt128 = 0
  /// Digits from the first one that is not zero to the last one spelled; 0 for zero.
  var significantDigits = 0
  /// How many of them, at the end, are zeros.
  var trailingZeros = 0
  var exponent = 0
  /// Digits after the point, as spelled.
  var fractionDigits = 0
  var hasPoint = false
  var hasExponent = false
  var hasPlus = false
  /// `007`, `00.5`.
  var hasLeadingZeros = false
  /// A point without a digit on one of its sides.
  var hasBarePoint = false

  /// JSON's grammar, to the letter.
  var isPlain: Bool { !hasPlus && !hasLeadingZeros && !hasBarePoint }
  /// Its spelling names something that no number says: `007`, `+49`.
  var isIdentifier: Bool { hasPlus || hasLeadingZeros }
  /// A whole number by its spelling.
  var isInteger: Bool { !hasPoint && !hasExponent }
  var isZero: Bool { significantDigits == 0 }

  /// Digits that the value needs before the point, trailing zeros of the spelling left out.
  var integerDigits: Int { isZero ? 0 : max(0, significantDigits + exponent) }
  /// Digits that the value needs after the point, trailing zeros of the spelling left out.
  var scale: Int { isZero ? 0 : max(0, -(exponent + trailingZeros)) }

  /// Nil when the whole text is no number. `point` is the decimal separator.
  init?(_ text: UnsafeBufferPointer<UInt8>, point: UInt8 = UInt8(ascii: ".")) {
    var index = 0
    let count = text.count
    guard count > 0 else { return nil }
    if text[0] == UInt8(ascii: "-") {
      isNegative = true
      index = 1
    } else if text[0] == UInt8(ascii: "+") {
      hasPlus = true
      index = 1
    }
    let start = index
    // Right for up to 19 digits, which most numbers have.
    var digits: UInt64 = 0
    while index < count, case let digit = text[index] &- UInt8(ascii: "0"), digit < 10 {
      digits = digits &* 10 &+ UInt64(digit)
      index += 1
    }
    let integerCount = index - start
    hasLeadingZeros = integerCount > 1 && text[start] == UInt8(ascii: "0")
    if index < count, text[index] == point {
      hasPoint = true
      index += 1
      let fraction = index
      while index < count, case let digit = text[index] &- UInt8(ascii: "0"), digit < 10 {
        digits = digits &* 10 &+ UInt64(digit)
        index += 1
      }
      fractionDigits = index - fraction
      hasBarePoint = integerCount == 0 || fractionDigits == 0
    }
    let total = integerCount + fractionDigits
    guard total > 0 else { return nil }
    if total > 19 {
      for position in start..<index where text[position] != point { take(text[position] &- UInt8(ascii: "0")) }
    } else if digits > 0 {
      mantissa = digits
      significantDigits = total
      var first = start
      while text[first] == UInt8(ascii: "0") || text[first] == point {
        if text[first] != point { significantDigits -= 1 }
        first += 1
      }
      var last = index - 1
      while text[last] == UInt8(ascii: "0") || text[last] == point {
        if text[last] != point { trailingZeros += 1 }
        last -= 1
      }
    }
    exponent = -fractionDigits
    if index < count, text[index] | 0x20 == UInt8(ascii: "e") {
      hasExponent = true
      index += 1
      var isNegative = false
      if index < count, text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+") {
        isNegative = text[index] == UInt8(ascii: "-")
        index += 1
      }
      let digits = index
      var power = 0
      while index < count, case let digit = text[index] &- UInt8(ascii: "0"), digit < 10 {
        // Far beyond what any type holds; kept from overflowing.
        power = min(power * 10 + Int(digit), 1_000_000)
        index += 1
      }
      guard index > digits else { return nil }
      exponent += isNegative ? -power : power
    }
    guard index == count else { return nil }
  }

  private mutating func take(_ digit: UInt8) {
    if significantDigits == 0 && digit == 0 { return }
    significantDigits += 1
    trailingZeros = digit == 0 ? trailingZeros + 1 : 0
    if significantDigits <= 19 {
      mantissa = mantissa * 10 + UInt64(digit)
    } else if significantDigits <= 38 {
      if significantDigits == 20 { wideMantissa = UInt128(mantissa) }
      wideMantissa = wideMantissa * 10 + UInt128(digit)
    }
  }

  private var digits: UInt128 { significantDigits <= 19 ? UInt128(mantissa) : wideMantissa }

  /// The value times 10 to the power of `scale`; nil when that is not whole or has more than 38 digits.
  func unscaled(scale: Int) -> Int128? {
    if isZero { return 0 }
    let shift = exponent + scale
    if shift < -trailingZeros { return nil }
    guard significantDigits + shift <= DataType.decimalPrecisionMax else { return nil }
    var magnitude: UInt128
    if significantDigits > 38 {
      // Only zeros stand beyond the 38th digit, since the shift cuts them.
      magnitude = wideMantissa / UInt128.power(ofTen: -shift - (significantDigits - 38))
    } else {
      magnitude = shift >= 0 ? digits * UInt128.power(ofTen: shift) : digits / UInt128.power(ofTen: -shift)
    }
    return isNegative ? -Int128(magnitude) : Int128(magnitude)
  }

  /// The value when it is whole and fits: `5`, `5.0`, `5e3`.
  var int64: Int64? { unscaled(scale: 0).flatMap { Int64(exactly: $0) } }

  /// The nearest double, and whether its shortest text is this number; nil when it is not finite. `text` is what the
  /// number was read from.
  func double(
    _ text: UnsafeBufferPointer<UInt8>, point: UInt8 = UInt8(ascii: ".")
  ) -> (value: Double, survives: Bool)? {
    // Every decimal of 15 digits comes back from its double (in the normal range, which the fast way is far within).
    if let short = shortDouble { return (short, true) }
    if let long = longDouble { return (long, true) }
    let value: Double = withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { buffer in
      for (index, byte) in text.enumerated() {
        buffer[index] = CChar(bitPattern: byte == point ? UInt8(ascii: ".") : byte)
      }
      buffer[text.count] = 0
      return strtod(buffer.baseAddress!, nil)
    }
    return value.isFinite ? (value, survives(as: value)) : nil
  }

  /// Exact for at most 15 digits and a power of ten that a double holds exactly (Clinger, 1990).
  var shortDouble: Double? {
    let power = exponent + trailingZeros
    guard significantDigits - trailingZeros <= 15, significantDigits <= 19, power >= -22, power <= 22 else {
      return nil
    }
    var magnitude: Double
    if trailingZeros == 0 || significantDigits <= 15 {
      guard exponent >= -22, exponent <= 22 else { return nil }
      magnitude = Double(mantissa)
      magnitude = exponent < 0 ? magnitude / Double.powersOfTen[-exponent] : magnitude * Double.powersOfTen[exponent]
    } else {
      magnitude = Double(mantissa / UInt64(UInt128.power(ofTen: trailingZeros)))
      magnitude = power < 0 ? magnitude / Double.powersOfTen[-power] : magnitude * Double.powersOfTen[power]
    }
    return isNegative ? -magnitude : magnitude
  }

  /// The nearest double of a number of 16 or 17 digits, when it is beyond doubt that its shortest text is this number.
  ///
  /// With value = digits / 10^n, the first 64 bits of the quotient, in units of 2^-shift, tell the 53 that are kept, how
  /// far off they are, and so whether a number of fewer digits, or a nearer one of as many, has the same double.
  private var longDouble: Double? {
    let power = -(exponent + trailingZeros)
    guard (16...17).contains(significantDigits - trailingZeros), significantDigits <= 19, (1...19).contains(power)
    else {
      return nil
    }
    let digits = trailingZeros == 0 ? mantissa : mantissa / UInt64(UInt128.power(ofTen: trailingZeros))
    let divisor = UInt128.power(ofTen: power)
    let room = UInt128(digits).leadingZeroBitCount
    let dividend = UInt128(digits) << UInt128(room)
    let quotient = dividend / divisor
    let excess = 64 - quotient.leadingZeroBitCount
    let bits = UInt64(truncatingIfNeeded: quotient >> UInt128(excess))
    let hasMore = quotient &* divisor != dividend || UInt128(bits) << UInt128(excess) != quotient
    let shift = room - excess
    // A power of two has its lower neighbour at half the distance.
    let kept = bits >> 11
    guard shift >= 0, shift < 120, kept != 1 << 52, kept != 1 << 53 - 1 else { return nil }
    let rest = Int64(bits & 0x7FF)
    let isUp = rest > 1_024 || (rest == 1_024 && (hasMore || kept & 1 == 1))
    let error = isUp ? rest - 2_048 : rest
    let unit = UInt128(1) << UInt128(shift)
    // The true error lies between `error` and `error` + 1.
    guard UInt128(max(error.magnitude, (error + 1).magnitude)) * 2 * divisor < unit else { return nil }
    let last = UInt128(digits % 10)
    guard last * unit > UInt128(1_024 + error + 1) * divisor,
      (10 - last) * unit > UInt128(1_024 - error) * divisor
    else { return nil }
    let value = Double(kept + (isUp ? 1 : 0)) * Double(sign: .plus, exponent: 11 - shift, significand: 1)
    return isNegative ? -value : value
  }

  /// Whether a double holds it: the shortest text of the nearest double is the same number.
  private func survives(as double: Double) -> Bool {
    if isZero { return true }
    let digits = significantDigits - trailingZeros
    // Every decimal of 15 digits in the normal range comes back from its double.
    if digits <= 15, double.magnitude >= Double.leastNormalMagnitude { return true }
    if digits > 17 { return false }
    var text = double.description
    return text.withUTF8 { bytes in
      guard let shortest = NumberText(bytes), !shortest.isZero else { return false }
      return shortest.exponent + shortest.trailingZeros == exponent + trailingZeros
        && shortest.digits / UInt128.power(ofTen: shortest.trailingZeros)
          == self.digits / UInt128.power(ofTen: trailingZeros)
    }
  }
}

extension Double {
  /// The double whose shortest spelling is the same number as the text, which must be in JSON's grammar; nil where
  /// there is none, because digits would be lost or the number is too large.
  package init?(exactly text: UnsafeBufferPointer<UInt8>) {
    guard let number = NumberText(text), number.isPlain, let (value, survives) = number.double(text), survives
    else { return nil }
    self = value
  }
}

extension UInt128 {
  /// 10 to the power of 0 to 38.
  static func power(ofTen exponent: Int) -> UInt128 { powersOfTen[exponent] }

  private static let powersOfTen: [UInt128] = (0...38).map { exponent in
    var power: UInt128 = 1
    for _ in 0..<exponent { power *= 10 }
    return power
  }
}

extension Double {
  /// 10 to the power of 0 to 22: the ones that a double holds exactly.
  static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
  ]
}

extension Int128 {
  /// How many decimal digits its magnitude has; 0 for zero.
  var decimalDigits: Int {
    var rest = magnitude
    var digits = 0
    while rest > 0 {
      rest /= 10
      digits += 1
    }
    return digits
  }
}
