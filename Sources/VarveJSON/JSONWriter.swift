/// The forms in which a value is written. All are UTF-8 and escape no more than they must: quotes, backslashes and
/// control characters, these as `\b \t \n \f \r` or `\u001f`.
package enum JSONForm: Sendable {
  /// Members in their order, no white space.
  case compact
  /// Keys sorted by code point at every level, no white space, numbers as spelled: one spelling for equal values.
  case canonical
  /// Members in their order, a line each, indented by two spaces.
  case pretty
}

extension JSONValue {
  package func text(_ form: JSONForm = .compact) -> String { String(decoding: bytes(form), as: UTF8.self) }

  package func bytes(_ form: JSONForm = .compact) -> [UInt8] {
    var bytes: [UInt8] = []
    write(to: &bytes, form)
    return bytes
  }

  /// Appends the value.
  package func write(to bytes: inout [UInt8], _ form: JSONForm = .compact) {
    write(to: &bytes, form, indent: 0)
  }

  private func write(to bytes: inout [UInt8], _ form: JSONForm, indent: Int) {
    switch self {
    case .null: bytes += "null".utf8
    case .boolean(let value): bytes += value ? "true".utf8 : "false".utf8
    case .number(let spelling): bytes += spelling.utf8
    case .string(let text): JSONValue.write(string: text, to: &bytes)
    case .array(let values):
      bytes.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        if form == .pretty { JSONValue.newLine(&bytes, indent + 1) }
        value.write(to: &bytes, form, indent: indent + 1)
      }
      if form == .pretty, !values.isEmpty { JSONValue.newLine(&bytes, indent) }
      bytes.append(UInt8(ascii: "]"))
    case .object(let object):
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in (form == .canonical ? object.sortedMembers : object.members).enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        if form == .pretty { JSONValue.newLine(&bytes, indent + 1) }
        JSONValue.write(string: member.key, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        if form == .pretty { bytes.append(UInt8(ascii: " ")) }
        member.value.write(to: &bytes, form, indent: indent + 1)
      }
      if form == .pretty, !object.isEmpty { JSONValue.newLine(&bytes, indent) }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  private static func newLine(_ bytes: inout [UInt8], _ indent: Int) {
    bytes.append(UInt8(ascii: "\n"))
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * indent))
  }

  /// Appends the text as a JSON string, quotes included.
  package static func write(string text: String, to bytes: inout [UInt8]) {
    var text = text
    text.withUTF8 { write(string: $0, to: &bytes) }
  }

  /// Appends UTF-8 text as a JSON string, quotes included.
  package static func write(string text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    var written = 0
    for (index, byte) in text.enumerated() {
      guard let escape = JSONValue.escape(of: byte) else { continue }
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[written..<index]))
      bytes += escape.utf8
      written = index + 1
    }
    bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[written...]))
    bytes.append(UInt8(ascii: "\""))
  }

  @inline(__always)
  private static func escape(of byte: UInt8) -> String? {
    byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") ? nil : neededEscape(of: byte)
  }

  static func neededEscape(of byte: UInt8) -> String {
    switch byte {
    case UInt8(ascii: "\""): "\\\""
    case UInt8(ascii: "\\"): "\\\\"
    case 0x08: "\\b"
    case 0x09: "\\t"
    case 0x0A: "\\n"
    case 0x0C: "\\f"
    case 0x0D: "\\r"
    default: (byte < 0x10 ? "\\u000" : "\\u00") + String(byte, radix: 16)
    }
  }
}
