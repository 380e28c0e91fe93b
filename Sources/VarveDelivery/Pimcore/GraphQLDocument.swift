package import VarveJSON

/// A GraphQL request as far as Data Hub's clients write one (GraphQL, October 2021, section 2): operations with variables,
/// aliases, arguments and nested selections; no fragments, directives or block strings.
package struct GraphQLDocument: Sendable {
  package enum Operation: String, Sendable { case query, mutation }

  package struct Field: Sendable {
    /// Under which the answer stands.
    package var alias: String
    package var name: String
    package var arguments: JSONObject
    package var selection: [Field]
  }

  package var operation: Operation
  package var fields: [Field]

  package struct SyntaxError: Error {
    /// As the server words it.
    package var message: String
  }

  /// Variables are put in place of their names; one that is missing is null.
  package init(_ text: String, variables: JSONObject) throws(SyntaxError) {
    var parser = Parser(text, variables)
    (operation, fields) = try parser.document()
  }
}

extension GraphQLDocument {
  private struct Parser {
    private let text: [UInt8]
    private var index = 0
    private let variables: JSONObject

    init(_ text: String, _ variables: JSONObject) {
      self.text = Array(text.utf8)
      self.variables = variables
    }

    mutating func document() throws(SyntaxError) -> (Operation, [Field]) {
      var operation = Operation.query
      if !isNext("{") {
        guard let found = Operation(rawValue: try name()) else { throw unexpected() }
        operation = found
        if !isNext("{"), !isNext("(") { _ = try name() }
        if take("(") {
          while !take(")") { try variable() }
        }
      }
      let fields = try selection(depth: 0)
      skipBlanks()
      guard index == text.count else { throw unexpected() }
      return (operation, fields)
    }

    /// `$name: [Type!]! = default`; the values come with the request.
    private mutating func variable() throws(SyntaxError) {
      try expect("$")
      _ = try name()
      try expect(":")
      let isList = take("[")
      _ = try name()
      _ = take("!")
      if isList { try expect("]") }
      _ = take("!")
      if take("=") { _ = try value(depth: 0) }
    }

    private mutating func selection(depth: Int) throws(SyntaxError) -> [Field] {
      guard depth < 32 else { throw unexpected() }
      try expect("{")
      var fields: [Field] = []
      while !take("}") {
        var field = Field(alias: try name(), name: "", arguments: JSONObject(), selection: [])
        field.name = take(":") ? try name() : field.alias
        if take("(") {
          while !take(")") {
            let argument = try name()
            try expect(":")
            field.arguments[argument] = try value(depth: 0)
          }
        }
        if isNext("{") { field.selection = try selection(depth: depth + 1) }
        fields.append(field)
      }
      guard !fields.isEmpty else { throw unexpected() }
      return fields
    }

    private mutating func value(depth: Int) throws(SyntaxError) -> JSONValue {
      guard depth < 32 else { throw unexpected() }
      if take("$") { return variables[try name()] ?? .null }
      if take("[") {
        var values: [JSONValue] = []
        while !take("]") { values.append(try value(depth: depth + 1)) }
        return .array(values)
      }
      if take("{") {
        var object = JSONObject()
        while !take("}") {
          let key = try name()
          try expect(":")
          object[key] = try value(depth: depth + 1)
        }
        return .object(object)
      }
      skipBlanks()
      guard index < text.count else { throw unexpected() }
      switch text[index] {
      case UInt8(ascii: "\""): return try string()
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
        let start = index
        while index < text.count, "+-.0123456789Ee".utf8.contains(text[index]) { index += 1 }
        guard let number = try? JSONValue(parsing: text[start..<index]) else { throw unexpected() }
        return number
      default:
        switch try name() {
        case "true": return true
        case "false": return false
        case "null": return nil
        case let word: return .string(word)
        }
      }
    }

    /// Strings are spelled as in JSON.
    private mutating func string() throws(SyntaxError) -> JSONValue {
      let start = index
      index += 1
      while index < text.count, text[index] != UInt8(ascii: "\"") {
        index += text[index] == UInt8(ascii: "\\") ? 2 : 1
      }
      guard index < text.count, let value = try? JSONValue(parsing: text[start...index]) else { throw unexpected() }
      index += 1
      return value
    }

    private mutating func name() throws(SyntaxError) -> String {
      skipBlanks()
      let start = index
      while index < text.count, Receiver.isNameByte(text[index]), text[index] != UInt8(ascii: "-") { index += 1 }
      guard index > start else { throw unexpected() }
      return String(decoding: text[start..<index], as: UTF8.self)
    }

    /// Commas are blanks.
    private mutating func skipBlanks() {
      while index < text.count, text[index] <= 0x20 || text[index] == UInt8(ascii: ",") { index += 1 }
    }

    private mutating func isNext(_ mark: Unicode.Scalar) -> Bool {
      skipBlanks()
      return index < text.count && text[index] == UInt8(ascii: mark)
    }

    private mutating func take(_ mark: Unicode.Scalar) -> Bool {
      guard isNext(mark) else { return false }
      index += 1
      return true
    }

    private mutating func expect(_ mark: Unicode.Scalar) throws(SyntaxError) {
      guard take(mark) else { throw unexpected() }
    }

    private func unexpected() -> SyntaxError {
      let found = index < text.count ? "\"\(Character(Unicode.Scalar(text[index])))\"" : "<EOF>"
      return SyntaxError(message: "Syntax Error: Unexpected \(found)")
    }
  }
}
