/// Why reading stopped before the end of a token.
enum JSONStop: Error {
  /// The buffer ends within it, and more may come.
  case needsMore
  case invalid(JSONError)
}

/// Reads single tokens from a buffer that ends in zeros.
///
/// Invariants: `end` points to `JSONLexer.padding` zero bytes behind the text. A zero is no part of any token but
/// ends them all, so that loops need no check against `end`; and words are loaded past `end` without leaving memory.
struct JSONLexer {
  let start: UnsafePointer<UInt8>
  let end: UnsafePointer<UInt8>
  /// Bytes of the whole text before `start`.
  let offset: Int
  /// Whether nothing comes behind `end`.
  let isFinal: Bool
  /// Whether a line feed is white space, which it is but between the records of NDJSON.
  let allowsNewlines: Bool

  static let padding = 32

  typealias Place = UnsafePointer<UInt8>

  func invalid(_ place: Place, _ what: String, kind: JSONError.Kind = .invalid) -> JSONStop {
    .invalid(JSONError(offset: offset + (place - start), what, kind: kind))
  }

  /// At `place` something other than `expected` stands, or the buffer ends there.
  func unexpected(_ place: Place, expected: String) -> JSONStop {
    if place >= end {
      return isFinal ? invalid(end, "the text ends where \(expected) is expected") : .needsMore
    }
    return invalid(place, "\(JSONLexer.name(of: place, end)) where \(expected) is expected")
  }

  private static func name(of place: Place, _ end: Place) -> String {
    let byte = place.pointee
    switch byte {
    case UInt8(ascii: "\n"): return "the end of the line"
    case 0x21...0x7E: return "\"\(Character(Unicode.Scalar(byte)))\""
    default:
      let digits = String(byte, radix: 16)
      return "byte 0x\(digits.count == 1 ? "0" : "")\(digits)"
    }
  }

  @inline(__always)
  func skipSpace(_ place: Place) -> Place {
    // Most tokens follow at once.
    place.pointee > 0x20 ? place : skipSomeSpace(place)
  }

  @inline(never)
  private func skipSomeSpace(_ from: Place) -> Place {
    var place = from
    while true {
      switch place.pointee {
      case 0x20, 0x09, 0x0D: place += 1
      case 0x0A where allowsNewlines: place += 1
      default: return place
      }
    }
  }

  /// `true`, `false` or `null`, by its first byte; the place behind it.
  @inline(__always)
  func literal(_ place: Place) throws(JSONStop) -> Place {
    let word = JSONLexer.word(place)
    if word & 0xFFFF_FFFF == 0x6C6C_756E || word & 0xFFFF_FFFF == 0x6575_7274 { return place + 4 }
    if word & 0xFF_FFFF_FFFF == 0x65_736C_6166 { return place + 5 }
    throw noLiteral(place)
  }

  @inline(never)
  private func noLiteral(_ place: Place) -> JSONStop {
    for name in ["null", "true", "false"] where name.utf8.first == place.pointee {
      var at = place
      for byte in name.utf8 where at < end {
        guard at.pointee == byte else { return unexpected(at, expected: "\"\(name)\"") }
        at += 1
      }
      return unexpected(at, expected: "\"\(name)\"")
    }
    return unexpected(place, expected: "a value")
  }

  /// A number, from its first byte (`-` or a digit); the place behind it (RFC 8259, section 6).
  @inline(__always)
  func number(_ from: Place) throws(JSONStop) -> Place {
    var place = from
    if place.pointee == UInt8(ascii: "-") { place += 1 }
    if place.pointee == UInt8(ascii: "0") {
      place += 1
      if JSONLexer.isDigit(place.pointee) { throw invalid(place, "a digit behind a leading zero") }
    } else {
      guard JSONLexer.isDigit(place.pointee) else { throw unexpected(place, expected: "a digit") }
      place += 1
      while JSONLexer.isDigit(place.pointee) { place += 1 }
    }
    if place.pointee == UInt8(ascii: ".") {
      place += 1
      guard JSONLexer.isDigit(place.pointee) else { throw unexpected(place, expected: "a digit") }
      repeat { place += 1 } while JSONLexer.isDigit(place.pointee)
    }
    if place.pointee | 0x20 == UInt8(ascii: "e") {
      place += 1
      if place.pointee == UInt8(ascii: "+") || place.pointee == UInt8(ascii: "-") { place += 1 }
      guard JSONLexer.isDigit(place.pointee) else { throw unexpected(place, expected: "a digit") }
      repeat { place += 1 } while JSONLexer.isDigit(place.pointee)
    }
    if place == end, !isFinal { throw .needsMore }
    return place
  }

  /// What a string turned out to hold. `end` is the place of its closing quote.
  struct StringEnd {
    var end: Place
    var hasEscapes: Bool
    /// Whether each escape is the one that the canonical form would use.
    var isCanonical: Bool
  }

  /// A string, from the byte behind its opening quote; checks escapes and UTF-8 (RFC 3629, section 4).
  @inline(__always)
  func string(_ from: Place) throws(JSONStop) -> StringEnd {
    var place = from
    var result = StringEnd(end: from, hasEscapes: false, isCanonical: true)
    while true {
      let stop = JSONLexer.stopMask(JSONLexer.word(place))
      guard stop != 0 else {
        place += 8
        continue
      }
      place += stop.trailingZeroBitCount >> 3
      let byte = place.pointee
      if byte == UInt8(ascii: "\"") {
        result.end = place
        return result
      } else if byte >= 0x80 {
        place = try scalars(place)
      } else if byte == UInt8(ascii: "\\") {
        result.hasEscapes = true
        let (behind, isCanonical) = try escape(place)
        if !isCanonical { result.isCanonical = false }
        place = behind
      } else {
        throw brokenString(place)
      }
    }
  }

  @inline(never)
  private func brokenString(_ place: Place) -> JSONStop {
    if place >= end { return isFinal ? invalid(end, "the text ends within a string") : .needsMore }
    if place.pointee == 0x0A { return invalid(place, "the line ends within a string") }
    return invalid(place, "a control character, which a string may hold only as an escape")
  }

  /// The places, as high bits of bytes, of quotes, backslashes, control characters and bytes past ASCII. Only the
  /// lowest bit set is meant: those above it may be wrong.
  @inline(__always)
  static func stopMask(_ word: UInt64) -> UInt64 {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let quote = word ^ 0x2222_2222_2222_2222
    let backslash = word ^ 0x5C5C_5C5C_5C5C_5C5C
    let control = (word &- 0x2020_2020_2020_2020) & ~word
    return (((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash) | control | word) & 0x8080_8080_8080_8080
  }

  @inline(__always)
  static func word(_ place: Place) -> UInt64 {
    UInt64(littleEndian: UnsafeRawPointer(place).loadUnaligned(as: UInt64.self))
  }

  @inline(__always)
  static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

  /// Scalars past ASCII, as many as follow each other; the place behind them.
  private func scalars(_ from: Place) throws(JSONStop) -> Place {
    var place = from
    while place.pointee >= 0x80 {
      let first = place.pointee
      let second = place[1]
      var length = 0
      switch first {
      case 0xC2...0xDF: length = second & 0xC0 == 0x80 ? 2 : 0
      case 0xE0: length = (0xA0...0xBF).contains(second) ? 3 : 0
      case 0xED: length = (0x80...0x9F).contains(second) ? 3 : 0
      case 0xE1...0xEF: length = second & 0xC0 == 0x80 ? 3 : 0
      case 0xF0: length = (0x90...0xBF).contains(second) ? 4 : 0
      case 0xF1...0xF3: length = second & 0xC0 == 0x80 ? 4 : 0
      case 0xF4: length = (0x80...0x8F).contains(second) ? 4 : 0
      default: throw invalid(place, "a byte that is no UTF-8")
      }
      // Zeros behind the end continue no sequence, so that a cut one never looks whole.
      if length == 0 || (length > 2 && place[2] & 0xC0 != 0x80) || (length > 3 && place[3] & 0xC0 != 0x80) {
        throw brokenScalar(place)
      }
      place += length
    }
    return place
  }

  @inline(never)
  private func brokenScalar(_ place: Place) -> JSONStop {
    let first = place.pointee
    let length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    // Cut by the end if all that is there would do: a second byte has bounds of its own.
    if end - place < length, !isFinal {
      let second: ClosedRange<UInt8> =
        switch first {
        case 0xE0: 0xA0...0xBF
        case 0xED: 0x80...0x9F
        case 0xF0: 0x90...0xBF
        case 0xF4: 0x80...0x8F
        default: 0x80...0xBF
        }
      let isCut =
        (end - place < 2 || second.contains(place[1])) && (end - place < 3 || place[2] & 0xC0 == 0x80)
      if isCut { return .needsMore }
    }
    return invalid(place, "a byte that is no UTF-8")
  }

  /// An escape, from its backslash; the place behind it, and whether the canonical form would use it.
  private func escape(_ place: Place) throws(JSONStop) -> (Place, isCanonical: Bool) {
    switch place[1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
      UInt8(ascii: "r"), UInt8(ascii: "t"):
      return (place + 2, true)
    case UInt8(ascii: "/"): return (place + 2, false)
    case UInt8(ascii: "u"):
      let unit = try hexUnit(place + 2)
      switch unit {
      case 0xD800...0xDBFF:
        for (index, byte) in [UInt8(ascii: "\\"), UInt8(ascii: "u")].enumerated() where place[6 + index] != byte {
          if place + 6 + index >= end, !isFinal { throw .needsMore }
          throw invalid(place, "half of a surrogate pair")
        }
        guard (0xDC00...0xDFFF).contains(try hexUnit(place + 8)) else {
          throw invalid(place, "half of a surrogate pair")
        }
        return (place + 12, false)
      case 0xDC00...0xDFFF: throw invalid(place, "half of a surrogate pair")
      case 0x08, 0x09, 0x0A, 0x0C, 0x0D: return (place + 6, false)
      case 0..<0x20: return (place + 6, place[5] < UInt8(ascii: "A") || place[5] >= UInt8(ascii: "a"))
      default: return (place + 6, false)
      }
    default: throw unexpected(place + 1, expected: "an escape")
    }
  }

  private func hexUnit(_ place: Place) throws(JSONStop) -> UInt32 {
    var unit: UInt32 = 0
    for index in 0..<4 {
      guard let digit = JSONLexer.hexDigit(place[index]) else {
        throw unexpected(place + index, expected: "a hexadecimal digit")
      }
      unit = unit << 4 | digit
    }
    return unit
  }

  @inline(__always)
  static func hexDigit(_ byte: UInt8) -> UInt32? {
    switch byte {
    case 0x30...0x39: UInt32(byte - 0x30)
    case 0x41...0x46: UInt32(byte - 0x41 + 10)
    case 0x61...0x66: UInt32(byte - 0x61 + 10)
    default: nil
    }
  }

  /// Writes what a checked string stands for, without its escapes; returns the place behind it.
  ///
  /// `into` must have room for the bytes from `from` to `end`: no escape is shorter than what it stands for.
  static func unescape(
    _ from: Place, _ end: Place, into: UnsafeMutablePointer<UInt8>
  ) -> UnsafeMutablePointer<UInt8> {
    var place = from
    var out = into
    func unit(_ place: Place) -> UInt32 { (0..<4).reduce(0) { $0 << 4 | (hexDigit(place[$1]) ?? 0) } }
    while place < end {
      guard place.pointee == UInt8(ascii: "\\") else {
        out.pointee = place.pointee
        place += 1
        out += 1
        continue
      }
      var scalar: UInt32
      switch place[1] {
      case UInt8(ascii: "b"): scalar = 0x08
      case UInt8(ascii: "t"): scalar = 0x09
      case UInt8(ascii: "n"): scalar = 0x0A
      case UInt8(ascii: "f"): scalar = 0x0C
      case UInt8(ascii: "r"): scalar = 0x0D
      case UInt8(ascii: "u"):
        scalar = unit(place + 2)
        if scalar & 0xFC00 == 0xD800 {
          scalar = 0x10000 + (scalar & 0x3FF) << 10 + (unit(place + 8) & 0x3FF)
          place += 6
        }
        place += 4
      default: scalar = UInt32(place[1])
      }
      place += 2
      out = encode(scalar, into: out)
    }
    return out
  }

  private static func encode(_ scalar: UInt32, into out: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
    func tail(_ shift: UInt32) -> UInt8 { 0x80 | UInt8(truncatingIfNeeded: scalar >> shift) & 0x3F }
    switch scalar {
    case 0..<0x80:
      out[0] = UInt8(truncatingIfNeeded: scalar)
      return out + 1
    case 0..<0x800:
      out[0] = 0xC0 | UInt8(truncatingIfNeeded: scalar >> 6)
      out[1] = tail(0)
      return out + 2
    case 0..<0x10000:
      out[0] = 0xE0 | UInt8(truncatingIfNeeded: scalar >> 12)
      out[1] = tail(6)
      out[2] = tail(0)
      return out + 3
    default:
      out[0] = 0xF0 | UInt8(truncatingIfNeeded: scalar >> 18)
      out[1] = tail(12)
      out[2] = tail(6)
      out[3] = tail(0)
      return out + 4
    }
  }
}
