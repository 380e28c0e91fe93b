internal import Glibc
import VarveTables

/// The values of some columns, row by row, as byte strings: equal rows have equal strings, and strings compared
/// byte by byte order the rows column by column, nulls first, numbers by value, text by its UTF-8 bytes.
///
/// A value is a tag (0 for null, else its type's) and: whole numbers big-endian with the sign bit turned, doubles
/// likewise with negative ones inverted (so -0.0 comes before 0.0), text with each byte 0 followed by FF, and a byte 0 at its end.
/// Strings of two batches may be compared when the columns have the same types in both.
struct RowKeys: Sendable {
  private(set) var bytes: [UInt8]
  /// Key i lies between the end of key i-1 (0 for the first) and `ends[i]`.
  private(set) var ends: [Int]

  var count: Int { ends.count }

  func range(_ row: Int) -> Range<Int> { (row == 0 ? 0 : ends[row - 1])..<ends[row] }

  subscript(_ row: Int) -> ArraySlice<UInt8> { bytes[range(row)] }

  init(_ columns: [Column], rowCount: Int) {
    var cursors = [Int](repeating: 0, count: rowCount)
    for column in columns { column.addKeySizes(to: &cursors) }
    var end = 0
    ends = cursors
    for row in 0..<rowCount {
      let size = cursors[row]
      cursors[row] = end
      end += size
      ends[row] = end
    }
    bytes = [UInt8](unsafeUninitializedCapacity: end) { buffer, initialized in
      cursors.withUnsafeMutableBufferPointer { cursors in
        for column in columns { column.writeKeys(into: buffer, at: cursors) }
      }
      initialized = end
    }
  }

  /// The first 16 bytes as a number, those missing as 0: a key with a lower prefix is lower.
  func prefix(_ row: Int) -> UInt128 {
    let range = range(row)
    return bytes.withUnsafeBytes { bytes in
      if range.lowerBound + 16 <= bytes.count {
        let loaded = UInt128(bigEndian: bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: UInt128.self))
        return range.count >= 16 ? loaded : loaded & ~(UInt128.max >> (8 * range.count))
      }
      var prefix: UInt128 = 0
      for place in 0..<min(16, range.count) {
        prefix |= UInt128(bytes[range.lowerBound + place]) << (120 - 8 * place)
      }
      return prefix
    }
  }

  /// Negative, zero or positive as this row's key is below, equal to or above the other's.
  func compare(_ row: Int, with other: RowKeys, _ otherRow: Int) -> Int {
    bytes.withUnsafeBufferPointer { left in
      other.bytes.withUnsafeBufferPointer { right in
        compareBytes(
          UnsafeBufferPointer(rebasing: left[range(row)]), UnsafeBufferPointer(rebasing: right[other.range(otherRow)]))
      }
    }
  }

  /// Whether no row's key is below, or equal to when `strictly`, the key of the row before it.
  func isAscending(strictly: Bool) -> Bool {
    guard count > 1 else { return true }
    for row in 1..<count {
      let order = compare(row - 1, with: self, row)
      if order > 0 || (strictly && order == 0) { return false }
    }
    return true
  }

  /// The tag that stands before every value that is not null, by type.
  fileprivate static func tag(_ type: DataType) -> UInt8 {
    switch type {
    case .boolean: 1
    case .int64: 2
    case .double: 3
    case .decimal: 4
    case .date: 5
    case .timestamp: 6
    case .text: 7
    case .json: 8
    }
  }
}

/// Negative, zero or positive as `left` is below, equal to or above `right`; of two where one begins with the other
/// the longer is above.
func compareBytes(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Int {
  let shared = min(left.count, right.count)
  if shared > 0 {
    let order = memcmp(left.baseAddress!, right.baseAddress!, shared)
    if order != 0 { return Int(order) }
  }
  return left.count - right.count
}

func compareBytes(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
  left.withUnsafeBufferPointer { left in right.withUnsafeBufferPointer { compareBytes(left, $0) } }
}

extension Column {
  fileprivate func addKeySizes(to sizes: inout [Int]) {
    let isPlain = validity.isEmpty
    sizes.withUnsafeMutableBufferPointer { sizes in
      switch values {
      case .int64, .double:
        for row in 0..<count { sizes[row] += isPlain || validity[row] ? 9 : 1 }
      case .int128:
        for row in 0..<count { sizes[row] += isPlain || validity[row] ? 17 : 1 }
      case .bytes(let texts):
        let hasZeros = texts.bytes.contains(0)
        var start = 0
        for row in 0..<count {
          let end = texts.ends[row]
          if isPlain || validity[row] {
            sizes[row] += end - start + 2
            if hasZeros { sizes[row] += texts.bytes[start..<end].reduce(0) { $0 + ($1 == 0 ? 1 : 0) } }
          } else {
            sizes[row] += 1
          }
          start = end
        }
      }
    }
  }

  fileprivate func writeKeys(
    into buffer: UnsafeMutableBufferPointer<UInt8>, at cursors: UnsafeMutableBufferPointer<Int>
  ) {
    let tag = RowKeys.tag(type)
    let isPlain = validity.isEmpty
    let base = UnsafeMutableRawPointer(buffer.baseAddress ?? UnsafeMutablePointer<UInt8>(bitPattern: 1)!)
    validity.withUnsafeBufferPointer { validity in
      /// Writes the tag and says whether a value follows.
      func open(_ row: Int) -> Bool {
        let isValue = isPlain || validity[row]
        buffer[cursors[row]] = isValue ? tag : 0
        cursors[row] += 1
        return isValue
      }
      func write<Bits: FixedWidthInteger>(_ bits: Bits, _ row: Int) {
        base.storeBytes(of: bits.bigEndian, toByteOffset: cursors[row], as: Bits.self)
        cursors[row] += MemoryLayout<Bits>.size
      }
      switch values {
      case .int64(let numbers):
        numbers.withUnsafeBufferPointer { numbers in
          for row in 0..<numbers.count where open(row) {
            write(UInt64(bitPattern: numbers[row]) ^ 1 << 63, row)
          }
        }
      case .int128(let numbers):
        for row in 0..<numbers.count where open(row) { write(UInt128(bitPattern: numbers[row]) ^ 1 << 127, row) }
      case .double(let numbers):
        for row in 0..<numbers.count where open(row) {
          let bits = numbers[row].bitPattern
          write(bits >> 63 == 1 ? ~bits : bits | 1 << 63, row)
        }
      case .bytes(let texts):
        let hasZeros = texts.bytes.contains(0)
        texts.bytes.withUnsafeBufferPointer { bytes in
          var start = 0
          for row in 0..<texts.ends.count {
            let end = texts.ends[row]
            defer { start = end }
            guard open(row) else { continue }
            if hasZeros {
              for byte in bytes[start..<end] {
                buffer[cursors[row]] = byte
                cursors[row] += 1
                if byte == 0 {
                  buffer[cursors[row]] = 0xFF
                  cursors[row] += 1
                }
              }
            } else if end > start {
              (base + cursors[row]).copyMemory(from: bytes.baseAddress! + start, byteCount: end - start)
              cursors[row] += end - start
            }
            buffer[cursors[row]] = 0
            cursors[row] += 1
          }
        }
      }
    }
  }
}
