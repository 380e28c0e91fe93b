package import VarveJSON
internal import VarveTables

/// Nested JSON as orjson would write it after reading it: keys sorted, and every number spelled as a parser that knows
/// only 64-bit integers and doubles gives it back.
package enum NestedNumbers {
  /// Why a value cannot be sent, and where in it.
  package struct Refusal: Error {
    /// `$.dimensions[2].weight`.
    var path: String
    var what: String
  }

  package static func normalised(
    _ value: JSONValue, _ wideNumbers: RecordMapping.Column.WideNumbers, path: String = "$"
  ) throws(Refusal) -> JSONValue {
    switch value {
    case .null, .boolean, .string: return value
    case .number(let spelling):
      if let number = number(spelling) { return number }
      guard wideNumbers == .string else {
        throw Refusal(path: path, what: "\(shortened(spelling)) is kept neither by a double nor by 64 bits")
      }
      return .string(spelling)
    case .array(let values):
      var normal: [JSONValue] = []
      normal.reserveCapacity(values.count)
      for (index, value) in values.enumerated() {
        normal.append(try normalised(value, wideNumbers, path: "\(path)[\(index)]"))
      }
      return .array(normal)
    case .object(let object):
      var normal: [(String, JSONValue)] = []
      normal.reserveCapacity(object.count)
      for member in object.members {
        normal.append((member.key, try normalised(member.value, wideNumbers, path: "\(path).\(member.key)")))
      }
      return .object(JSONObject(normal))
    }
  }

  /// The number as orjson spells it; nil where it would be another number then.
  private static func number(_ spelling: String) -> JSONValue? {
    let isInteger = !spelling.utf8.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }
    if isInteger {
      if let value = Int64(spelling) { return .number(String(value)) }
      if let value = UInt64(spelling) { return .number(String(value)) }
    }
    var text = spelling
    return text.withUTF8 { Double(exactly: $0) }.map { .number(JSONNumber.text(of: $0)) }
  }

  private static func shortened(_ spelling: String) -> String {
    spelling.utf8.count > 60 ? String(spelling.prefix(60)) + "…" : spelling
  }
}
