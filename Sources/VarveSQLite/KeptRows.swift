internal import VarveTables

/// The rows of a table that a join looks at again and again: read once, kept, and found by the hash of their keys.
final class KeptRows {
  let block: RowBlock
  /// The positions in the schema of the block's columns.
  let columns: [Int]
  /// By the columns that make the key.
  private var indexes: [[Int]: RowIndex] = [:]

  init(_ block: RowBlock, columns: [Int]) {
    self.block = block
    self.columns = columns
  }

  /// The chain of rows whose key has the hash of `key`, if the key can be looked up.
  func rows(_ key: [(column: Int, value: Value)]) -> (first: Int32, next: UnsafePointer<Int32>)? {
    guard !key.isEmpty, block.rowCount < Int(Int32.max) else { return nil }
    var hash = RowIndex.seed
    for (_, value) in key {
      guard let part = RowIndex.hash(value) else { return nil }
      hash = RowIndex.combine(hash, part)
    }
    let index = index(key.map(\.column))
    return (index.first(hash), UnsafePointer(index.next))
  }

  private func index(_ keyColumns: [Int]) -> RowIndex {
    if let made = indexes[keyColumns] { return made }
    let places = keyColumns.map { column in
      guard let place = columns.firstIndex(of: column) else { preconditionFailure("a join's key is read") }
      return place
    }
    let index = RowIndex(block, places)
    indexes[keyColumns] = index
    return index
  }
}

/// Chains of rows by the hash of some columns. Rows with a null among them are in none.
final class RowIndex {
  private let heads: UnsafeMutablePointer<Int32>
  private let mask: UInt64
  /// Per row, the next one of its chain, ascending; -1 ends it.
  let next: UnsafeMutablePointer<Int32>

  static let seed: UInt64 = 0x9E37_79B9_7F4A_7C15

  init(_ block: RowBlock, _ columns: [Int]) {
    var buckets = 16
    while buckets < block.rowCount { buckets *= 2 }
    heads = .allocate(capacity: buckets)
    heads.initialize(repeating: -1, count: buckets)
    next = .allocate(capacity: max(1, block.rowCount))
    next.initialize(repeating: -1, count: max(1, block.rowCount))
    mask = UInt64(buckets - 1)
    let parts = columns.map { block.columns[$0] }
    for row in stride(from: block.rowCount - 1, through: 0, by: -1) {
      var hash = RowIndex.seed
      var hasNull = false
      for part in parts {
        if let validity = part.validity, !validity[row] {
          hasNull = true
          break
        }
        hash = RowIndex.combine(hash, RowIndex.hash(part, row))
      }
      if hasNull { continue }
      let bucket = Int(hash & mask)
      next[row] = heads[bucket]
      heads[bucket] = Int32(row)
    }
  }

  deinit {
    heads.deallocate()
    next.deallocate()
  }

  func first(_ hash: UInt64) -> Int32 { heads[Int(hash & mask)] }

  static func combine(_ hash: UInt64, _ part: UInt64) -> UInt64 { mix(hash ^ part) }

  /// Nil for values that no column holds.
  static func hash(_ value: Value) -> UInt64? {
    switch value {
    case .null: nil
    case .boolean(let value): value ? 1 : 0
    case .int64(let value), .date(let value), .timestamp(let value): UInt64(bitPattern: value)
    case .decimal(let unscaled, _): hash(unscaled)
    case .double(let value): hash(value)
    case .text(let text), .json(let text):
      text.utf8.withContiguousStorageIfAvailable { hash($0) } ?? Array(text.utf8).withUnsafeBufferPointer { hash($0) }
    }
  }

  private static func hash(_ column: ColumnBuffer, _ row: Int) -> UInt64 {
    switch column.storage {
    case .int64: return UInt64(bitPattern: column.values.assumingMemoryBound(to: Int64.self)[row])
    case .int128: return hash(column.values.assumingMemoryBound(to: Int128.self)[row])
    case .double: return hash(column.values.assumingMemoryBound(to: Double.self)[row])
    case .bytes:
      let ends = column.values.assumingMemoryBound(to: Int.self)
      let start = row == 0 ? 0 : ends[row - 1]
      return hash(UnsafeBufferPointer(start: column.bytes + start, count: ends[row] - start))
    }
  }

  /// The same for 5 in eight bytes and in sixteen, since a decimal's value does not tell how its column is stored.
  private static func hash(_ value: Int128) -> UInt64 {
    Int64(exactly: value).map { UInt64(bitPattern: $0) }
      ?? mix(UInt64(truncatingIfNeeded: value)) ^ UInt64(truncatingIfNeeded: value >> 64)
  }

  /// The two zeros are equal.
  private static func hash(_ value: Double) -> UInt64 { value == 0 ? 0 : value.bitPattern }

  /// Eight bytes at a time.
  private static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var hash = seed ^ UInt64(bytes.count)
    let raw = UnsafeRawBufferPointer(bytes)
    var index = 0
    while index + 8 <= raw.count {
      hash = mix(hash ^ raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
      index += 8
    }
    var rest: UInt64 = 0
    while index < raw.count {
      rest = rest << 8 | UInt64(raw[index])
      index += 1
    }
    return mix(hash ^ rest)
  }

  /// The finisher of MurmurHash3.
  private static func mix(_ value: UInt64) -> UInt64 {
    var value = value
    value = (value ^ (value >> 33)) &* 0xFF51_AFD7_ED55_8CCD
    value = (value ^ (value >> 33)) &* 0xC4CE_B9FE_1A85_EC53
    return value ^ (value >> 33)
  }
}
