import Glibc

/// Dates and times that a workbook keeps as numbers of days (ISO/IEC 29500-1, 18.17.4).
///
/// Rounded to milliseconds, the finest that spreadsheets show. In the 1900 system day 60 is 29 February 1900, which never
/// was: like other readers we take it for the 28th, and days before it are counted from one day later.
enum SerialDate {
  /// Appends a date, time or duration as `SheetCell` spells it.
  ///
  /// A value within the first day is a time of day, whatever its format says, and one beyond it a date-time at least.
  ///
  /// - Returns: what was appended; nil, and nothing, for a number outside of years 1900 to 9999, which stays a number.
  static func append(
    _ days: Double, _ meaning: NumberMeaning, from1904: Bool, to bytes: inout GrowingBytes
  ) -> CellKind? {
    if meaning == .duration {
      guard abs(days) < 1e9 else { return nil }
      appendSeconds(milliseconds: Int((days * millisecondsPerDay).rounded()), to: &bytes)
      return .duration
    }
    guard days >= 0, days < 2_958_466 else { return nil }
    let wholeDays = days.rounded(.down)
    var day = Int(wholeDays)
    var milliseconds = Int(((days - wholeDays) * millisecondsPerDay).rounded())
    if day == 0, milliseconds < Int(millisecondsPerDay) {
      appendTime(milliseconds, to: &bytes)
      return .time
    }
    if from1904 {
      day += daysTo1904
    } else {
      day += daysTo1900 + (days < 60 ? 1 : 0)
    }
    if milliseconds == Int(millisecondsPerDay) {
      day += 1
      milliseconds = 0
    }
    guard day <= lastDay else { return nil }
    appendDate(day, to: &bytes)
    if meaning == .date, milliseconds == 0 { return .date }
    bytes.append(UInt8(ascii: "T"))
    appendTime(milliseconds, to: &bytes)
    return .dateTime
  }

  private static let millisecondsPerDay = 86_400_000.0
  /// From 1970-01-01 to 1899-12-30, 1904-01-01 and 9999-12-31.
  private static let daysTo1900 = -25_569
  private static let daysTo1904 = -24_107
  private static let lastDay = 2_932_896

  /// - Parameter day: counted from 1970-01-01, proleptic Gregorian.
  private static func appendDate(_ day: Int, to bytes: inout GrowingBytes) {
    // Years begin with March, so that the leap day is the last of its year; 146,097 days are 400 years.
    let shifted = day + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    append(era * 400 + yearOfEra + (month <= 2 ? 1 : 0), width: 4, to: &bytes)
    bytes.append(UInt8(ascii: "-"))
    append(month, width: 2, to: &bytes)
    bytes.append(UInt8(ascii: "-"))
    append(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1, width: 2, to: &bytes)
  }

  private static func appendTime(_ milliseconds: Int, to bytes: inout GrowingBytes) {
    append(milliseconds / 3_600_000, width: 2, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    append(milliseconds / 60_000 % 60, width: 2, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    append(milliseconds / 1_000 % 60, width: 2, to: &bytes)
    appendFraction(milliseconds % 1_000, to: &bytes)
  }

  private static func appendSeconds(milliseconds: Int, to bytes: inout GrowingBytes) {
    if milliseconds < 0 { bytes.append(UInt8(ascii: "-")) }
    append(abs(milliseconds) / 1_000, width: 1, to: &bytes)
    appendFraction(abs(milliseconds) % 1_000, to: &bytes)
  }

  private static func appendFraction(_ milliseconds: Int, to bytes: inout GrowingBytes) {
    guard milliseconds != 0 else { return }
    bytes.append(UInt8(ascii: "."))
    append(milliseconds, width: 3, to: &bytes)
    while bytes.start[bytes.count - 1] == UInt8(ascii: "0") { bytes.truncate(to: bytes.count - 1) }
  }

  private static func append(_ number: Int, width: Int, to bytes: inout GrowingBytes) {
    var divisor = 1
    for _ in 1..<max(width, 1) { divisor *= 10 }
    while number / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
      divisor /= 10
    }
  }
}
