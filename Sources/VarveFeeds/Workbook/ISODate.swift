/// Dates and times that cells of type `d` spell out (ISO 8601, as ISO/IEC 29500-1, 18.17.4.1 limits it).
enum ISODate {
  /// Appends a date, time or duration as `SheetCell` spells it, or nothing.
  ///
  /// A `Z` goes, since cells are in no zone; an offset is refused.
  static func append(_ spelling: UnsafeBufferPointer<UInt8>, to bytes: inout GrowingBytes) -> CellKind? {
    var reader = Reader(rest: spelling[...])
    if spelling.first == UInt8(ascii: "P") || spelling.starts(with: "-P".utf8) {
      guard let seconds = reader.duration() else { return nil }
      bytes.append(seconds)
      return .duration
    }
    let date = reader.date()
    if date != nil {
      if reader.rest.isEmpty {
        bytes.append(date!)
        return .date
      }
      guard reader.take(UInt8(ascii: "T")) || reader.take(UInt8(ascii: " ")) else { return nil }
    } else {
      reader = Reader(rest: spelling[...])
      _ = reader.take(UInt8(ascii: "T"))
    }
    guard let time = reader.time() else { return nil }
    _ = reader.take(UInt8(ascii: "Z"))
    guard reader.rest.isEmpty else { return nil }
    if let date { bytes.append(date + "T") }
    bytes.append(time)
    return date == nil ? .time : .dateTime
  }

  private struct Reader {
    var rest: Slice<UnsafeBufferPointer<UInt8>>

    mutating func take(_ byte: UInt8) -> Bool {
      guard rest.first == byte else { return false }
      rest.removeFirst()
      return true
    }

    mutating func digits(_ count: Int) -> Int? {
      let digits = rest.prefix(count)
      guard digits.count == count, digits.allSatisfy({ $0 &- UInt8(ascii: "0") <= 9 }) else { return nil }
      rest = rest.dropFirst(count)
      return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    mutating func date() -> String? {
      let start = rest
      guard let year = digits(4), take(UInt8(ascii: "-")), let month = digits(2), take(UInt8(ascii: "-")),
        let day = digits(2), year >= 1, (1...12).contains(month)
      else { return nil }
      let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
      let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
      guard (1...days[month - 1]).contains(day) else { return nil }
      return String(decoding: start.prefix(10), as: UTF8.self)
    }

    /// Hours and minutes, perhaps seconds, perhaps up to six digits that matter of a fraction.
    mutating func time() -> String? {
      let start = rest
      guard let hour = digits(2), take(UInt8(ascii: ":")), let minute = digits(2), hour < 24, minute < 60 else {
        return nil
      }
      var text = String(decoding: start.prefix(5), as: UTF8.self)
      guard take(UInt8(ascii: ":")) else { return text + ":00" }
      guard let second = digits(2), second < 60 else { return nil }
      text += second < 10 ? ":0\(second)" : ":\(second)"
      guard let fraction = fraction() else { return nil }
      return text + fraction
    }

    /// Empty, or a point and digits; nil when there are too many of them.
    mutating func fraction() -> String? {
      guard take(UInt8(ascii: ".")) || take(UInt8(ascii: ",")) else { return "" }
      var digits = Array(rest.prefix { $0 &- UInt8(ascii: "0") <= 9 })
      guard !digits.isEmpty else { return nil }
      rest = rest.dropFirst(digits.count)
      while digits.last == UInt8(ascii: "0") { digits.removeLast() }
      guard digits.count <= 6 else { return nil }
      return digits.isEmpty ? "" : "." + String(decoding: digits, as: UTF8.self)
    }

    /// The seconds of `P1DT2H3M4.5S`, as a decimal number; years and months have none.
    mutating func duration() -> String? {
      let isNegative = take(UInt8(ascii: "-"))
      guard take(UInt8(ascii: "P")) else { return nil }
      var seconds = 0
      var fractionText = ""
      var isTime = false
      var parts = 0
      while !rest.isEmpty {
        if !isTime, take(UInt8(ascii: "T")) {
          isTime = true
          continue
        }
        let run = rest.prefix { $0 &- UInt8(ascii: "0") <= 9 }
        guard (1...9).contains(run.count), let number = digits(run.count), let text = fraction() else { return nil }
        guard let unit = rest.popFirst() else { return nil }
        parts += 1
        switch unit {
        case UInt8(ascii: "D") where !isTime && text.isEmpty: seconds += number * 86_400
        case UInt8(ascii: "H") where isTime && text.isEmpty: seconds += number * 3_600
        case UInt8(ascii: "M") where isTime && text.isEmpty: seconds += number * 60
        case UInt8(ascii: "S") where isTime && rest.isEmpty:
          seconds += number
          fractionText = text
        default: return nil
        }
      }
      guard parts > 0 else { return nil }
      return (isNegative && (seconds > 0 || !fractionText.isEmpty) ? "-" : "") + "\(seconds)" + fractionText
    }
  }
}
