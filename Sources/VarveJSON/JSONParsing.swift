extension JSONValue {
  /// The one value that the UTF-8 text holds, white space around it; a byte order mark before it is passed over.
  ///
  /// Strict: the grammar of RFC 8259 and no more, at most `JSONLimits.depthMax` containers within each other.
  package init(
    parsing bytes: UnsafeBufferPointer<UInt8>, duplicateKeys: JSONDuplicateKeys = .refused
  ) throws(JSONError) {
    let padded = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count + JSONLexer.padding)
    defer { padded.deallocate() }
    if let base = bytes.baseAddress { padded.update(from: base, count: bytes.count) }
    (padded + bytes.count).update(repeating: 0, count: JSONLexer.padding)
    let start = UnsafePointer(padded)
    let lexer = JSONLexer(start: start, end: start + bytes.count, offset: 0, isFinal: true, allowsNewlines: true)
    var parser = JSONTreeParser(lexer: lexer, place: start, duplicateKeys: duplicateKeys)
    do throws(JSONStop) {
      self = try parser.text()
    } catch {
      guard case .invalid(let error) = error else { preconditionFailure("a whole text never needs more") }
      throw error
    }
  }

  package init(parsing bytes: [UInt8], duplicateKeys: JSONDuplicateKeys = .refused) throws(JSONError) {
    self = try JSONValue.parsed(bytes[...], duplicateKeys)
  }

  package init(parsing bytes: ArraySlice<UInt8>, duplicateKeys: JSONDuplicateKeys = .refused) throws(JSONError) {
    self = try JSONValue.parsed(bytes, duplicateKeys)
  }

  package init(parsing text: String, duplicateKeys: JSONDuplicateKeys = .refused) throws(JSONError) {
    self = try JSONValue.parsed(Array(text.utf8)[...], duplicateKeys)
  }

  private static func parsed(
    _ bytes: ArraySlice<UInt8>, _ duplicateKeys: JSONDuplicateKeys
  ) throws(JSONError) -> JSONValue {
    let result: Result<JSONValue, JSONError> = bytes.withUnsafeBufferPointer { bytes in
      do throws(JSONError) {
        return .success(try JSONValue(parsing: bytes, duplicateKeys: duplicateKeys))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }
}

/// Makes the tree of one whole text. Recursion is as deep as containers stand within each other, which is bounded.
private struct JSONTreeParser {
  let lexer: JSONLexer
  var place: JSONLexer.Place
  let duplicateKeys: JSONDuplicateKeys

  mutating func text() throws(JSONStop) -> JSONValue {
    if place[0] == 0xEF, place[1] == 0xBB, place[2] == 0xBF { place += 3 }
    let value = try value(depth: 0)
    place = lexer.skipSpace(place)
    guard place == lexer.end else { throw lexer.unexpected(place, expected: "the end of the text") }
    return value
  }

  private mutating func value(depth: Int) throws(JSONStop) -> JSONValue {
    place = lexer.skipSpace(place)
    switch place.pointee {
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "{"): return .object(try object(depth: depth + 1))
    case UInt8(ascii: "["): return .array(try array(depth: depth + 1))
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      let first = place
      place = try lexer.number(place)
      return .number(String(decoding: UnsafeBufferPointer(start: first, count: place - first), as: UTF8.self))
    default:
      let first = place.pointee
      place = try lexer.literal(place)
      return first == UInt8(ascii: "n") ? .null : .boolean(first == UInt8(ascii: "t"))
    }
  }

  private mutating func string() throws(JSONStop) -> String {
    let first = place + 1
    let scanned = try lexer.string(first)
    place = scanned.end + 1
    let bytes = UnsafeBufferPointer(start: first, count: scanned.end - first)
    guard scanned.hasEscapes else { return String(decoding: bytes, as: UTF8.self) }
    return String(unsafeUninitializedCapacity: bytes.count) {
      guard let into = $0.baseAddress else { return 0 }
      return JSONLexer.unescape(first, scanned.end, into: into) - into
    }
  }

  private mutating func array(depth: Int) throws(JSONStop) -> [JSONValue] {
    try checkDepth(depth)
    var values: [JSONValue] = []
    place = lexer.skipSpace(place + 1)
    if place.pointee == UInt8(ascii: "]") {
      place += 1
      return values
    }
    while true {
      values.append(try value(depth: depth))
      place = lexer.skipSpace(place)
      let mark = place.pointee
      guard mark == UInt8(ascii: ",") || mark == UInt8(ascii: "]") else {
        throw lexer.unexpected(place, expected: "\",\" or \"]\"")
      }
      place += 1
      if mark == UInt8(ascii: "]") { return values }
    }
  }

  private mutating func object(depth: Int) throws(JSONStop) -> JSONObject {
    try checkDepth(depth)
    var object = JSONObject()
    place = lexer.skipSpace(place + 1)
    if place.pointee == UInt8(ascii: "}") {
      place += 1
      return object
    }
    while true {
      place = lexer.skipSpace(place)
      guard place.pointee == UInt8(ascii: "\"") else { throw lexer.unexpected(place, expected: "a key") }
      let keyPlace = place
      let key = try string()
      place = lexer.skipSpace(place)
      guard place.pointee == UInt8(ascii: ":") else { throw lexer.unexpected(place, expected: "\":\"") }
      place += 1
      let value = try value(depth: depth)
      let count = object.count
      object[key] = value
      if object.count == count, duplicateKeys == .refused {
        throw lexer.invalid(keyPlace, JSONError.duplicateKey(key))
      }
      place = lexer.skipSpace(place)
      let mark = place.pointee
      guard mark == UInt8(ascii: ",") || mark == UInt8(ascii: "}") else {
        throw lexer.unexpected(place, expected: "\",\" or \"}\"")
      }
      place += 1
      if mark == UInt8(ascii: "}") { return object }
    }
  }

  private func checkDepth(_ depth: Int) throws(JSONStop) {
    if depth > JSONLimits.depthMax { throw lexer.invalid(place, JSONError.tooDeep) }
  }
}

extension JSONError {
  static func duplicateKey(_ key: String) -> String {
    // A key can be as long as a record; a sentence cannot.
    let shown = key.unicodeScalars.count > 100 ? String(key.unicodeScalars.prefix(100)) + "…" : key
    return "the key \(JSONValue.string(shown).text()) comes a second time in its object"
  }

  static let tooDeep = "more than \(JSONLimits.depthMax) arrays and objects within each other"
}
