internal import VarveTables

/// The bytes of a deletion vector: a magic number, and a Roaring bitmap of 64-bit row numbers in the portable form
/// (Delta protocol, "Deletion Vector Format"; Roaring's "RoaringFormatSpec").
enum RowBitmap {
  static let magic: UInt32 = 1_681_511_377
  /// Without and with containers of runs.
  private static let cookie: UInt32 = 12_346
  private static let cookieOfRuns: UInt32 = 12_347
  /// Containers of more rows than this are bits.
  private static let arrayRowsMax = 4_096
  private static let containerRows = 1 << 16
  private static let containerBytes = containerRows / 8
  private static let wordsPerContainer = containerRows / 64
  /// From so many containers on their offsets are written even among runs.
  private static let offsetsMin = 4

  // MARK: Writing

  /// Rows lie below 2³², so one 32-bit bitmap holds them all; arrays and bits alone, so that equal rows give equal bytes.
  static func bytes(_ rows: RowSet) -> [UInt8] {
    var containers: [(key: Int, words: ArraySlice<UInt64>, count: Int)] = []
    let words = rows.words
    for start in stride(from: 0, to: words.count, by: wordsPerContainer) {
      let part = words[start..<min(words.count, start + wordsPerContainer)]
      let count = part.reduce(0) { $0 + $1.nonzeroBitCount }
      if count > 0 { containers.append((start / wordsPerContainer, part, count)) }
    }
    precondition((containers.last?.key ?? 0) < 1 << 16, "a file has fewer than 2³² rows")
    var bytes: [UInt8] = []
    func put(_ number: some FixedWidthInteger) {
      withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }
    put(magic)
    put(UInt64(containers.isEmpty ? 0 : 1))
    guard !containers.isEmpty else { return bytes }
    put(UInt32(0))
    let start = bytes.count
    put(cookie)
    put(UInt32(containers.count))
    for container in containers {
      put(UInt16(container.key))
      put(UInt16(container.count - 1))
    }
    var offset = bytes.count - start + 4 * containers.count
    for container in containers {
      put(UInt32(offset))
      offset += container.count <= arrayRowsMax ? 2 * container.count : containerBytes
    }
    for container in containers {
      if container.count > arrayRowsMax {
        for word in container.words { put(word) }
        for _ in container.words.count..<wordsPerContainer { put(UInt64(0)) }
        continue
      }
      for (number, word) in container.words.enumerated() {
        var bits = word
        while bits != 0 {
          put(UInt16(number << 6 | bits.trailingZeroBitCount))
          bits &= bits - 1
        }
      }
    }
    return bytes
  }

  // MARK: Reading

  /// The rows, all of which must lie below `rowCount`. Nil where the bytes are no such bitmap.
  static func rows(_ bytes: [UInt8], rowCount: Int) -> RowSet? {
    var reader = Reader(bytes)
    guard reader.number(UInt32.self) == magic, let bitmaps = reader.number(UInt64.self) else { return nil }
    var rows = RowSet()
    var last: UInt32?
    for _ in 0..<min(bitmaps, UInt64(bytes.count)) {
      guard let key = reader.number(UInt32.self), last.map({ $0 < key }) ?? true,
        read(&reader, high: Int(key) << 32, rowCount: rowCount, into: &rows)
      else { return nil }
      last = key
    }
    return rows
  }

  private struct Reader {
    let bytes: [UInt8]
    var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func number<Number: FixedWidthInteger>(_: Number.Type) -> Number? {
      guard bytes.count - position >= MemoryLayout<Number>.size else { return nil }
      defer { position += MemoryLayout<Number>.size }
      return bytes.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: Number.self)) }
    }
  }

  /// One 32-bit bitmap, whose rows begin at `high`.
  private static func read(_ reader: inout Reader, high: Int, rowCount: Int, into rows: inout RowSet) -> Bool {
    guard let first = reader.number(UInt32.self) else { return false }
    let count: Int
    var isRuns: [Bool] = []
    if first & 0xFFFF == cookieOfRuns {
      count = Int(first >> 16) + 1
      for _ in 0..<(count + 7) / 8 {
        guard let flags = reader.number(UInt8.self) else { return false }
        for bit in 0..<8 { isRuns.append(flags & 1 << UInt8(bit) != 0) }
      }
    } else {
      guard first == cookie, let number = reader.number(UInt32.self), number <= 1 << 16 else { return false }
      count = Int(number)
      isRuns = Array(repeating: false, count: count)
    }
    var headers: [(key: Int, count: Int)] = []
    for _ in 0..<count {
      guard let key = reader.number(UInt16.self), let rows = reader.number(UInt16.self) else { return false }
      headers.append((Int(key), Int(rows) + 1))
    }
    if first == cookie || count >= offsetsMin {
      for _ in 0..<count where reader.number(UInt32.self) == nil { return false }
    }
    for (header, isRun) in zip(headers, isRuns) {
      let base = high + header.key << 16
      func insert(_ row: Int) -> Bool {
        guard base + row < rowCount else { return false }
        rows.insert(base + row)
        return true
      }
      if isRun {
        guard let runs = reader.number(UInt16.self) else { return false }
        for _ in 0..<runs {
          guard let start = reader.number(UInt16.self), let more = reader.number(UInt16.self) else { return false }
          for row in Int(start)...Int(start) + Int(more) where !insert(row) { return false }
        }
      } else if header.count <= arrayRowsMax {
        for _ in 0..<header.count {
          guard let row = reader.number(UInt16.self), insert(Int(row)) else { return false }
        }
      } else {
        for word in 0..<wordsPerContainer {
          guard var bits = reader.number(UInt64.self) else { return false }
          while bits != 0 {
            guard insert(word << 6 | bits.trailingZeroBitCount) else { return false }
            bits &= bits - 1
          }
        }
      }
    }
    return true
  }
}

/// CRC-32 as zlib and Ethernet have it, which files of deletion vectors end with.
func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
  var sum = UInt32.max
  for byte in bytes { sum = crc32Table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ sum >> 8 }
  return ~sum
}

private let crc32Table: [UInt32] = (0..<256).map { number in
  (0..<8).reduce(UInt32(number)) { sum, _ in sum & 1 == 0 ? sum >> 1 : 0xEDB8_8320 ^ sum >> 1 }
}
