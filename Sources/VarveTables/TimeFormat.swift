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
/// | `T`, and all that is no letter | itself |
///
/// Each is there once at most, and what is finer than a day only with what is coarser: minutes with hours.
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

  /// Which formats there are, as advice for whoever wrote another.
  static let placeholders =
    "write each once: YYYY or YY, MM or M (month), DD or D, hh or h, mm (minutes), ss, f (fraction), A (AM or PM), Z (offset)"

  /// Throws a `Problem` of kind `usage`, which is at `place`.
  init(_ format: String, place: [String]) throws {
    func no(_ why: String) -> Problem {
      Problem(.usage, at: place, "\"\(format)\" is no format of a date: \(why)", advice: Self.placeholders)
    }
    let bytes = Array(format.utf8)
    var index = 0
    var fields: Set<String> = []
    func sequence(isInner: Bool) throws -> [Part] {
      var parts: [Part] = []
      func add(_ part: Part, _ field: String) throws {
        guard fields.insert(field).inserted else { throw no("the \(field) comes twice") }
        parts.append(part)
      }
      while index < bytes.count {
        let byte = bytes[index]
        let letter = Character(Unicode.Scalar(byte))
        var run = 1
        while index + run < bytes.count, bytes[index + run] == byte { run += 1 }
        switch (letter, run) {
        case ("Y", 4): try add(.year, "year")
        case ("Y", 2): try add(.shortYear, "year")
        case ("M", 1...2): try add(.month(isFixed: run == 2), "month")
        case ("D", 1...2): try add(.day(isFixed: run == 2), "day")
        case ("h", 1...2): try add(.hour(isFixed: run == 2), "hour")
        case ("m", 2): try add(.minute, "minute")
        case ("s", 2): try add(.second, "second")
        case ("f", _): try add(.fraction, "fraction")
        case ("A", 1): try add(.half, "AM or PM")
        case ("Z", 1): try add(.zone, "offset")
        case ("T", 1): parts.append(.literal(byte))
        case ("[", _):
          index += 1
          parts.append(.optional(try sequence(isInner: true)))
          continue
        case ("]", _):
          guard isInner else { throw no("a bracket has no partner") }
          index += 1
          return parts
        case ("a"..."z", _), ("A"..."Z", _):
          throw no("\"\(String(repeating: letter, count: run))\" is no placeholder")
        default:
          parts.append(.literal(byte))
          run = 1
        }
        index += run
      }
      if isInner { throw no("a bracket has no partner") }
      return parts
    }
    parts = try sequence(isInner: false)
    for field in ["year", "month", "day"] where !fields.contains(field) { throw no("it has no \(field)") }
    for (fine, coarse) in [("minute", "hour"), ("second", "minute"), ("fraction", "second"), ("AM or PM", "hour")]
    where fields.contains(fine) && !fields.contains(coarse) {
      throw no("it has \(fine), but no \(coarse)")
    }
    hasTime = fields.contains("hour")
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
