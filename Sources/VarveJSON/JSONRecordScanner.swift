/// Finds the records of a JSON or NDJSON text that comes in pieces, and takes them apart into members.
///
/// Whole records become a tape; a record that the bytes so far cut off is read again from its start when there are
/// more. So the result does not depend on how the text was sliced, and memory is bounded by the longest record.
///
///     scanner.append(bytes)            // any number of bytes, again and again; then finish()
///     while true {
///       let progress = try scanner.scan()
///       use(scanner.tape)              // before the scanner is touched again
///       if progress != .tapeIsFull { break }
///     }
///
/// Errors carry the byte of the whole text. After one the scanner is done.
package struct JSONRecordScanner: ~Copyable {
  package enum Progress: Sendable {
    /// There may be more records in the bytes so far: scan again.
    case tapeIsFull
    case needsBytes
    /// The whole text has been read and is valid.
    case isAtEnd
  }

  let options: JSONRecordOptions
  var state: State
  /// The containers around the records that are open.
  var frames: [EnvelopeFrame] = []
  var envelopeKeyCount = 0
  /// Where the way to the records ended too early, if it did.
  var deadEnd: String?
  /// The line that is being read, from 1; counted only in NDJSON.
  package internal(set) var line = 1
  var foundRecords = false

  private var source = GrowingMemory<UInt8>(capacity: 64 << 10)
  /// What in `source` was not scanned, and the offset of `source` in the text.
  private var pending = 0..<0
  private var offset = 0
  private var isFinal = false
  /// With fewer bytes pending than these another try would be in vain; it doubles, so that tries stay few.
  private var bytesToTry = 0

  private var keys = JSONKeyTable()
  var canonicaliser: JSONCanonicaliser
  private var records = GrowingMemory<JSONRecord>(capacity: 1024)
  private var recordCount = 0
  private var members = GrowingMemory<JSONMember>(capacity: JSONRecordScanner.tapeMembers * 2)
  private var memberCount = 0
  var rewritten = GrowingMemory<UInt8>(capacity: 64 << 10)
  var rewrittenCount = 0

  /// Members after which a tape counts as full: few enough that it stays in the processor's nearer caches.
  private static let tapeMembers = 8_192

  package init(_ options: JSONRecordOptions) {
    self.options = options
    state = .start
    canonicaliser = JSONCanonicaliser(duplicateKeys: options.duplicateKeys)
  }

  /// Takes the next bytes. The tape is void after.
  package mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
    precondition(!isFinal, "no bytes come after the last")
    if pending.lowerBound > 0 {
      source.base.update(from: source.base + pending.lowerBound, count: pending.count)
      offset += pending.lowerBound
      pending = 0..<pending.count
    }
    source.reserve(pending.count + bytes.count + JSONLexer.padding)
    if let base = bytes.baseAddress { (source.base + pending.count).update(from: base, count: bytes.count) }
    pending = 0..<pending.count + bytes.count
    precondition(pending.count < UInt32.max, "a tape reaches no further")
    (source.base + pending.count).update(repeating: 0, count: JSONLexer.padding)
  }

  /// No more bytes will come.
  package mutating func finish() { isFinal = true }

  /// The keys of the records so far, in order of first appearance; those of a record not yet whole may be among them.
  package func key(_ number: Int) -> String { String(decoding: keys[number], as: UTF8.self) }

  package var tape: JSONRecordTape {
    JSONRecordTape(
      records: UnsafeBufferPointer(start: records.base, count: recordCount), members: UnsafePointer(members.base),
      source: UnsafePointer(source.base), rewritten: UnsafePointer(rewritten.base))
  }

  /// Reads on and makes a new tape, which may be empty.
  package mutating func scan() throws(JSONError) -> Progress {
    recordCount = 0
    memberCount = 0
    rewrittenCount = 0
    if case .end = state { return .isAtEnd }
    if !isFinal, pending.count < bytesToTry { return .needsBytes }
    // What is rewritten is never longer than what it was.
    rewritten.reserve(pending.count + JSONLexer.padding)
    let start = UnsafePointer(source.base)
    let lexer = JSONLexer(
      start: start, end: start + pending.upperBound, offset: offset, isFinal: isFinal,
      allowsNewlines: !options.isLines)
    var place = start + pending.lowerBound
    defer { pending = (place - start)..<pending.upperBound }
    do throws(JSONStop) {
      while memberCount < JSONRecordScanner.tapeMembers, recordCount < JSONRecordScanner.tapeMembers {
        let before = place
        place = try options.isLines ? lineStep(lexer, place) : envelopeStep(lexer, place)
        if place - before > options.recordBytesMax { throw tooLong(lexer, before) }
        if case .end = state { return .isAtEnd }
      }
      bytesToTry = 0
      return .tapeIsFull
    } catch {
      guard case .needsMore = error else {
        guard case .invalid(let error) = error else { preconditionFailure("the other case") }
        throw error
      }
      let left = lexer.end - place
      if left > options.recordBytesMax, case .invalid(let error) = tooLong(lexer, place) { throw error }
      bytesToTry = left * 2
      return .needsBytes
    }
  }

  private func tooLong(_ lexer: JSONLexer, _ place: JSONLexer.Place) -> JSONStop {
    let what = options.isLines ? "a line" : "a value"
    return lexer.invalid(place, "\(what) of more than \(options.recordBytesMax) bytes", kind: .tooLong)
  }

  /// Reads the object at `from` and puts it on the tape; the place behind it.
  ///
  /// Nothing remains on the tape of an object that cannot be read.
  mutating func record(_ lexer: JSONLexer, _ from: JSONLexer.Place, depth: Int) throws(JSONStop) -> JSONLexer.Place {
    let firstMember = memberCount
    let firstRewritten = rewrittenCount
    let end: JSONLexer.Place
    do throws(JSONStop) {
      end = try recordMembers(lexer, from, depth: depth)
    } catch {
      memberCount = firstMember
      rewrittenCount = firstRewritten
      throw error
    }
    records.reserve(recordCount + 1)
    records.base[recordCount] = JSONRecord(
      offset: lexer.offset + (from - lexer.start), line: line, membersEnd: memberCount)
    recordCount += 1
    return end
  }

  @inline(__always)
  private mutating func recordMembers(
    _ lexer: JSONLexer, _ from: JSONLexer.Place, depth: Int
  ) throws(JSONStop) -> JSONLexer.Place {
    keys.beginRecord()
    let firstMember = memberCount
    var key = -1
    var place = lexer.skipSpace(from + 1)
    if place.pointee == UInt8(ascii: "}") { return place + 1 }
    while true {
      let keyPlace = place
      let previous = key
      if place.pointee == UInt8(ascii: "\""), let found = keys.expected(behind: previous, at: place + 1) {
        key = found.number
        place += found.length + 2
      } else {
        (key, place) = try unexpectedKey(lexer, place)
        keys.follow(key, behind: previous)
      }
      if place.pointee != UInt8(ascii: ":") {
        place = lexer.skipSpace(place)
        guard place.pointee == UInt8(ascii: ":") else { throw lexer.unexpected(place, expected: "\":\"") }
      }
      place = lexer.skipSpace(place + 1)
      var member: JSONMember
      switch place.pointee {
      case UInt8(ascii: "\""):
        let string = try lexer.string(place + 1)
        member = JSONMember(
          key: UInt32(truncatingIfNeeded: key), start: UInt32(truncatingIfNeeded: place + 1 - lexer.start),
          length: UInt32(truncatingIfNeeded: string.end - place - 1), kind: .string, isRewritten: false)
        if string.hasEscapes { unescape(place + 1, string.end, &member) }
        place = string.end + 1
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
        let end = try lexer.number(place)
        member = JSONMember(
          key: UInt32(truncatingIfNeeded: key), start: UInt32(truncatingIfNeeded: place - lexer.start),
          length: UInt32(truncatingIfNeeded: end - place), kind: .number, isRewritten: false)
        place = end
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        member = JSONMember(
          key: UInt32(truncatingIfNeeded: key), start: UInt32(truncatingIfNeeded: place - lexer.start), length: 0,
          kind: .nested, isRewritten: false)
        place = try nested(lexer, place, depth: depth + 1, &member)
      default:
        let end = try lexer.literal(place)
        let isNull = place.pointee == UInt8(ascii: "n")
        member = JSONMember(
          key: UInt32(truncatingIfNeeded: key), start: UInt32(truncatingIfNeeded: place - lexer.start),
          length: isNull ? 0 : UInt32(truncatingIfNeeded: end - place), kind: isNull ? .null : .boolean,
          isRewritten: false)
        place = end
      }
      if keys.mark(key) {
        members.reserve(memberCount + 1)
        members.base[memberCount] = member
        memberCount += 1
      } else {
        try replace(lexer, keyPlace, firstMember, member)
      }
      if place.pointee != UInt8(ascii: ",") {
        place = lexer.skipSpace(place)
        if place.pointee == UInt8(ascii: "}") { return place + 1 }
        guard place.pointee == UInt8(ascii: ",") else { throw lexer.unexpected(place, expected: "\",\" or \"}\"") }
      }
      place = lexer.skipSpace(place + 1)
    }
  }

  /// A key that is not the one expected: its number, and the place behind it.
  @inline(never)
  private mutating func unexpectedKey(
    _ lexer: JSONLexer, _ place: JSONLexer.Place
  ) throws(JSONStop) -> (Int, JSONLexer.Place) {
    guard place.pointee == UInt8(ascii: "\"") else { throw lexer.unexpected(place, expected: "a key") }
    let string = try lexer.string(place + 1)
    let length = string.end - place - 1
    let number: Int?
    if string.hasEscapes {
      let room = UnsafeMutablePointer<UInt8>.allocate(capacity: length)
      defer { room.deallocate() }
      let plain = UnsafeBufferPointer(
        start: room, count: JSONLexer.unescape(place + 1, string.end, into: room) - room)
      let needsEscape = plain.contains { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }
      number = keys.number(of: plain, looksSame: !needsEscape, countMax: options.keysMax)
    } else {
      let plain = UnsafeBufferPointer(start: place + 1, count: length)
      number = keys.number(of: plain, looksSame: true, countMax: options.keysMax)
    }
    guard let number else { throw lexer.invalid(place, "more than \(options.keysMax) different keys") }
    return (number, string.end + 1)
  }

  @inline(never)
  private mutating func unescape(_ from: JSONLexer.Place, _ end: JSONLexer.Place, _ member: inout JSONMember) {
    let into = rewritten.base + rewrittenCount
    member.start = UInt32(truncatingIfNeeded: rewrittenCount)
    member.length = UInt32(truncatingIfNeeded: JSONLexer.unescape(from, end, into: into) - into)
    member.isRewritten = true
    rewrittenCount += Int(member.length)
  }

  private mutating func nested(
    _ lexer: JSONLexer, _ from: JSONLexer.Place, depth: Int, _ member: inout JSONMember
  ) throws(JSONStop) -> JSONLexer.Place {
    if let end = canonicaliser.endIfCanonical(lexer, from, depth: depth) {
      member.length = UInt32(truncatingIfNeeded: end - from)
      return end
    }
    let into = rewritten.base + rewrittenCount
    let (end, behind) = try canonicaliser.write(lexer, from, depth: depth, to: into)
    member.start = UInt32(truncatingIfNeeded: rewrittenCount)
    member.length = UInt32(truncatingIfNeeded: behind - into)
    member.isRewritten = true
    rewrittenCount += behind - into
    return end
  }

  @inline(never)
  private mutating func replace(
    _ lexer: JSONLexer, _ keyPlace: JSONLexer.Place, _ firstMember: Int, _ member: JSONMember
  ) throws(JSONStop) {
    guard options.duplicateKeys == .lastWins else {
      throw lexer.invalid(keyPlace, JSONError.duplicateKey(key(Int(member.key))))
    }
    for index in firstMember..<memberCount where members.base[index].key == member.key {
      members.base[index] = member
    }
  }
}
