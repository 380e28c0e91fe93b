/// A number as most are: at most 15 digits, perhaps a minus and a point, in JSON's grammar and without an exponent.
/// Its double is exact up to one division (Clinger, 1990), and comes back as the same number.
struct ShortDecimal {
  var value: Double
  /// Digits after the point, as spelled, and as many as the value needs.
  var fractionDigits: Int
  var scale: Int
  /// Digits before the point that the value needs.
  var integerDigits: Int

  var isInteger: Bool { fractionDigits == 0 }

  /// Nil when it is any other number, or none.
  @inline(__always)
  init?(_ text: UnsafeBufferPointer<UInt8>, point: UInt8) {
    let count = text.count
    guard count > 0, count <= 17 else { return nil }
    let isNegative = text[0] == UInt8(ascii: "-")
    let start = isNegative ? 1 : 0
    var index = start
    var digits: Int64 = 0
    while index < count, case let digit = text[index] &- UInt8(ascii: "0"), digit < 10 {
      digits = digits &* 10 &+ Int64(digit)
      index += 1
    }
    let whole = index - start
    guard whole > 0, text[start] != UInt8(ascii: "0") || whole == 1 else { return nil }
    fractionDigits = 0
    if index < count {
      guard text[index] == point else { return nil }
      index += 1
      let fraction = index
      while index < count, case let digit = text[index] &- UInt8(ascii: "0"), digit < 10 {
        digits = digits &* 10 &+ Int64(digit)
        index += 1
      }
      fractionDigits = index - fraction
      guard fractionDigits > 0, index == count else { return nil }
    }
    guard whole + fractionDigits <= 15 else { return nil }
    integerDigits = text[start] == UInt8(ascii: "0") ? 0 : whole
    scale = fractionDigits
    var last = count - 1
    while scale > 0, text[last] == UInt8(ascii: "0") {
      scale -= 1
      last -= 1
    }
    let magnitude = Double(digits) / Double.powerOfTen(fractionDigits)
    value = isNegative ? -magnitude : magnitude
  }
}

extension Double {
  /// 10 to the power of 0 to 15, without a look into an array.
  @inline(__always)
  fileprivate static func powerOfTen(_ exponent: Int) -> Double {
    switch exponent {
    case 0: 1
    case 1: 1e1
    case 2: 1e2
    case 3: 1e3
    case 4: 1e4
    default: powersOfTen[exponent]
    }
  }
}
