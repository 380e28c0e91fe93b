extension RowScanner {
  /// A place in bytes that end with zeros. It moves only over what it knows.
  struct Cursor {
    private(set) var at: UnsafePointer<UInt8>
    let end: UnsafePointer<UInt8>
    /// Whether something was missed because the bytes end.
    private(set) var ranOut = false

    init(at: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>) {
      self.at = at
      self.end = end
    }

    /// Call where something known was expected and is not.
    mutating func noteEnd() { if at >= end { ranOut = true } }

    @inline(__always)
    mutating func skipBlanks() {
      while CellText.isBlank(at.pointee) { at += 1 }
    }

    /// Moves over `expected` if it comes next.
    @inline(__always)
    mutating func take(_ expected: StaticString) -> Bool {
      let count = expected.utf8CodeUnitCount
      for index in 0..<count where at[index] != expected.utf8Start[index] {
        if at + index >= end { ranOut = true }
        return false
      }
      at += count
      return true
    }

    /// Moves to the next attribute of a tag, if there is one.
    @inline(__always)
    mutating func nextAttribute() -> Bool {
      guard CellText.isBlank(at.pointee) else { return false }
      skipBlanks()
      return at.pointee != UInt8(ascii: ">") && at.pointee != UInt8(ascii: "/")
    }

    /// The name before `=`.
    @inline(__always)
    mutating func attributeName() -> UnsafeBufferPointer<UInt8>? {
      let start = at
      while at.pointee > UInt8(ascii: " "), at.pointee != UInt8(ascii: "="), at.pointee != UInt8(ascii: "<") { at += 1 }
      let name = UnsafeBufferPointer(start: start, count: at - start)
      guard at.pointee == UInt8(ascii: "=") else {
        noteEnd()
        return nil
      }
      at += 1
      return name
    }

    /// The value in quotes: ASCII without references.
    @inline(__always)
    mutating func attributeValue() -> UnsafeBufferPointer<UInt8>? {
      let quote = at.pointee
      guard quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
        noteEnd()
        return nil
      }
      at += 1
      let start = at
      while at.pointee != quote {
        switch at.pointee {
        case UInt8(ascii: "<"), UInt8(ascii: "&"), 0..<0x20, 0x7F...:
          noteEnd()
          return nil
        default: at += 1
        }
      }
      let value = UnsafeBufferPointer(start: start, count: at - start)
      at += 1
      return value
    }

    /// Moves over ASCII that is text and nothing else.
    @inline(__always)
    mutating func plainText() -> UnsafeBufferPointer<UInt8> {
      let start = at
      while isPlain[Int(at.pointee)] { at += 1 }
      return UnsafeBufferPointer(start: start, count: at - start)
    }

    /// Moves over one character beyond ASCII that XML allows (RFC 3629, section 4; XML 1.0, 2.2).
    mutating func character() -> UnsafeBufferPointer<UInt8>? {
      let start = at
      let (length, least): (Int, UInt32)
      switch at.pointee {
      case 0xC2...0xDF: (length, least) = (2, 0x80)
      case 0xE0...0xEF: (length, least) = (3, 0x800)
      case 0xF0...0xF4: (length, least) = (4, 0x10000)
      default: return nil
      }
      var scalar = UInt32(at.pointee) & (0xFF >> UInt32(length + 1))
      for index in 1..<length {
        guard at[index] & 0xC0 == 0x80 else {
          if at + index >= end { ranOut = true }
          return nil
        }
        scalar = scalar << 6 | UInt32(at[index] & 0x3F)
      }
      guard scalar >= least, Self.isCharacter(scalar) else { return nil }
      at += length
      return UnsafeBufferPointer(start: start, count: length)
    }

    /// Moves over a reference to one of the five predefined entities or to a character.
    mutating func reference() -> Unicode.Scalar? {
      if take("&amp;") { return "&" }
      if take("&lt;") { return "<" }
      if take("&gt;") { return ">" }
      if take("&quot;") { return "\"" }
      if take("&apos;") { return "'" }
      guard take("&#") else { return nil }
      let radix: UInt32 = take("x") ? 16 : 10
      var scalar: UInt32 = 0
      var digits = 0
      while at.pointee != UInt8(ascii: ";") {
        let digit: UInt32
        switch at.pointee {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt32(at.pointee - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = UInt32(at.pointee - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = UInt32(at.pointee - UInt8(ascii: "A")) + 10
        default:
          noteEnd()
          return nil
        }
        digits += 1
        guard digit < radix, digits <= 7 else { return nil }
        scalar = scalar * radix + digit
        at += 1
      }
      at += 1
      return digits > 0 && Self.isCharacter(scalar) ? Unicode.Scalar(scalar) : nil
    }

    private static func isCharacter(_ scalar: UInt32) -> Bool {
      switch scalar {
      case 0x9, 0xA, 0xD, 0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: true
      default: false
      }
    }
  }
}

/// ASCII that stands for itself in text. A carriage return may become a line feed, and `>` may end a `]]>`.
private let isPlain: [Bool] = (0..<256).map { byte in
  switch UInt8(byte) {
  case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"): false
  case 0x09, 0x0A, 0x20...0x7F: true
  default: false
  }
}
