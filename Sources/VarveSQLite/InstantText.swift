internal import Glibc
internal import VarveTables

/// Times as people write them in SQL: `2024`, `2024-10`, `2024-10-06`, `2024-10-06 12:00`, `2024-10-06T12:00:00.5Z`,
/// with an offset too. UTC where none stands; what is left out is the start of the period.
enum InstantText {
  /// Microseconds since 1970-01-01T00:00:00Z; nil for what is no time.
  static func microseconds(_ text: UnsafeRawBufferPointer) -> Int64? {
    switch text.count {
    case 4, 7:
      guard text.count == 4 || text[4] == UInt8(ascii: "-"), let year = number(text, 0, 4),
        let month = text.count == 4 ? 1 : number(text, 5, 2)
      else { return nil }
      return CivilTime.days(year: year, month: month, day: 1).map { $0 * CivilTime.microsecondsPerDay }
    default:
      guard let local = CivilTime.local(iso: text.bytes) else { return nil }
      return local.microseconds - Int64(local.offset ?? 0) * 1_000_000
    }
  }

  /// The order of two times in Varve's own spelling that differ in more than a fraction of a second; nil for others.
  static func orderOfSeconds(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int32? {
    guard isCanonical(left), isCanonical(right), let first = left.baseAddress, let second = right.baseAddress else {
      return nil
    }
    let order = memcmp(first, second, secondsLength)
    return order == 0 ? nil : order < 0 ? -1 : 1
  }

  /// `2024-10-06T12:00:00`.
  private static let secondsLength = 19

  private static func isCanonical(_ text: UnsafeRawBufferPointer) -> Bool {
    text.count > secondsLength && text[10] == UInt8(ascii: "T") && text[text.count - 1] == UInt8(ascii: "Z")
      && text[0] &- UInt8(ascii: "0") < 10
  }

  private static func number(_ text: UnsafeRawBufferPointer, _ start: Int, _ digits: Int) -> Int? {
    var number = 0
    for index in start..<start + digits {
      guard case let digit = text[index] &- UInt8(ascii: "0"), digit < 10 else { return nil }
      number = number * 10 + Int(digit)
    }
    return number
  }
}
