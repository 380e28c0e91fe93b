/// The canonical text of single values, and reading it back: for partition folders, statistics, output and SQL.
///
/// | type | text |
/// | --- | --- |
/// | boolean | `true`, `false` |
/// | int64 | `-12` |
/// | double | the shortest that reads back as the same double, as Swift prints it: `2.0`, `0.1`, `1e+16`, `1.5e-05`; it is always a JSON number with a point or an exponent |
/// | decimal(p,s) | always s digits after the point: `1.50` |
/// | date | `2024-01-31` |
/// | timestamp | `2024-01-31T08:30:00Z`, up to six digits of a second's fraction, trailing zeros cut |
/// | text, json | itself |
package enum ValueText {
  package static func append(int64 value: Int64, to bytes: inout [UInt8]) {
    if value == 0 {
      bytes.append(UInt8(ascii: "0"))
      return
    }
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    append(digitsOf: value.magnitude, width: 1, to: &bytes)
  }

  package static func append(double value: Double, to bytes: inout [UInt8]) {
    var text = value.description
    text.withUTF8 { bytes.append(contentsOf: $0) }
  }

  package static func append(unscaled: Int128, scale: Int, to bytes: inout [UInt8]) {
    if unscaled < 0 { bytes.append(UInt8(ascii: "-")) }
    let (whole, fraction) = unscaled.magnitude.quotientAndRemainder(dividingBy: UInt128.power(ofTen: scale))
    append(wide: whole, width: 1, to: &bytes)
    guard scale > 0 else { return }
    bytes.append(UInt8(ascii: "."))
    append(wide: fraction, width: scale, to: &bytes)
  }

  package static func append(boolean: Bool, to bytes: inout [UInt8]) {
    bytes.append(contentsOf: boolean ? "true".utf8 : "false".utf8)
  }

  private static func append(wide value: UInt128, width: Int, to bytes: inout [UInt8]) {
    if let narrow = UInt64(exactly: value), width <= 19 {
      append(digitsOf: narrow, width: width, to: &bytes)
    } else {
      let (high, low) = value.quotientAndRemainder(dividingBy: 10_000_000_000_000_000_000)
      append(wide: high, width: max(1, width - 19), to: &bytes)
      append(digitsOf: UInt64(low), width: 19, to: &bytes)
    }
  }

  /// At least `width` digits (at most 20).
  private static func append(digitsOf value: UInt64, width: Int, to bytes: inout [UInt8]) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
      var rest = value
      var start = 20
      while rest > 0 || start > 20 - width {
        start -= 1
        let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
        digits[start] = UInt8(ascii: "0") + UInt8(digit)
        rest = quotient
      }
      bytes.append(contentsOf: digits[start...])
    }
  }
}

extension Value {
  /// The canonical text; nil for null.
  public var text: String? {
    var bytes: [UInt8] = []
    switch self {
    case .null: return nil
    case .text(let text), .json(let text): return text
    case .boolean(let value): ValueText.append(boolean: value, to: &bytes)
    case .int64(let value): ValueText.append(int64: value, to: &bytes)
    case .double(let value): ValueText.append(double: value, to: &bytes)
    case .decimal(let unscaled, let scale): ValueText.append(unscaled: unscaled, scale: scale, to: &bytes)
    case .date(let days): CivilTime.append(days: days, to: &bytes)
    case .timestamp(let microseconds): CivilTime.append(microseconds: microseconds, to: &bytes)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The value of that type that the text spells, or nil: `true` or `false`, JSON's numbers, `2024-01-31`, ISO 8601 times
  /// (UTC where no offset stands; a bare date is its midnight). Decimals must fit exactly.
  public init?(text: String, type: DataType) {
    var text = text
    let value: Value? = text.withUTF8 { bytes in
      switch type {
      case .text, .json: return .text("")
      case .boolean:
        if bytes.elementsEqual("true".utf8) { return .boolean(true) }
        return bytes.elementsEqual("false".utf8) ? .boolean(false) : nil
      case .int64:
        return NumberText(bytes).flatMap { $0.isPlain ? $0.int64 : nil }.map { .int64($0) }
      case .double:
        return NumberText(bytes).flatMap { $0.isPlain ? $0.double(bytes) : nil }.map { .double($0.value) }
      case .decimal(let precision, let scale):
        guard let number = NumberText(bytes), number.isPlain, number.integerDigits <= precision - scale,
          let unscaled = number.unscaled(scale: scale)
        else { return nil }
        return .decimal(unscaled: unscaled, scale: scale)
      case .date:
        return CivilTime.days(iso: bytes).map { .date($0) }
      case .timestamp:
        guard let local = CivilTime.local(iso: bytes) else { return nil }
        let microseconds = local.microseconds - Int64(local.offset ?? 0) * 1_000_000
        return CivilTime.microseconds.contains(microseconds) ? .timestamp(microseconds) : nil
      }
    }
    guard let value else { return nil }
    switch type {
    case .text: self = .text(text)
    case .json: self = .json(text)
    default: self = value
    }
  }
}
