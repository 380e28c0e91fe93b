/// Bytes that grow at their end, written through a pointer: the encoder's output, where every byte counts.
struct ByteBuffer: ~Copyable {
  private(set) var base: UnsafeMutablePointer<UInt8>
  private(set) var count = 0
  private var capacity: Int

  init(capacity: Int = 1 << 12) {
    self.capacity = max(capacity, 64)
    base = UnsafeMutablePointer.allocate(capacity: self.capacity)
  }

  deinit { base.deallocate() }

  var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: count) }

  mutating func removeAll() { count = 0 }

  /// Room for that many more bytes; the place where they go. `advance` says how many were written.
  @inline(__always)
  mutating func room(_ more: Int) -> UnsafeMutablePointer<UInt8> {
    if capacity - count < more { grow(more) }
    return base + count
  }

  @inline(__always)
  mutating func advance(_ written: Int) { count += written }

  private mutating func grow(_ more: Int) {
    let larger = max(2 * capacity, count + more)
    let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
    moved.update(from: base, count: count)
    base.deallocate()
    base = moved
    capacity = larger
  }

  @inline(__always)
  mutating func append(_ byte: UInt8) {
    room(1).pointee = byte
    count += 1
  }

  @inline(__always)
  mutating func append(_ text: StaticString) {
    room(text.utf8CodeUnitCount).update(from: text.utf8Start, count: text.utf8CodeUnitCount)
    count += text.utf8CodeUnitCount
  }

  @inline(__always)
  mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let start = bytes.baseAddress else { return }
    room(bytes.count).update(from: start, count: bytes.count)
    count += bytes.count
  }

  mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBufferPointer { append($0) } }
}

// MARK: JSON

extension ByteBuffer {
  /// UTF-8 text as a JSON string, escaped as orjson escapes: `"`, `\` and control characters, shortly where JSON can.
  mutating func append(string text: UnsafeBufferPointer<UInt8>) {
    // A control character takes six bytes at most.
    var out = room(6 * text.count + 2 + 16)
    let start = out
    out.pointee = UInt8(ascii: "\"")
    out += 1
    var index = 0
    if let source = text.baseAddress {
      while index < text.count {
        if text.count - index >= 8 {
          let word = UnsafeRawPointer(source + index).loadUnaligned(as: UInt64.self)
          if !ByteBuffer.needsEscape(word) {
            UnsafeMutableRawPointer(out).storeBytes(of: word, as: UInt64.self)
            out += 8
            index += 8
            continue
          }
        }
        let end = min(index + 8, text.count)
        while index < end {
          let byte = source[index]
          index += 1
          if byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") {
            out.pointee = byte
            out += 1
          } else {
            out = ByteBuffer.escape(byte, to: out)
          }
        }
      }
    }
    out.pointee = UInt8(ascii: "\"")
    out += 1
    count += out - start
  }

  /// Whether one of eight bytes is a control character, a quote or a backslash: each in turn is made to borrow from its
  /// highest bit.
  @inline(__always)
  private static func needsEscape(_ word: UInt64) -> Bool {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let quotes = word ^ ones &* UInt64(UInt8(ascii: "\""))
    let backslashes = word ^ ones &* UInt64(UInt8(ascii: "\\"))
    let borrows = (word &- ones &* 0x20) & ~word | (quotes &- ones) & ~quotes | (backslashes &- ones) & ~backslashes
    return borrows & (ones &* 0x80) != 0
  }

  private static func escape(_ byte: UInt8, to place: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
    place[0] = UInt8(ascii: "\\")
    switch byte {
    case 0x08: place[1] = UInt8(ascii: "b")
    case 0x09: place[1] = UInt8(ascii: "t")
    case 0x0A: place[1] = UInt8(ascii: "n")
    case 0x0C: place[1] = UInt8(ascii: "f")
    case 0x0D: place[1] = UInt8(ascii: "r")
    case 0..<0x20:
      place[1] = UInt8(ascii: "u")
      place[2] = UInt8(ascii: "0")
      place[3] = UInt8(ascii: "0")
      place[4] = UInt8(ascii: "0") + (byte >> 4)
      place[5] = byte & 15 < 10 ? UInt8(ascii: "0") + (byte & 15) : UInt8(ascii: "a") - 10 + (byte & 15)
      return place + 6
    default: place[1] = byte
    }
    return place + 2
  }

  mutating func append(integer value: Int64) {
    var out = room(20)
    let start = out
    if value < 0 {
      out.pointee = UInt8(ascii: "-")
      out += 1
    }
    out = ByteBuffer.digits(of: value.magnitude, to: out)
    count += out - start
  }

  /// At least one digit.
  static func digits(of value: UInt64, to place: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
    var length = 1
    var bound: UInt64 = 10
    while value >= bound {
      length += 1
      let (next, isTooLarge) = bound.multipliedReportingOverflow(by: 10)
      if isTooLarge { break }
      bound = next
    }
    var rest = value
    var index = length
    while index > 0 {
      index -= 1
      let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
      place[index] = UInt8(ascii: "0") + UInt8(digit)
      rest = quotient
    }
    return place + length
  }
}
