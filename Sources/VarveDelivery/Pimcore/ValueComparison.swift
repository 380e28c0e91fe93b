package import VarveJSON
internal import VarveTables

/// Whether a value that was read back is the one that was sent.
///
/// Pimcore keeps values by the attribute's type and gives them back by Data Hub's, so spelling is not compared where it
/// says nothing: nothing is null, empty text, false and an empty list; numbers are compared as numbers, also in texts;
/// times as instants; dates by their day.
package enum ValueComparison {
  package static func isSame(_ sent: JSONValue, _ read: JSONValue) -> Bool {
    if case .boolean(let truth) = sent { return self.truth(read) == truth }
    if case .boolean(let truth) = read { return self.truth(sent) == truth }
    if isNothing(sent) || isNothing(read) { return isNothing(sent) && isNothing(read) }
    switch (sent, read) {
    case (.array(let sent), .array(let read)):
      return sent.count == read.count && zip(sent, read).allSatisfy { isSame($0, $1) }
    case (.object(let sent), .object(let read)):
      return Set(sent.keys + read.keys).allSatisfy { isSame(sent[$0] ?? .null, read[$0] ?? .null) }
    case (.array, .string(let text)), (.object, .string(let text)):
      return (try? JSONValue(parsing: text)).map { isSame(sent, $0) } ?? false
    case (.string(let one), .string(let other)) where one.utf8.elementsEqual(other.utf8): return true
    case (.array, _), (.object, _), (_, .array), (_, .object): return false
    default:
      guard let one = DataHub.text(sent), let other = DataHub.text(read) else { return false }
      // Text is text on both sides: "1.0" is not "1".
      if sent.string != nil, read.string != nil { return isSameTime(one, other) }
      guard let one = Double(one), let other = Double(other) else { return false }
      return one == other
    }
  }

  /// How a difference is told.
  static func shown(_ value: JSONValue) -> String { Answer.shown(value.text(), countMax: 60) }

  private static func isNothing(_ value: JSONValue) -> Bool {
    switch value {
    case .null, .boolean(false): true
    case .string(let text): text.isEmpty
    case .array(let values): values.isEmpty
    case .object(let object): object.isEmpty
    case .boolean, .number: false
    }
  }

  private static func truth(_ value: JSONValue) -> Bool? {
    switch value {
    case .boolean(let truth): truth
    case .number(let spelling): Double(spelling).map { $0 != 0 }
    case .string("true"), .string("1"): true
    case .string("false"), .string("0"): false
    default: isNothing(value) ? false : nil
    }
  }

  private static func isSameTime(_ sent: String, _ read: String) -> Bool {
    if sent.utf8.count == 10, CivilDay(sent) != nil { return read.hasPrefix(sent) && CivilDay(read) != nil }
    guard let one = Instant(sent), let other = Instant(read) else { return false }
    return one.seconds == other.seconds
  }

  /// `2024-01-31` at the beginning of a text.
  private struct CivilDay {
    var days: Int

    init?(_ text: String) {
      let parts = text.prefix(10).split(separator: "-", omittingEmptySubsequences: false)
      guard text.utf8.count >= 10, parts.count == 3, parts.map(\.utf8.count) == [4, 2, 2],
        let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]), (1...12).contains(month),
        (1...31).contains(day)
      else { return nil }
      // Days from 1970 on (a year that begins in March).
      let shifted = month > 2 ? year : year - 1
      let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
      days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
    }
  }

  /// `2024-01-31T08:30:00Z`, `2024-01-31 08:30:00+01:00`; fractions of a second are not kept by Pimcore.
  private struct Instant {
    var seconds: Int

    init?(_ text: String) {
      guard let day = CivilDay(text) else { return nil }
      let clock = text.dropFirst(11)
      let digits = clock.prefix(8).split(separator: ":").compactMap { Int($0) }
      guard digits.count == 3, text.dropFirst(10).first.map({ $0 == "T" || $0 == " " }) == true else { return nil }
      var zone = clock.dropFirst(8)
      if zone.first == "." { zone = zone.dropFirst().drop { $0.isNumber } }
      var offset = 0
      if let sign = zone.first, sign == "+" || sign == "-" {
        let numbers = zone.dropFirst().filter { $0 != ":" }
        guard numbers.count == 4, let number = Int(numbers) else { return nil }
        offset = (number / 100 * 60 + number % 100) * (sign == "-" ? -60 : 60)
      } else if !zone.isEmpty, zone != "Z" {
        return nil
      }
      seconds = day.days * 86_400 + digits[0] * 3600 + digits[1] * 60 + digits[2] - offset
    }
  }
}
