/// A decimal number as spelled, of any length: 0.d₁d₂d₃… times 10 to the power of `exponent`.
struct DecimalText {
  var isNegative = false
  /// From the first digit that is not zero to the last one; empty for zero. Values 0 to 9.
  var digits: [UInt8] = []
  var exponent = 0

  /// Nil for what is no number: `12.50`, `-0.1`, `1.0e+20` and `.5` are.
  init?(_ text: UnsafeRawBufferPointer) {
    var index = 0
    if index < text.count, text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+") {
      isNegative = text[index] == UInt8(ascii: "-")
      index += 1
    }
    var digitCount = 0
    var hasPoint = false
    while index < text.count {
      let byte = text[index]
      if byte == UInt8(ascii: "."), !hasPoint {
        hasPoint = true
      } else if case let digit = byte &- UInt8(ascii: "0"), digit < 10 {
        digitCount += 1
        if digits.isEmpty && digit == 0 {
          if hasPoint { exponent -= 1 }
        } else {
          digits.append(digit)
          if !hasPoint { exponent += 1 }
        }
      } else {
        break
      }
      index += 1
    }
    guard digitCount > 0 else { return nil }
    if index < text.count {
      guard text[index] | 0x20 == UInt8(ascii: "e"), let power = DecimalText.power(text[(index + 1)...]) else {
        return nil
      }
      exponent += power
    }
    while digits.last == 0 { digits.removeLast() }
    if digits.isEmpty { (isNegative, exponent) = (false, 0) }
  }

  private static func power(_ text: Slice<UnsafeRawBufferPointer>) -> Int? {
    var digits = text
    var isNegative = false
    if let sign = digits.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
      isNegative = sign == UInt8(ascii: "-")
      digits = digits.dropFirst()
    }
    guard (1...6).contains(digits.count) else { return nil }
    var power = 0
    for byte in digits {
      guard case let digit = byte &- UInt8(ascii: "0"), digit < 10 else { return nil }
      power = power * 10 + Int(digit)
    }
    return isNegative ? -power : power
  }

  /// The number times 10 to the power of `scale`, rounded down, and whether nothing was cut; nil beyond 38 digits.
  func floored(scale: Int) -> (unscaled: Int128, isExact: Bool)? {
    let count = exponent + scale
    guard count <= 38 else { return nil }
    var magnitude: Int128 = 0
    for index in 0..<max(0, count) { magnitude = magnitude * 10 + Int128(index < digits.count ? digits[index] : 0) }
    let isExact = digits.count <= max(0, count)
    return (isNegative ? -magnitude - (isExact ? 0 : 1) : magnitude, isExact)
  }

  /// By size: negative, zero or positive.
  static func compare(_ left: DecimalText, _ right: DecimalText) -> Int32 {
    if left.isNegative != right.isNegative { return left.isNegative ? -1 : 1 }
    let sign: Int32 = left.isNegative ? -1 : 1
    if left.digits.isEmpty || right.digits.isEmpty {
      return left.digits.isEmpty ? (right.digits.isEmpty ? 0 : -sign) : sign
    }
    if left.exponent != right.exponent { return left.exponent < right.exponent ? -sign : sign }
    if left.digits == right.digits { return 0 }
    return left.digits.lexicographicallyPrecedes(right.digits) ? -sign : sign
  }
}
