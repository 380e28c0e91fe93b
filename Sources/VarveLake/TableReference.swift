package import VarveTables

/// A table's name, and which version of it is meant: `products`, `products@7`, `products@2024-10-06`,
/// `products@2024-10-06T12:00:00Z`, `products@execution:2024-10-06`, `products@tag:season`.
package struct TableReference: Hashable, Sendable, CustomStringConvertible {
  package var table: String
  package var version: VersionSelector

  package init(_ table: String, _ version: VersionSelector = .latest) {
    self.table = table
    self.version = version
  }

  /// Reads what a person or a query wrote. Whether the table and the version exist is not asked here.
  package init(parsing text: String) throws(Problem) {
    let name = text.prefix { $0 != "@" }
    table = String(name)
    guard TableReference.isTableName(table) else {
      throw Problem(
        .failed, at: ["\"\(text)\""], "no table can have the name \"\(name)\"",
        advice: "use lower-case letters, digits and underscores, 63 at most, no digit first")
    }
    version =
      name.count == text.count ? .latest : try VersionSelector(parsing: text.dropFirst(name.count + 1), in: text)
  }

  /// `[a-z_][a-z0-9_]{0,62}`, and not `inbox`.
  package static func isTableName(_ name: String) -> Bool {
    let bytes = name.utf8
    guard (1...63).contains(bytes.count), name != "inbox", let first = bytes.first, !isDigit(first) else {
      return false
    }
    return bytes.allSatisfy {
      isDigit($0) || $0 == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
    }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  package var description: String { version == .latest ? table : "\(table)@\(version)" }
}

/// Which version of a table is meant.
package enum VersionSelector: Hashable, Sendable, CustomStringConvertible {
  /// What readers see: the version that the proxy manifest names.
  case latest
  case number(Int64)
  /// The newest at or before midnight UTC that starts the day: days since 1970-01-01.
  case date(Int64)
  /// The newest at or before: microseconds since 1970-01-01T00:00:00Z.
  case time(Int64)
  /// The result of an execution's active run, as written: a date (its midnight), a UTC time or an integer.
  case execution(String)
  case tag(String)

  /// Reads what stands behind the `@` of `text`.
  init(parsing selector: Substring, in text: String) throws(Problem) {
    if let name = VersionSelector.rest(of: selector, after: "execution:"), !name.isEmpty {
      self = .execution(String(name))
    } else if let name = VersionSelector.rest(of: selector, after: "tag:"), !name.isEmpty {
      self = .tag(String(name))
    } else if !selector.isEmpty, selector.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
      let number = Int64(selector)
    {
      self = .number(number)
    } else if case .date(let days)? = Value(text: String(selector), type: .date) {
      self = .date(days)
    } else if case .timestamp(let time)? = Value(text: String(selector), type: .timestamp) {
      self = .time(time)
    } else {
      throw Problem(
        .failed, at: ["\"\(text)\""], "\"\(selector)\" names no version",
        advice: "write a number (7), a date (2024-10-06), a time (2024-10-06T12:00:00Z), execution:WHEN or tag:NAME")
    }
  }

  private static func rest(of selector: Substring, after word: String) -> Substring? {
    selector.hasPrefix(word) ? selector.dropFirst(word.count) : nil
  }

  package var description: String {
    switch self {
    case .latest: "latest"
    case .number(let number): "\(number)"
    case .date(let days): Value.date(days).text ?? ""
    case .time(let microseconds): Value.timestamp(microseconds).text ?? ""
    case .execution(let name): "execution:\(name)"
    case .tag(let name): "tag:\(name)"
    }
  }
}
