package import VarveTables

/// Which run of a schedule a feed belongs to. Runs are ordered: by time, or by number.
package enum ExecutionKey: Hashable, Comparable, Sendable, CustomStringConvertible {
  case number(Int64)
  /// Microseconds since 1970-01-01T00:00:00Z.
  case time(Int64)

  /// Reads a date (its midnight in UTC), a UTC time, or an integer.
  package init(parsing text: String) throws(Problem) {
    if let number = Int64(text), String(number) == text {
      self = .number(number)
    } else if case .date(let days) = Value(text: text, type: .date) {
      self = .time(days * 86_400_000_000)
    } else if case .timestamp(let time) = Value(text: text, type: .timestamp) {
      self = .time(time)
    } else {
      throw Problem(
        .usage, "--execution \(text) is no date, UTC time or integer",
        advice: "write 2024-10-06, 2024-10-06T12:00:00Z or 17")
    }
  }

  /// The one spelling under which it is recorded: `2024-10-06`, `2024-10-06T12:00:00Z` or `17`.
  package var description: String {
    switch self {
    case .number(let number): String(number)
    case .time(let time) where time % 86_400_000_000 == 0: Value.date(time / 86_400_000_000).text ?? ""
    case .time(let time): Value.timestamp(time).text ?? ""
    }
  }

  package static func < (one: ExecutionKey, other: ExecutionKey) -> Bool {
    switch (one, other) {
    case (.number(let one), .number(let other)), (.time(let one), .time(let other)): one < other
    case (.number, .time): true
    case (.time, .number): false
    }
  }
}
