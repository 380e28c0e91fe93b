internal import CSQLite
internal import VarveTables

/// Hands SQLite the canonical texts of values, without a heap allocation for dates and times.
enum ResultText {
  /// `2024-01-31`.
  static func setDate(_ context: OpaquePointer?, _ days: Int64) {
    guard CivilTime.days.contains(days) else { return refuse(context) }
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { bytes in
      guard let start = bytes.baseAddress else { return }
      set(context, start, putDate(days, start))
    }
  }

  /// `2024-01-31T08:30:00Z`, with up to six digits of a second's fraction, trailing zeros cut.
  static func setTimestamp(_ context: OpaquePointer?, _ microseconds: Int64) {
    guard CivilTime.microseconds.contains(microseconds) else { return refuse(context) }
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 48) { bytes in
      guard let start = bytes.baseAddress else { return }
      var rest = microseconds % CivilTime.microsecondsPerDay
      var days = microseconds / CivilTime.microsecondsPerDay
      if rest < 0 {
        rest += CivilTime.microsecondsPerDay
        days -= 1
      }
      var length = putDate(days, start)
      let seconds = Int(rest / 1_000_000)
      start[length] = UInt8(ascii: "T")
      put(seconds / 3_600, digits: 2, start + length + 1)
      start[length + 3] = UInt8(ascii: ":")
      put(seconds / 60 % 60, digits: 2, start + length + 4)
      start[length + 6] = UInt8(ascii: ":")
      put(seconds % 60, digits: 2, start + length + 7)
      length += 9
      let fraction = Int(rest % 1_000_000)
      if fraction != 0 {
        start[length] = UInt8(ascii: ".")
        put(fraction, digits: 6, start + length + 1)
        length += 7
        while start[length - 1] == UInt8(ascii: "0") { length -= 1 }
      }
      start[length] = UInt8(ascii: "Z")
      set(context, start, length + 1)
    }
  }

  /// Varve writes no such value, but a file of somebody else's may hold one.
  private static func refuse(_ context: OpaquePointer?) {
    sqlite3_result_error(context, "a date or time lies outside the years 0001 to 9999", -1)
  }

  static func setDecimal(_ context: OpaquePointer?, _ unscaled: Int128, scale: Int) {
    var text: [UInt8] = []
    ValueText.append(unscaled: unscaled, scale: scale, to: &text)
    text.withUnsafeBufferPointer { bytes in
      guard let start = bytes.baseAddress else { return }
      set(context, start, bytes.count)
    }
  }

  private static func set(_ context: OpaquePointer?, _ start: UnsafePointer<UInt8>, _ count: Int) {
    UnsafeRawPointer(start).withMemoryRebound(to: CChar.self, capacity: count) {
      sqlite3_result_text64(context, $0, UInt64(count), transient, UInt8(SQLITE_UTF8))
    }
  }

  /// How many bytes it put.
  private static func putDate(_ days: Int64, _ target: UnsafeMutablePointer<UInt8>) -> Int {
    let (year, month, day) = CivilTime.civil(days: days)
    put(year, digits: 4, target)
    target[4] = UInt8(ascii: "-")
    put(month, digits: 2, target + 5)
    target[7] = UInt8(ascii: "-")
    put(day, digits: 2, target + 8)
    return 10
  }

  private static func put(_ number: Int, digits: Int, _ target: UnsafeMutablePointer<UInt8>) {
    var rest = number
    for index in stride(from: digits - 1, through: 0, by: -1) {
      let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
      target[index] = UInt8(ascii: "0") + UInt8(digit)
      rest = quotient
    }
  }
}
