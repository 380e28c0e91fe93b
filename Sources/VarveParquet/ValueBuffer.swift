internal import Glibc
internal import VarveTables

/// Values being decoded: what becomes the `Column.Values` of a batch, or a chunk's dictionary.
final class ValueBuffer {
  let storage: DataType.Storage
  /// Int64, Double or Int128, end to end.
  let numbers = ByteBuffer()
  /// Int, as in `ByteValues`.
  let ends = ByteBuffer()
  let text = ByteBuffer()

  init(_ storage: DataType.Storage) { self.storage = storage }

  var stride: Int { storage == .int128 ? 16 : 8 }

  var count: Int { storage == .bytes ? ends.count / 8 : numbers.count / stride }

  func removeAll() {
    numbers.removeAll()
    ends.removeAll()
    text.removeAll()
  }

  /// Room for `count` numbers behind those there; `advance` takes them into use.
  func reserveNumbers<T: BitwiseCopyable>(_ count: Int, as type: T.Type) -> UnsafeMutablePointer<T> {
    numbers.reserve(count * MemoryLayout<T>.stride).assumingMemoryBound(to: T.self)
  }

  func advanceNumbers(_ count: Int) { numbers.advance(count * stride) }

  func appendBytes(_ bytes: UnsafeRawPointer, _ count: Int) {
    text.append(bytes, count: count)
    ends.append(text.count)
  }

  /// Where byte string `index` lies.
  func range(_ index: Int) -> Range<Int> {
    let ends = ends.values(of: Int.self)
    return (index == 0 ? 0 : ends[index - 1])..<ends[index]
  }

  /// Gives each of `rows` levels from value `base` on its slot: those equal to `full` have a value, in order, the others
  /// get zero or no bytes.
  func spread(from base: Int, _ levels: UnsafePointer<UInt8>, rows: Int, full: UInt8) {
    switch storage {
    case .int64, .double: spreadNumbers(from: base, levels, rows, full, as: Int64.self)
    case .int128: spreadNumbers(from: base, levels, rows, full, as: Int128.self)
    case .bytes:
      let values = count - base
      _ = ends.reserve((rows - values) * 8)
      ends.advance((rows - values) * 8)
      let all = ends.base.assumingMemoryBound(to: Int.self)
      var last = base + values - 1
      for row in Swift.stride(from: rows - 1, through: 0, by: -1) {
        all[base + row] = last < 0 ? 0 : all[last]
        last -= levels[row] == full ? 1 : 0
      }
    }
  }

  private func spreadNumbers<T: FixedWidthInteger & BitwiseCopyable>(
    from base: Int, _ levels: UnsafePointer<UInt8>, _ rows: Int, _ full: UInt8, as type: T.Type
  ) {
    let values = count - base
    _ = reserveNumbers(rows - values, as: T.self)
    advanceNumbers(rows - values)
    let all = numbers.base.assumingMemoryBound(to: T.self) + base
    var last = values - 1
    for row in Swift.stride(from: rows - 1, through: 0, by: -1) {
      if levels[row] == full {
        all[row] = all[last]
        last -= 1
      } else {
        all[row] = 0
      }
    }
  }

  /// What there is, as the values of a column.
  func columnValues() -> Column.Values {
    switch storage {
    case .int64: .int64(Array(numbers.values(of: Int64.self)))
    case .int128: .int128(Array(numbers.values(of: Int128.self)))
    case .double: .double(Array(numbers.values(of: Double.self)))
    case .bytes: .bytes(ByteValues(bytes: text.array(), ends: Array(ends.values(of: Int.self))))
    }
  }

  /// Whether the byte strings from `first` on are UTF-8, each for itself.
  func isUTF8(from first: Int) -> Bool {
    guard first < count else { return true }
    let start = range(first).lowerBound
    let bytes = UnsafeRawBufferPointer(rebasing: text.bytes[start...])
    if ValueBuffer.isASCII(bytes) { return true }
    let all = bytes.assumingMemoryBound(to: UInt8.self)
    guard (try? UTF8Span(validating: all.span)) != nil else { return false }
    // End to end they are UTF-8: then each is, if none starts within a code point.
    for index in first..<count {
      let range = range(index)
      if !range.isEmpty, all[range.lowerBound - start] & 0xC0 == 0x80 { return false }
    }
    return true
  }

  private static func isASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var high: UInt64 = 0
    var at = 0
    while at + 8 <= bytes.count {
      high |= bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
      at += 8
    }
    var rest: UInt8 = 0
    while at < bytes.count {
      rest |= bytes[at]
      at += 1
    }
    return high & 0x8080_8080_8080_8080 == 0 && rest < 0x80
  }
}
