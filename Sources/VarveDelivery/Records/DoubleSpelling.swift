internal import VarveJSON

extension ByteBuffer {
  /// As `JSONNumber.text(of:)` spells it, which is as orjson does; finite. Most doubles of feeds are short decimals, and
  /// those need no general algorithm.
  mutating func append(double value: Double) {
    let magnitude = value.magnitude
    if magnitude >= 1e-4, magnitude < 1e11 {
      var power: UInt64 = 1
      for fractionDigits in 0...4 {
        let shifted = magnitude * Double(power)
        let whole = shifted.rounded()
        // Of at most 15 digits only one decimal reads back as a given double, and a quotient of two exact numbers is
        // rounded as reading is (Clinger, 1990): what divides back is the shortest spelling.
        if whole < 1e15, whole / Double(power) == magnitude {
          return append(decimal: UInt64(whole), fractionDigits: fractionDigits, power, isNegative: value < 0)
        }
        power *= 10
      }
    }
    var text = JSONNumber.text(of: value)
    text.withUTF8 { append($0) }
  }

  private mutating func append(decimal value: UInt64, fractionDigits: Int, _ power: UInt64, isNegative: Bool) {
    var out = room(40)
    let start = out
    if isNegative {
      out.pointee = UInt8(ascii: "-")
      out += 1
    }
    let (whole, fraction) = value.quotientAndRemainder(dividingBy: power)
    out = ByteBuffer.digits(of: whole, to: out)
    out.pointee = UInt8(ascii: ".")
    out += 1
    if fractionDigits == 0 {
      out.pointee = UInt8(ascii: "0")
      out += 1
    } else {
      var unit = power / 10
      while unit > 0 {
        out.pointee = UInt8(ascii: "0") + UInt8(fraction / unit % 10)
        out += 1
        unit /= 10
      }
    }
    advance(out - start)
  }
}
