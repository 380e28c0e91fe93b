/// How a feed writes dates and times: `DD.MM.YYYY hh:mm[:ss]`.
///
/// | in the format | in the text |
/// | --- | --- |
/// | `YYYY` `MM` `DD` `hh` `mm` `ss` | that many digits: year, month, day, hour, minute, second |
/// | `YY` | two digits of a year: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068 |
/// | `M` `D` `h` | one or two digits |
/// | `f` (one or more) | a second's fraction, any number of digits up to microseconds |
/// | `A` | `AM` or `PM`; the hour is then 1 to 12 |
/// | `Z` | `Z`, `±hh`, `±hh:mm`, `±hhmm` |
/// | `[` … `]` | this part may be left out |
/// | anything else | itself |
struct TimeFormat: Sendable {
  private indirect enum Part: Sendable {
    case year
    case shortYear
    case month(isFixed: Bool)
    case day(isFixed: Bool)
    case hour(isFixed: Bool)
    case minute
    case second
    case fraction
    case half
    case zone
    case literal(UInt8)
    case optional([Part])
  }

  private let parts: [Part]
  let hasTime: Bool

  /// Nil when it has no year, month and day, or a bracket without its partner.
  init?(_ format: String) {
    let bytes = Array(format.utf8)
    var index = 0
    func sequence(isInner: Bool) -> [Part]? {
      var parts: [Part] = []
      while index < bytes.count {
        let byte = bytes[index]
        var run = 1
        while index + run < bytes.count, bytes[index + run] == byte { run += 1 }
        switch (Character(Unicode.Scalar(byte)), run) {
        case ("Y", 4): parts.append(.year)
        case ("Y", 2): parts.append(.shortYear)
        case ("M", 1...2): parts.append(.month(isFixed: run == 2))
        case ("D", 1...2): parts.append(.day(isFixed: run == 2))
        case ("h", 1...2): parts.append(.hour(isFixed: run == 2))
        case ("m", 2): parts.append(.minute)
        case ("s", 2): parts.append(.second)
        case ("f", _): parts.append(.fraction)
        case ("A", 1): parts.append(.half)
        case ("Z", 1): parts.append(.zone)
        case ("Y", _), ("M", _), ("D", _), ("h", _), ("m", _), ("s", _): return nil
        case ("[", _):
          index += 1
          guard let inner = sequence(isInner: true) else { return nil }
          parts.append(.optional(inner))
          continue
        case ("]", _):
          guard isInner else { return nil }
          index += 1
          return parts
        default:
          parts.append(.literal(byte))
          run = 1
        }
        index += run
      }
      return isInner ? nil : parts
    }
    guard let parts = sequence(isInner: false) else { return nil }
    func contains(_ parts: [Part], _ isWanted: (Part) -> Bool) -> Bool {
      parts.contains { part in
        if case .optional(let inner) = part { return contains(inner, isWanted) }
        return isWanted(part)
      }
    }
    guard
      contains(parts, { if case .year = $0 { true } else if case .shortYear = $0 { true } else { false } }),
      contains(parts, { if case .month = $0 { true } else { false } }),
      contains(parts, { if case .day = $0 { true } else { false } })
    else { return nil }
    self.parts = parts
    hasTime = contains(parts) { if case .hour = $0 { true } else { false } }
  }

  private struct Reading {
    var index = 0
    var year = 0
    var month = 0
    var day = 0
    var hour = 0
    var minute = 0
    var second = 0
    var microseconds = 0
    var offset: Int?
    var isAfternoon: Bool?
  }

  func local(_ text: UnsafeBufferPointer<UInt8>) -> CivilTime.LocalTime? {
    var reading = Reading()
    guard read(parts[...], text, &reading), reading.index == text.count,
      let days = CivilTime.days(year: reading.year, month: reading.month, day: reading.day)
    else { return nil }
    var hour = reading.hour
    if let isAfternoon = reading.isAfternoon {
      guard (1...12).contains(hour) else { return nil }
      hour = hour % 12 + (isAfternoon ? 12 : 0)
    }
    guard hour < 24, reading.minute < 60, reading.second < 60 else { return nil }
    let seconds = Int64(hour * 3_600 + reading.minute * 60 + reading.second)
    return CivilTime.LocalTime(
      microseconds: days * CivilTime.microsecondsPerDay + seconds * 1_000_000 + Int64(reading.microseconds),
      offset: reading.offset, hasTime: hasTime)
  }

  private func read(_ parts: ArraySlice<Part>, _ text: UnsafeBufferPointer<UInt8>, _ reading: inout Reading) -> Bool {
    func number(_ digits: Int, isFixed: Bool = true) -> Int? {
      if let number = CivilTime.number(text, reading.index, digits) {
        reading.index += digits
        return number
      }
      guard !isFixed, let number = CivilTime.number(text, reading.index, 1) else { return nil }
      reading.index += 1
      return number
    }
    for part in parts {
      switch part {
      case .year:
        guard let number = number(4) else { return false }
        reading.year = number
      case .shortYear:
        guard let number = number(2) else { return false }
        reading.year = number < 69 ? 2000 + number : 1900 + number
      case .month(let isFixed):
        guard let number = number(2, isFixed: isFixed) else { return false }
        reading.month = number
      case .day(let isFixed):
        guard let number = number(2, isFixed: isFixed) else { return false }
        reading.day = number
      case .hour(let isFixed):
        guard let number = number(2, isFixed: isFixed) else { return false }
        reading.hour = number
      case .minute:
        guard let number = number(2) else { return false }
        reading.minute = number
      case .second:
        guard let number = number(2) else { return false }
        reading.second = number
      case .fraction:
        var unit = 100_000
        let start = reading.index
        while let digit = number(1) {
          guard unit > 0 || digit == 0 else { return false }
          reading.microseconds += digit * unit
          unit /= 10
        }
        if reading.index == start { return false }
      case .half:
        guard reading.index + 2 <= text.count, text[reading.index + 1] | 0x20 == UInt8(ascii: "m") else { return false }
        switch text[reading.index] | 0x20 {
        case UInt8(ascii: "a"): reading.isAfternoon = false
        case UInt8(ascii: "p"): reading.isAfternoon = true
        default: return false
        }
        reading.index += 2
      case .zone:
        guard let offset = CivilTime.offset(text, &reading.index) else { return false }
        reading.offset = offset
      case .literal(let byte):
        guard reading.index < text.count, text[reading.index] == byte else { return false }
        reading.index += 1
      case .optional(let inner):
        var attempt = reading
        if read(inner[...], text, &attempt) { reading = attempt }
      }
    }
    return true
  }
}
