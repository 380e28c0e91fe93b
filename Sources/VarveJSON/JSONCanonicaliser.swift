/// Checks nested values and writes their canonical form, without recursion.
///
/// The canonical form of a value is never longer than the value, so whoever gives room for the source gives enough.
struct JSONCanonicaliser: ~Copyable {
  typealias Place = JSONLexer.Place

  /// A container that is open.
  struct Frame: BitwiseCopyable {
    var isObject: Bool
    /// Whether the keys so far ascend, so that none comes twice.
    var isSorted: Bool
    /// The first of its members in `members`.
    var firstMember: Int
    /// Fast check only: the key before.
    var key: UnsafePointer<UInt8>?
    var keyLength: Int
  }

  /// A member of an open object that has been written.
  struct Member: BitwiseCopyable {
    /// Where its key begins in the source.
    var source: Int
    /// Where its text, `"key":value`, begins and ends in the output.
    var start: Int
    var end: Int
    /// Its key, without escapes: in the output, or in `keys` if it has some.
    var key: Int
    var keyLength: Int
    var isKeyDecoded: Bool
  }

  private var frames = GrowingMemory<Frame>(capacity: JSONLimits.depthMax + 2)
  private var members = GrowingMemory<Member>(capacity: 64)
  private var memberCount = 0
  /// Decoded keys of open objects, only of those keys that have escapes.
  private var keys = GrowingMemory<UInt8>(capacity: 256)
  private var keysUsed = 0
  /// What is being put in order.
  private var unsorted = GrowingMemory<UInt8>(capacity: 4096)
  private let duplicateKeys: JSONDuplicateKeys

  init(duplicateKeys: JSONDuplicateKeys) { self.duplicateKeys = duplicateKeys }

  /// The place behind a container that is canonical as it stands; nil if it is not, or not surely: ask `write` then.
  mutating func endIfCanonical(_ lexer: JSONLexer, _ from: Place, depth: Int) -> Place? {
    do {
      return try canonicalEnd(lexer, from, depth: depth)
    } catch {
      return nil
    }
  }

  private mutating func canonicalEnd(_ lexer: JSONLexer, _ from: Place, depth: Int) throws(JSONStop) -> Place? {
    let frames = self.frames.base
    var place = from
    var level = 0
    let levelMax = JSONLimits.depthMax - depth + 1
    value: while true {
      switch place.pointee {
      case UInt8(ascii: "\""):
        let string = try lexer.string(place + 1)
        guard string.isCanonical else { return nil }
        place = string.end + 1
      case UInt8(ascii: "{"):
        guard level < levelMax else { return nil }
        if place[1] == UInt8(ascii: "}") {
          place += 2
          break
        }
        level += 1
        frames[level].isObject = true
        frames[level].keyLength = -1
        guard let behind = try canonicalKey(lexer, place + 1, &frames[level]) else { return nil }
        place = behind
        continue value
      case UInt8(ascii: "["):
        guard level < levelMax else { return nil }
        if place[1] == UInt8(ascii: "]") {
          place += 2
          break
        }
        level += 1
        frames[level].isObject = false
        place += 1
        continue value
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): place = try lexer.number(place)
      case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"): place = try lexer.literal(place)
      default: return nil
      }
      while level > 0 {
        let mark = place.pointee
        if mark == UInt8(ascii: ",") {
          place += 1
          if frames[level].isObject {
            guard let behind = try canonicalKey(lexer, place, &frames[level]) else { return nil }
            place = behind
          }
          continue value
        }
        guard mark == (frames[level].isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { return nil }
        place += 1
        level -= 1
      }
      return place
    }
  }

  /// A key without escapes that comes behind the one before, and its colon; the place behind both.
  @inline(__always)
  private func canonicalKey(_ lexer: JSONLexer, _ place: Place, _ frame: inout Frame) throws(JSONStop) -> Place? {
    guard place.pointee == UInt8(ascii: "\"") else { return nil }
    let key = place + 1
    let string = try lexer.string(key)
    guard !string.hasEscapes, string.end[1] == UInt8(ascii: ":") else { return nil }
    let length = string.end - key
    if frame.keyLength >= 0, let before = frame.key,
      !JSONCanonicaliser.precedes(before, frame.keyLength, key, length)
    {
      return nil
    }
    frame.key = key
    frame.keyLength = length
    return string.end + 2
  }

  /// Whether one text comes before another by code points, which is the order of UTF-8 bytes.
  @inline(__always)
  private static func precedes(_ one: Place, _ oneLength: Int, _ other: Place, _ otherLength: Int) -> Bool {
    let common = min(oneLength, otherLength)
    for index in 0..<common where one[index] != other[index] { return one[index] < other[index] }
    return oneLength < otherLength
  }

  /// Writes the canonical form of the value at `from` to `output`, which has room for it and 16 bytes more; the places
  /// behind both. `depth` is how many containers there are with it, if it is one.
  mutating func write(
    _ lexer: JSONLexer, _ from: Place, depth: Int, to output: UnsafeMutablePointer<UInt8>
  ) throws(JSONStop) -> (source: Place, output: UnsafeMutablePointer<UInt8>) {
    memberCount = 0
    keysUsed = 0
    var place = from
    var out = output
    var level = 0
    let levelMax = JSONLimits.depthMax - depth + 1
    value: while true {
      place = lexer.skipSpace(place)
      let first = place.pointee
      switch first {
      case UInt8(ascii: "\""):
        let string = try lexer.string(place + 1)
        out = writeString(place + 1, string, to: out)
        place = string.end + 1
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        guard level < levelMax else { throw lexer.invalid(place, JSONError.tooDeep) }
        let isObject = first == UInt8(ascii: "{")
        out.pointee = first
        out += 1
        place = lexer.skipSpace(place + 1)
        if place.pointee == first + 2 {
          out.pointee = first + 2
          out += 1
          place += 1
          break
        }
        level += 1
        frames.base[level] = Frame(
          isObject: isObject, isSorted: true, firstMember: memberCount, key: nil, keyLength: 0)
        if isObject { (place, out) = try writeKey(lexer, place, level, output, out) }
        continue value
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
        let end = try lexer.number(place)
        copy(place, to: out, end - place)
        out += end - place
        place = end
      default:
        let end = try lexer.literal(place)
        copy(place, to: out, end - place)
        out += end - place
        place = end
      }
      while level > 0 {
        place = lexer.skipSpace(place)
        let mark = place.pointee
        let isObject = frames.base[level].isObject
        if isObject { members.base[memberCount - 1].end = out - output }
        if mark == UInt8(ascii: ",") {
          out.pointee = mark
          out += 1
          place += 1
          if isObject { (place, out) = try writeKey(lexer, lexer.skipSpace(place), level, output, out) }
          continue value
        }
        guard mark == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
          throw lexer.unexpected(place, expected: isObject ? "\",\" or \"}\"" : "\",\" or \"]\"")
        }
        if isObject {
          if !frames.base[level].isSorted { out = try sort(lexer, level, output, out) }
          memberCount = frames.base[level].firstMember
        }
        out.pointee = mark
        out += 1
        place += 1
        level -= 1
      }
      return (place, out)
    }
  }

  /// A key and its colon; the places behind both.
  @inline(__always)
  private mutating func writeKey(
    _ lexer: JSONLexer, _ place: Place, _ level: Int, _ output: UnsafeMutablePointer<UInt8>,
    _ from: UnsafeMutablePointer<UInt8>
  ) throws(JSONStop) -> (Place, UnsafeMutablePointer<UInt8>) {
    var out = from
    guard place.pointee == UInt8(ascii: "\"") else { throw lexer.unexpected(place, expected: "a key") }
    let string = try lexer.string(place + 1)
    out = writeString(place + 1, string, to: out)
    var member = Member(
      source: place - lexer.start, start: from - output, end: 0, key: from + 1 - output, keyLength: out - from - 2,
      isKeyDecoded: string.hasEscapes)
    if string.hasEscapes { decodeKey(place + 1, string.end, &member) }
    if memberCount > frames.base[level].firstMember,
      !precedes(members.base[memberCount - 1], member, output)
    {
      frames.base[level].isSorted = false
    }
    members.reserve(memberCount + 1)
    members.base[memberCount] = member
    memberCount += 1
    let colon = lexer.skipSpace(string.end + 1)
    guard colon.pointee == UInt8(ascii: ":") else { throw lexer.unexpected(colon, expected: "\":\"") }
    out.pointee = UInt8(ascii: ":")
    return (colon + 1, out + 1)
  }

  private mutating func decodeKey(_ place: Place, _ end: Place, _ member: inout Member) {
    keys.reserve(keysUsed + (end - place))
    member.key = keysUsed
    member.keyLength = JSONLexer.unescape(place, end, into: keys.base + keysUsed) - (keys.base + keysUsed)
    keysUsed += member.keyLength
  }

  @inline(__always)
  private func precedes(_ one: Member, _ other: Member, _ output: UnsafeMutablePointer<UInt8>) -> Bool {
    JSONCanonicaliser.precedes(key(of: one, output), one.keyLength, key(of: other, output), other.keyLength)
  }

  @inline(__always)
  private func key(of member: Member, _ output: UnsafeMutablePointer<UInt8>) -> Place {
    member.isKeyDecoded ? UnsafePointer(keys.base) + member.key : UnsafePointer(output) + member.key
  }

  /// Puts the members of the object in order, which ends at `out`; the end of what remains of it.
  @inline(never)
  private mutating func sort(
    _ lexer: JSONLexer, _ level: Int, _ output: UnsafeMutablePointer<UInt8>, _ out: UnsafeMutablePointer<UInt8>
  ) throws(JSONStop) -> UnsafeMutablePointer<UInt8> {
    let firstMember = frames.base[level].firstMember
    var sorted = UnsafeMutableBufferPointer(start: members.base + firstMember, count: memberCount - firstMember)
    let start = sorted[0].start
    let keys = UnsafePointer(self.keys.base)
    // By key, and equal ones as they came.
    func precedes(_ one: Member, _ other: Member) -> Bool {
      let oneKey = one.isKeyDecoded ? keys + one.key : UnsafePointer(output) + one.key
      let otherKey = other.isKeyDecoded ? keys + other.key : UnsafePointer(output) + other.key
      if JSONCanonicaliser.precedes(oneKey, one.keyLength, otherKey, other.keyLength) { return true }
      if JSONCanonicaliser.precedes(otherKey, other.keyLength, oneKey, one.keyLength) { return false }
      return one.source < other.source
    }
    if sorted.count <= 16 {
      for index in 1..<sorted.count {
        let member = sorted[index]
        var hole = index
        while hole > 0, precedes(member, sorted[hole - 1]) {
          sorted[hole] = sorted[hole - 1]
          hole -= 1
        }
        sorted[hole] = member
      }
    } else {
      sorted.sort(by: precedes)
    }
    // A key equals the next one if it does not precede it. Of equal ones the last one stays.
    var duplicate: Member?
    for index in 1..<sorted.count where !self.precedes(sorted[index - 1], sorted[index], output) {
      if duplicate == nil || sorted[index].source < duplicate!.source { duplicate = sorted[index] }
    }
    if let duplicate, duplicateKeys == .refused {
      let bytes = UnsafeBufferPointer(start: key(of: duplicate, output), count: duplicate.keyLength)
      throw lexer.invalid(
        lexer.start + duplicate.source, JSONError.duplicateKey(String(decoding: bytes, as: UTF8.self)))
    }
    let length = out - output - start
    unsorted.reserve(length + JSONLexer.padding)
    unsorted.base.update(from: output + start, count: length)
    var behind = output + start
    for index in 0..<sorted.count {
      let member = sorted[index]
      if duplicate != nil, index + 1 < sorted.count, hasSameKey(member, sorted[index + 1], output, start) { continue }
      if behind > output + start {
        behind.pointee = UInt8(ascii: ",")
        behind += 1
      }
      let text = UnsafePointer(unsorted.base) + (member.start - start)
      behind.update(from: text, count: member.end - member.start)
      behind += member.end - member.start
    }
    return behind
  }

  /// As `precedes`, while the output is being rewritten and the keys are to be found in `unsorted`.
  private func hasSameKey(
    _ one: Member, _ other: Member, _ output: UnsafeMutablePointer<UInt8>, _ start: Int
  ) -> Bool {
    func bytes(_ member: Member) -> UnsafeBufferPointer<UInt8> {
      let key = UnsafePointer(member.isKeyDecoded ? keys.base + member.key : unsorted.base + (member.key - start))
      return UnsafeBufferPointer(start: key, count: member.keyLength)
    }
    return bytes(one).elementsEqual(bytes(other))
  }

  /// A checked string with its quotes, escaped as the canonical form escapes it.
  @inline(__always)
  private func writeString(
    _ from: Place, _ string: JSONLexer.StringEnd, to output: UnsafeMutablePointer<UInt8>
  ) -> UnsafeMutablePointer<UInt8> {
    guard string.isCanonical else { return rewriteString(from, string.end, to: output) }
    let count = string.end - from + 2
    copy(from - 1, to: output, count)
    return output + count
  }

  @inline(never)
  private func rewriteString(
    _ from: Place, _ end: Place, to output: UnsafeMutablePointer<UInt8>
  ) -> UnsafeMutablePointer<UInt8> {
    let plain = UnsafeMutablePointer<UInt8>.allocate(capacity: end - from)
    defer { plain.deallocate() }
    let count = JSONLexer.unescape(from, end, into: plain) - plain
    var out = output
    out.pointee = UInt8(ascii: "\"")
    out += 1
    for index in 0..<count {
      let byte = plain[index]
      if byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") {
        out.pointee = byte
        out += 1
      } else {
        for byte in JSONValue.neededEscape(of: byte).utf8 {
          out.pointee = byte
          out += 1
        }
      }
    }
    out.pointee = UInt8(ascii: "\"")
    return out + 1
  }
}
