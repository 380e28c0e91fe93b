/// How numbers are spelled in JSON text.
package enum JSONNumber {
  /// The shortest spelling that reads back as the same double, of those the nearest to it.
  ///
  /// Fixed notation from 1e-5 to below 1e16, always with a fraction (`100.0`); else `1.5e+300`, `1e-6`. The value must
  /// be finite.
  package static func text(of value: Double) -> String {
    precondition(value.isFinite, "JSON has no spelling for NaN and infinities")
    if value == 0 { return value.sign == .minus ? "-0.0" : "0.0" }
    let (digits, exponent) = shortestDigits(of: value.magnitude)
    var text = value < 0 ? "-" : ""
    switch exponent {
    case -5 ... -1:
      text += "0." + String(repeating: "0", count: -exponent - 1) + digits
    case 0...15:
      let whole = digits.prefix(exponent + 1)
      let fraction = digits.dropFirst(exponent + 1)
      text += whole + String(repeating: "0", count: exponent + 1 - whole.count) + "."
      text += fraction.isEmpty ? "0" : fraction
    default:
      text += digits.prefix(1) + (digits.count == 1 ? "" : "." + digits.dropFirst())
      text += exponent < 0 ? "e\(exponent)" : "e+\(exponent)"
    }
    return text
  }

  /// Whether the text is a number of RFC 8259, section 6.
  package static func isNumber(_ text: String) -> Bool {
    (try? JSONValue(parsing: text)).flatMap(\.number).map { $0.utf8.count == text.utf8.count } ?? false
  }

  /// The significant digits without zeros at either end, and the decimal exponent of the first of them.
  private static func shortestDigits(of value: Double) -> (digits: Substring, exponent: Int) {
    // The standard library prints the shortest digits that round-trip, nearest first: `0.001`, `1.5e-07`, `1e+16`.
    let parts = value.description.split(separator: "e")
    let mantissa = parts[0].split(separator: ".")
    let digits = String(mantissa.joined())
    let leadingZeros = digits.prefix { $0 == "0" }.count
    var significant = digits.dropFirst(leadingZeros)
    while significant.last == "0" { significant.removeLast() }
    let power = parts.count == 2 ? Int(parts[1]) ?? 0 : 0
    return (significant, power + mantissa[0].count - 1 - leadingZeros)
  }
}
