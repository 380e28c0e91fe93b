/// Dates and times of the proleptic Gregorian calendar, years 0001 to 9999, as numbers and as text.
///
/// The one canonical spelling: `2024-01-31`; `2024-01-31T08:30:00Z`, with up to six digits of a second's fraction whose
/// trailing zeros are cut (`08:30:00.5Z`).
package enum CivilTime {
  /// 0001-01-01 and 9999-12-31, in days since 1970-01-01.
  package static let days: ClosedRange<Int64> = -719_162...2_932_896
  package static let microsecondsPerDay: Int64 = 86_400_000_000
  /// The first and the last microsecond of those days.
  package static let microseconds: ClosedRange<Int64> =
    (days.lowerBound * microsecondsPerDay)...((days.upperBound + 1) * microsecondsPerDay - 1)

  /// Days since 1970-01-01, or nil where there is no such day between 0001-01-01 and 9999-12-31.
  package static func days(year: Int, month: Int, day: Int) -> Int64? {
    guard (1...9999).contains(year), (1...12).contains(month), day >= 1, day <= length(ofMonth: month, year: year)
    else { return nil }
    // Years begin in March, so that the leap day is the last of its year; 400 of them are 146,097 days.
    let shifted = month > 2 ? year : year - 1
    let era = shifted / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return Int64(era * 146_097 + dayOfEra - 719_468)
  }

  /// The day of that number, which must lie in `days`.
  package static func civil(days: Int64) -> (year: Int, month: Int, day: Int) {
    let shifted = Int(days) + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
  }

  private static func length(ofMonth month: Int, year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
}

// MARK: Text

extension CivilTime {
  package static func append(days: Int64, to bytes: inout [UInt8]) {
    let (year, month, day) = civil(days: days)
    append(year, digits: 4, to: &bytes)
    bytes.append(UInt8(ascii: "-"))
    append(month, digits: 2, to: &bytes)
    bytes.append(UInt8(ascii: "-"))
    append(day, digits: 2, to: &bytes)
  }

  /// Without a zone; `separator` stands between date and time.
  package static func append(
    localMicroseconds: Int64, separator: UInt8 = UInt8(ascii: "T"), to bytes: inout [UInt8]
  ) {
    let (days, rest) = localMicroseconds.flooredDivision(by: microsecondsPerDay)
    append(days: days, to: &bytes)
    bytes.append(separator)
    append(microsecondsOfDay: rest, to: &bytes)
  }

  /// `2024-01-31T08:30:00Z`.
  package static func append(microseconds: Int64, to bytes: inout [UInt8]) {
    append(localMicroseconds: microseconds, to: &bytes)
    bytes.append(UInt8(ascii: "Z"))
  }

  private static func append(microsecondsOfDay: Int64, to bytes: inout [UInt8]) {
    let seconds = Int(microsecondsOfDay / 1_000_000)
    append(seconds / 3_600, digits: 2, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    append(seconds / 60 % 60, digits: 2, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    append(seconds % 60, digits: 2, to: &bytes)
    var fraction = Int(microsecondsOfDay % 1_000_000)
    guard fraction != 0 else { return }
    bytes.append(UInt8(ascii: "."))
    var digits = 6
    while fraction % 10 == 0 {
      fraction /= 10
      digits -= 1
    }
    append(fraction, digits: digits, to: &bytes)
  }

  private static func append(_ number: Int, digits: Int, to bytes: inout [UInt8]) {
    var power = 1
    for _ in 1..<digits { power *= 10 }
    while power > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(number / power % 10))
      power /= 10
    }
  }

  /// A time as an ISO 8601 text gives it: on the clock of a place, or fixed by an offset.
  package struct LocalTime: Hashable, Sendable {
    /// Microseconds between 1970-01-01T00:00:00 and what the text shows.
    package var microseconds: Int64
    /// Seconds east of UTC; nil when the text names none.
    package var offset: Int?
    package var hasTime: Bool

    package init(microseconds: Int64, offset: Int? = nil, hasTime: Bool = true) {
      self.microseconds = microseconds
      self.offset = offset
      self.hasTime = hasTime
    }
  }

  /// `YYYY-MM-DD`, nothing else.
  package static func days(iso text: UnsafeBufferPointer<UInt8>) -> Int64? {
    guard text.count == 10 else { return nil }
    return leadingDays(text)
  }

  private static func leadingDays(_ text: UnsafeBufferPointer<UInt8>) -> Int64? {
    let dash = UInt8(ascii: "-")
    guard text.count >= 10, text[4] == dash, text[7] == dash,
      let year = number(text, 0, 4), let month = number(text, 5, 2), let day = number(text, 8, 2)
    else { return nil }
    return days(year: year, month: month, day: day)
  }

  /// `YYYY-MM-DD`, or with `T` or a blank and `hh:mm[:ss[.fraction]]`, and then perhaps `Z`, `±hh`, `±hh:mm` or `±hhmm`.
  ///
  /// Fractions beyond microseconds must be zeros; a leap second and 24:00 are no times.
  package static func local(iso text: UnsafeBufferPointer<UInt8>) -> LocalTime? {
    guard let day = leadingDays(text) else { return nil }
    if text.count == 10 { return LocalTime(microseconds: day * microsecondsPerDay, hasTime: false) }
    guard text[10] == UInt8(ascii: "T") || text[10] == UInt8(ascii: " ") || text[10] == UInt8(ascii: "t") else {
      return nil
    }
    var index = 11
    guard let time = clock(text, &index) else { return nil }
    var offset: Int?
    if index < text.count {
      guard let seconds = self.offset(text, &index), index == text.count else { return nil }
      offset = seconds
    }
    return LocalTime(microseconds: day * microsecondsPerDay + time, offset: offset)
  }

  /// `hh:mm[:ss[.fraction]]` from `index` on, in microseconds of the day.
  static func clock(_ text: UnsafeBufferPointer<UInt8>, _ index: inout Int) -> Int64? {
    let colon = UInt8(ascii: ":")
    guard index + 5 <= text.count, text[index + 2] == colon,
      let hour = number(text, index, 2), hour < 24, let minute = number(text, index + 3, 2), minute < 60
    else { return nil }
    index += 5
    var microseconds = Int64(hour * 3_600 + minute * 60) * 1_000_000
    guard index < text.count, text[index] == colon else { return microseconds }
    guard let second = number(text, index + 1, 2), second < 60 else { return nil }
    index += 3
    microseconds += Int64(second) * 1_000_000
    guard index < text.count, text[index] == UInt8(ascii: ".") || text[index] == UInt8(ascii: ",") else {
      return microseconds
    }
    index += 1
    let start = index
    var unit: Int64 = 100_000
    while index < text.count, case let digit = text[index] &- UInt8(ascii: "0"), digit < 10 {
      guard unit > 0 || digit == 0 else { return nil }
      microseconds += Int64(digit) * unit
      unit /= 10
      index += 1
    }
    return index > start ? microseconds : nil
  }

  /// `Z`, `±hh`, `±hh:mm`, `±hhmm` from `index` on, in seconds east of UTC.
  static func offset(_ text: UnsafeBufferPointer<UInt8>, _ index: inout Int) -> Int? {
    guard index < text.count else { return nil }
    let sign = text[index]
    index += 1
    if sign == UInt8(ascii: "Z") || sign == UInt8(ascii: "z") { return 0 }
    guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), let hours = number(text, index, 2), hours < 24
    else { return nil }
    index += 2
    var seconds = hours * 3_600
    if index < text.count {
      if text[index] == UInt8(ascii: ":") { index += 1 }
      guard let minutes = number(text, index, 2), minutes < 60 else { return nil }
      index += 2
      seconds += minutes * 60
    }
    return sign == UInt8(ascii: "-") ? -seconds : seconds
  }

  /// That many digits from `start` on.
  static func number(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ digits: Int) -> Int? {
    guard start + digits <= text.count else { return nil }
    var number = 0
    for index in start..<start + digits {
      let digit = text[index] &- UInt8(ascii: "0")
      guard digit < 10 else { return nil }
      number = number * 10 + Int(digit)
    }
    return number
  }
}

extension Int64 {
  /// Quotient rounded down, and the rest, which is never negative.
  func flooredDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
  }
}
