package import VarveJSON
package import VarveTables

extension Value {
  /// The value as JSON: decimals as numbers, dates and times as texts, JSON as it is.
  package var jsonValue: JSONValue {
    switch self {
    case .null: .null
    case .boolean(let flag): .boolean(flag)
    case .int64(let number): JSONValue(number)
    case .double(let number): JSONValue(number)
    case .decimal: text.map { .number($0) } ?? .null
    case .date, .timestamp: text.map { .string($0) } ?? .null
    case .text(let text): .string(text)
    case .json(let text): (try? JSONValue(parsing: text)) ?? .string(text)
    }
  }
}
