package import VarveJSON

/// A row as Pimcore's import queue keeps it: the JSON that PHP's `json_encode` makes of it, which spells every character
/// outside ASCII as `\u` and its UTF-16 units, and `/` as `\/`.
package enum QueueRow {
  /// The column is a `TEXT` of MySQL's. A longer row fails, or is cut, by the SQL mode.
  package static let bytesMax = 65_535

  package static func bytes(_ value: JSONValue) -> [UInt8] {
    var bytes: [UInt8] = []
    write(value, to: &bytes)
    return bytes
  }

  private static func write(_ value: JSONValue, to bytes: inout [UInt8]) {
    switch value {
    case .null: bytes += "null".utf8
    case .boolean(let value): bytes += value ? "true".utf8 : "false".utf8
    case .number(let spelling): bytes += number(spelling).utf8
    case .string(let text): write(text, to: &bytes)
    case .array(let values):
      bytes.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        write(value, to: &bytes)
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(let object):
      // An object without members comes back from PHP as an empty array.
      if object.isEmpty { return bytes += "[]".utf8 }
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in object.members.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        write(member.key, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        write(member.value, to: &bytes)
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  /// PHP spells `1e+16` as `1.0e+16`.
  private static func number(_ spelling: String) -> String {
    guard let e = spelling.firstIndex(where: { $0 == "e" || $0 == "E" }), !spelling[..<e].contains(".") else {
      return spelling
    }
    return spelling[..<e] + ".0" + spelling[e...]
  }

  private static func write(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for unit in text.utf16 {
      switch unit {
      case 0x22: bytes += "\\\"".utf8
      case 0x5C: bytes += "\\\\".utf8
      case 0x2F: bytes += "\\/".utf8
      case 0x08: bytes += "\\b".utf8
      case 0x09: bytes += "\\t".utf8
      case 0x0A: bytes += "\\n".utf8
      case 0x0C: bytes += "\\f".utf8
      case 0x0D: bytes += "\\r".utf8
      case 0x20..<0x80: bytes.append(UInt8(unit))
      default:
        let digits = String(unit, radix: 16)
        bytes += ("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits).utf8
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
