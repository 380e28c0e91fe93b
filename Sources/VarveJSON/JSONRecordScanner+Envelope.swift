/// What stands around the records: it is read step by step and must be valid JSON too.
///
/// A step reads one token or one whole value, moves `state` on and returns the place behind. It changes nothing if it
/// cannot be finished, since it is then done again from its start.
extension JSONRecordScanner {
  enum State {
    case start
    /// Before the value at the top.
    case top
    /// In an object around the records: before a key.
    case member(isFirst: Bool)
    /// In an array beside the records: before an element.
    case element(isFirst: Bool)
    /// In the array of records.
    case record(isFirst: Bool)
    /// Behind a value in the innermost open container, or behind the one at the top.
    case behindValue
    /// NDJSON: before a line's record, or behind it.
    case line
    case behindLine
    case end
  }

  /// A container around or beside the records.
  struct EnvelopeFrame {
    enum Kind: Equatable {
      /// An object on the way to the records, with that many keys of the path before it.
      case onPath(Int)
      case objectBeside
      case arrayBeside
      case records
    }
    var kind: Kind
    var keys: Set<[UInt8]> = []

    var isObject: Bool {
      switch kind {
      case .onPath, .objectBeside: true
      case .arrayBeside, .records: false
      }
    }
  }

  mutating func envelopeStep(_ lexer: JSONLexer, _ from: JSONLexer.Place) throws(JSONStop) -> JSONLexer.Place {
    if case .start = state { return try start(lexer, from) }
    let place = lexer.skipSpace(from)
    switch state {
    case .start, .top: return try value(lexer, place, onPath: 0)
    case .record(let isFirst):
      if isFirst, place.pointee == UInt8(ascii: "]") { return close(place) }
      guard place.pointee == UInt8(ascii: "{") else { throw noRecord(lexer, place) }
      let end = try record(lexer, place, depth: frames.count + 1)
      state = .behindValue
      return end
    case .element(let isFirst):
      if isFirst, place.pointee == UInt8(ascii: "]") { return close(place) }
      let end = try skipValue(lexer, place)
      state = .behindValue
      return end
    case .member(let isFirst):
      if isFirst, place.pointee == UInt8(ascii: "}") { return close(place) }
      return try member(lexer, place)
    case .behindValue: return try behindValue(lexer, place)
    case .line, .behindLine, .end: preconditionFailure("no state of an envelope")
    }
  }

  /// Passes over a byte order mark.
  private mutating func start(_ lexer: JSONLexer, _ place: JSONLexer.Place) throws(JSONStop) -> JSONLexer.Place {
    let bytes = UnsafeBufferPointer(start: place, count: min(3, lexer.end - place))
    if bytes.count < 3, !lexer.isFinal { throw .needsMore }
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      throw lexer.invalid(place, "UTF-16, and JSON is UTF-8")
    }
    state = options.isLines ? .line : .top
    return bytes.elementsEqual([0xEF, 0xBB, 0xBF]) ? place + 3 : place
  }

  /// The value that stands at the end of the first `depth` keys of the path.
  private mutating func value(
    _ lexer: JSONLexer, _ place: JSONLexer.Place, onPath depth: Int
  ) throws(JSONStop) -> JSONLexer.Place {
    let isArray = place.pointee == UInt8(ascii: "[")
    if isArray || place.pointee == UInt8(ascii: "{") {
      if frames.count >= JSONLimits.depthMax { throw lexer.invalid(place, JSONError.tooDeep) }
      if depth < options.path.count {
        open(isArray ? .arrayBeside : .onPath(depth))
        if isArray { deadEnd = "\(name(depth)) is an array, and \"\(options.path[depth])\" is looked for in it" }
        return place + 1
      }
      if isArray {
        open(.records)
        foundRecords = true
        return place + 1
      }
      let end = try record(lexer, place, depth: frames.count + 1)
      foundRecords = true
      state = .behindValue
      return end
    }
    // A number at the top must be seen to end.
    let end = try skipValue(lexer, place)
    let kind =
      switch place.pointee {
      case UInt8(ascii: "\""): "a string"
      case UInt8(ascii: "t"), UInt8(ascii: "f"): "a boolean"
      case UInt8(ascii: "n"): "null"
      default: "a number"
      }
    if depth == options.path.count || depth == 0 {
      throw lexer.invalid(place, "\(name(depth)) is \(kind), no array of records and no record")
    }
    deadEnd = "\(name(depth)) is \(kind), and \"\(options.path[depth])\" is looked for in it"
    state = .behindValue
    return end
  }

  /// A key, and its value or the beginning of it.
  private mutating func member(_ lexer: JSONLexer, _ from: JSONLexer.Place) throws(JSONStop) -> JSONLexer.Place {
    guard from.pointee == UInt8(ascii: "\"") else { throw lexer.unexpected(from, expected: "a key") }
    let string = try lexer.string(from + 1)
    let key = [UInt8](unsafeUninitializedCapacity: string.end - from - 1) { room, count in
      guard let base = room.baseAddress else { return }
      count = JSONLexer.unescape(from + 1, string.end, into: base) - base
    }
    var place = lexer.skipSpace(string.end + 1)
    guard place.pointee == UInt8(ascii: ":") else { throw lexer.unexpected(place, expected: "\":\"") }
    place = lexer.skipSpace(place + 1)
    let frame = frames.count - 1
    let isTracked = frames[frame].kind != .objectBeside || options.duplicateKeys == .refused
    if isTracked, frames[frame].keys.contains(key) {
      throw lexer.invalid(from, JSONError.duplicateKey(String(decoding: key, as: UTF8.self)))
    }
    let end: JSONLexer.Place
    if case .onPath(let depth) = frames[frame].kind, options.path[depth].utf8.elementsEqual(key) {
      end = try value(lexer, place, onPath: depth + 1)
    } else if case .onPath = frames[frame].kind, place.pointee == UInt8(ascii: "{") {
      end = try enter(lexer, place, .objectBeside)
    } else if case .onPath = frames[frame].kind, place.pointee == UInt8(ascii: "[") {
      end = try enter(lexer, place, .arrayBeside)
    } else {
      end = try skipValue(lexer, place)
      state = .behindValue
    }
    if isTracked {
      envelopeKeyCount += 1
      if envelopeKeyCount > options.envelopeKeysMax {
        throw lexer.invalid(from, "more than \(options.envelopeKeysMax) keys beside the records")
      }
      frames[frame].keys.insert(key)
    }
    return end
  }

  /// Goes into a container beside the records, which as a whole may be larger than memory should hold.
  private mutating func enter(
    _ lexer: JSONLexer, _ place: JSONLexer.Place, _ kind: EnvelopeFrame.Kind
  ) throws(JSONStop) -> JSONLexer.Place {
    if frames.count >= JSONLimits.depthMax { throw lexer.invalid(place, JSONError.tooDeep) }
    open(kind)
    return place + 1
  }

  private mutating func open(_ kind: EnvelopeFrame.Kind) {
    frames.append(EnvelopeFrame(kind: kind))
    switch kind {
    case .onPath, .objectBeside: state = .member(isFirst: true)
    case .arrayBeside: state = .element(isFirst: true)
    case .records: state = .record(isFirst: true)
    }
  }

  private mutating func close(_ place: JSONLexer.Place) -> JSONLexer.Place {
    let frame = frames.removeLast()
    envelopeKeyCount -= frame.keys.count
    if case .onPath(let depth) = frame.kind, !foundRecords, deadEnd == nil { deadEnd = missing(depth, frame.keys) }
    state = .behindValue
    return place + 1
  }

  private mutating func behindValue(
    _ lexer: JSONLexer, _ place: JSONLexer.Place
  ) throws(JSONStop) -> JSONLexer.Place {
    guard let frame = frames.last else {
      guard place == lexer.end else { throw behindTop(lexer, place) }
      if !lexer.isFinal { throw .needsMore }
      guard foundRecords else { throw lexer.invalid(place, deadEnd ?? "no records", kind: .noRecords) }
      state = .end
      return place
    }
    let closing = frame.isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
    if place.pointee == closing { return close(place) }
    guard place.pointee == UInt8(ascii: ",") else {
      throw lexer.unexpected(place, expected: frame.isObject ? "\",\" or \"}\"" : "\",\" or \"]\"")
    }
    switch frame.kind {
    case .onPath, .objectBeside: state = .member(isFirst: false)
    case .arrayBeside: state = .element(isFirst: false)
    case .records: state = .record(isFirst: false)
    }
    return place + 1
  }

  private func behindTop(_ lexer: JSONLexer, _ place: JSONLexer.Place) -> JSONStop {
    if place.pointee == UInt8(ascii: "{"), options.path.isEmpty {
      return lexer.invalid(place, "a second record behind the first, outside of any array", kind: .secondRecord)
    }
    return lexer.unexpected(place, expected: "the end of the text")
  }

  /// Checks any value whole; the place behind it.
  private mutating func skipValue(_ lexer: JSONLexer, _ place: JSONLexer.Place) throws(JSONStop) -> JSONLexer.Place {
    let depth = frames.count + 1
    if let end = canonicaliser.endIfCanonical(lexer, place, depth: depth) { return end }
    return try canonicaliser.write(lexer, place, depth: depth, to: rewritten.base + rewrittenCount).source
  }

  private mutating func noRecord(_ lexer: JSONLexer, _ place: JSONLexer.Place) -> JSONStop {
    let kind: String
    switch place.pointee {
    case UInt8(ascii: "\""): kind = "a string"
    case UInt8(ascii: "["): kind = "an array"
    case UInt8(ascii: "t"), UInt8(ascii: "f"): kind = "a boolean"
    case UInt8(ascii: "n"): kind = "null"
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): kind = "a number"
    default: return lexer.unexpected(place, expected: "a record")
    }
    return lexer.invalid(place, "\(kind) where a record is expected: records are objects")
  }

  private func name(_ depth: Int) -> String {
    depth == 0 ? "the value at the top" : "\"" + options.path[..<depth].joined(separator: ".") + "\""
  }

  private func missing(_ depth: Int, _ keys: Set<[UInt8]>) -> String {
    let names = keys.map { String(decoding: $0.prefix(100), as: UTF8.self) }.sorted().prefix(8)
    let there = names.isEmpty ? "it is empty" : "it has " + names.map { "\"\($0)\"" }.joined(separator: ", ")
    return "\(name(depth)) has no key \"\(options.path[depth])\": \(there)\(keys.count > names.count ? ", …" : "")"
  }
}

/// NDJSON: a record a line.
extension JSONRecordScanner {
  mutating func lineStep(_ lexer: JSONLexer, _ from: JSONLexer.Place) throws(JSONStop) -> JSONLexer.Place {
    if case .start = state { return try start(lexer, from) }
    let place = lexer.skipSpace(from)
    if place.pointee == UInt8(ascii: "\n") {
      line += 1
      state = .line
      return place + 1
    }
    if place == lexer.end {
      if !lexer.isFinal { throw .needsMore }
      state = .end
      return place
    }
    if case .behindLine = state {
      throw lexer.invalid(place, "more behind the record on its line; NDJSON has one record on each")
    }
    guard place.pointee == UInt8(ascii: "{") else { throw noRecord(lexer, place) }
    let end = try record(lexer, place, depth: 1)
    state = .behindLine
    return end
  }
}
