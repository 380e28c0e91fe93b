import Glibc
import VarveTables

/// The text of a CSV file: UTF-8, checked, without its byte order mark, as much of it in memory as is asked for.
final class CSVText {
  /// What of the text is there and was not let go yet. Behind it lie `padding` bytes that may be read.
  var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: memory + start, count: end - start) }
  /// No text will follow.
  private(set) var isAtEnd = false
  /// What is wrong directly behind `bytes`, once everything before it was read.
  private(set) var fault: Fault?

  struct Fault {
    /// In the file, where that is known.
    var offset: Int?
    var what: String
    var advice: String?
  }

  static let padding = 64

  /// Hands the next bytes of the file on; false at its end.
  typealias Source = (_ take: (UnsafeBufferPointer<UInt8>) throws -> Void) throws -> Bool

  private let name: String
  private let source: Source
  private var decoder: TextDecoder?
  private var isStarted = false
  private var memory: UnsafeMutablePointer<UInt8>
  private var capacity = 1 << 16
  private var start = 0
  private var end = 0
  /// Checked up to here; what is behind it is the beginning of a character.
  private var checked = 0
  /// Offset in the file of the byte at `checked`, of text that is not decoded.
  private var checkedOffset = 0
  private let encoding: String?

  init(name: String, encoding: String?, _ source: @escaping Source) throws {
    self.name = name
    self.source = source
    self.encoding = encoding
    memory = .allocate(capacity: capacity + Self.padding)
    memory.initialize(repeating: 0, count: capacity + Self.padding)
    if let encoding, !TextDecoder.isUTF8(encoding) { decoder = try TextDecoder(encoding) }
  }

  deinit { memory.deallocate() }

  /// Lets the first bytes go.
  func drop(_ count: Int) { start += count }

  /// Reads until at least `wanted` bytes are there, or there are no more before the end or a fault.
  func fill(atLeast wanted: Int) throws {
    while end - start < wanted, !isAtEnd, fault == nil { try readChunk() }
  }

  private func readChunk() throws {
    let isThere = try source { chunk in
      if !isStarted { try begin(chunk) }
      if let decoder {
        try decoder.decode(chunk) { append($0) }
      } else {
        append(chunk)
      }
    }
    if !isThere {
      if !isStarted { throw Problem(.failed, at: [name], "the file is empty") }
      isAtEnd = true
    }
    if let decoder, let offset = decoder.fault ?? (isAtEnd ? decoder.pendingOffset : nil) {
      // Decoded text is UTF-8 by construction; only NUL is left to be looked for.
      check(isFinal: true)
      if fault == nil {
        fault = Fault(
          offset: offset, what: "bytes that are no text in \(decoder.name)", advice: "give the right --encoding")
      }
    } else {
      check(isFinal: isAtEnd)
    }
  }

  /// Looks at the byte order mark.
  private func begin(_ chunk: UnsafeBufferPointer<UInt8>) throws {
    isStarted = true
    if decoder == nil, encoding == nil {
      if chunk.starts(with: [0xFF, 0xFE]) { decoder = try TextDecoder("UTF-16LE") }
      if chunk.starts(with: [0xFE, 0xFF]) { decoder = try TextDecoder("UTF-16BE") }
    }
  }

  private func append(_ chunk: UnsafeBufferPointer<UInt8>) {
    if end + chunk.count > capacity {
      let held = end - start
      let room = max(capacity, (held + chunk.count) * 2)
      let target: UnsafeMutablePointer<UInt8>
      if room > capacity {
        target = .allocate(capacity: room + Self.padding)
        target.initialize(repeating: 0, count: room + Self.padding)
        target.update(from: memory + start, count: held)
        memory.deallocate()
        memory = target
        capacity = room
      } else {
        memmove(memory, memory + start, held)
      }
      checked -= start
      end = held
      start = 0
    }
    (memory + end).update(from: chunk.baseAddress!, count: chunk.count)
    end += chunk.count
  }

  /// Looks at what is new: a byte order mark, NUL, and bytes that are no UTF-8. Text ends before the first of them.
  private func check(isFinal: Bool) {
    if checkedOffset == 0, checked == 0, end >= 3, memory[0] == 0xEF, memory[1] == 0xBB, memory[2] == 0xBF {
      start = 3
      checked = 3
      checkedOffset = 3
    }
    let new = UnsafeBufferPointer(start: memory + checked, count: end - checked)
    let valid = UTF8Check.validCount(new)
    let zero =
      valid == 0 ? nil : memchr(new.baseAddress!, 0, valid).map { $0 - UnsafeMutableRawPointer(memory + checked) }
    let good = zero ?? valid
    checked += good
    checkedOffset += good
    let rest = end - checked
    if rest == 0 || (zero == nil && rest < 4 && !isFinal && UTF8Check.isBeginning(new[valid...])) { return }
    let offset = decoder == nil ? checkedOffset : nil
    if zero != nil {
      fault = Fault(
        offset: offset, what: "a NUL byte, which text does not have", advice: "give --encoding UTF-16LE if it is UTF-16"
      )
    } else {
      fault = Fault(offset: offset, what: "bytes that are no UTF-8", advice: "give --encoding, such as windows-1252")
    }
    end = checked
  }
}

/// Bytes of another encoding into UTF-8, by the C library's iconv.
private final class TextDecoder {
  let name: String
  /// Offset in the file of the first byte that is no text.
  private(set) var fault: Int?
  private let descriptor: iconv_t
  private var pending: [UInt8] = []
  private var offset = 0
  private var output = [UInt8](repeating: 0, count: 64 << 10)
  private var isStarted = false

  static func isUTF8(_ name: String) -> Bool { ["utf-8", "utf8"].contains(name.lowercased()) }

  init(_ name: String) throws {
    // A suffix such as //IGNORE would drop what cannot be read.
    guard !name.contains("/"), let descriptor = iconv_open("UTF-8", name), descriptor != iconv_t(bitPattern: -1) else {
      throw Problem(
        .failed, "there is no encoding \"\(name)\"",
        advice: "name one that `iconv --list` shows, such as windows-1252 or iso-8859-15")
    }
    self.name = name
    self.descriptor = descriptor
  }

  deinit { iconv_close(descriptor) }

  /// Where the unfinished character at the end of the file begins.
  var pendingOffset: Int? { pending.isEmpty ? nil : offset }

  func decode(_ chunk: UnsafeBufferPointer<UInt8>, _ take: (UnsafeBufferPointer<UInt8>) -> Void) throws {
    if fault != nil { return }
    var bytes = pending + chunk
    pending = []
    let count = bytes.count
    let used: Int = bytes.withUnsafeMutableBytes { bytes in
      var from = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      var fromLeft = count
      while fromLeft > 0 {
        let (result, code, written) = output.withUnsafeMutableBytes { output in
          var to = output.baseAddress?.assumingMemoryBound(to: CChar.self)
          var toLeft = output.count
          let result = iconv(descriptor, &from, &fromLeft, &to, &toLeft)
          return (result, errno, output.count - toLeft)
        }
        output.withUnsafeBufferPointer { take(UnsafeBufferPointer(rebasing: $0[..<written])) }
        if result != Int(bitPattern: UInt.max) || code == E2BIG { continue }
        if code != EINVAL { fault = offset + count - fromLeft }
        break
      }
      return count - fromLeft
    }
    offset += used
    if fault == nil { pending = Array(bytes[used...]) }
  }
}

/// Well-formed UTF-8 (Unicode 15, table 3-7).
enum UTF8Check {
  /// How many bytes, from the start, are whole characters.
  static func validCount(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
    guard let base = bytes.baseAddress else { return 0 }
    let raw = UnsafeRawPointer(base)
    let count = bytes.count
    var index = 0
    while true {
      while index + 32 <= count {
        let first = raw.loadUnaligned(fromByteOffset: index, as: SIMD4<UInt64>.self)
        if (first[0] | first[1] | first[2] | first[3]) & 0x8080_8080_8080_8080 != 0 { break }
        index += 32
      }
      while index < count, base[index] < 0x80 { index += 1 }
      // Text in other scripts comes in runs.
      while index < count, base[index] >= 0x80 {
        let length = characterLength(base + index, count - index)
        if length == 0 { return index }
        index += length
      }
      if index == count { return index }
    }
  }

  /// Of a character that is not ASCII; 0 when it is none, or not all there.
  @inline(__always)
  private static func characterLength(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    let first = bytes[0]
    func isTail(_ index: Int) -> Bool { bytes[index] & 0xC0 == 0x80 }
    switch first {
    case 0xC2...0xDF: return count >= 2 && isTail(1) ? 2 : 0
    case 0xE0...0xEF:
      guard count >= 3, isTail(1), isTail(2) else { return 0 }
      if first == 0xE0, bytes[1] < 0xA0 { return 0 }
      if first == 0xED, bytes[1] > 0x9F { return 0 }
      return 3
    case 0xF0...0xF4:
      guard count >= 4, isTail(1), isTail(2), isTail(3) else { return 0 }
      if first == 0xF0, bytes[1] < 0x90 { return 0 }
      if first == 0xF4, bytes[1] > 0x8F { return 0 }
      return 4
    default: return 0
    }
  }

  /// Whether more bytes could make a character of these, at most three.
  static func isBeginning(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    guard let first = bytes.first else { return false }
    let length = first >= 0xF0 ? 4 : (first >= 0xE0 ? 3 : 2)
    guard first >= 0xC2, first <= 0xF4, bytes.count < length else { return false }
    return bytes.dropFirst().allSatisfy { $0 & 0xC0 == 0x80 }
  }
}
