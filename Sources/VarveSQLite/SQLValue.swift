/// A value as SQLite knows it: bound to a statement, or a column of its result.
package enum SQLValue: Hashable, Sendable {
  case null
  case integer(Int64)
  case real(Double)
  case text(String)
  case blob([UInt8])

  package init(_ value: Int) { self = .integer(Int64(value)) }
  package init(_ value: String?) { self = value.map { .text($0) } ?? .null }
  package init(_ value: Int?) { self = value.map { .integer(Int64($0)) } ?? .null }

  package var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
  package var text: String? { if case .text(let value) = self { value } else { nil } }
}

extension SQLValue: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByFloatLiteral,
  ExpressibleByNilLiteral
{
  package init(integerLiteral value: Int64) { self = .integer(value) }
  package init(stringLiteral value: String) { self = .text(value) }
  package init(floatLiteral value: Double) { self = .real(value) }
  package init(nilLiteral: ()) { self = .null }
}

/// `name` as an identifier in SQL: the one place where a name becomes part of a statement.
///
/// Any text without U+0000 works; that one is replaced by U+FFFD, so that it cannot end the statement.
package func quoted(_ name: String) -> String {
  var result = "\""
  for scalar in name.unicodeScalars {
    switch scalar {
    case "\"": result += "\"\""
    case "\0": result += "\u{FFFD}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
