import VarveTables

/// The columns of the batch being read. A record's cells are written before it is known whether it is one; only
/// `keepRow` makes them count.
struct CSVColumns: ~Copyable {
  struct Memory: BitwiseCopyable {
    var kinds: UnsafeMutablePointer<RawKind>
    var ends: UnsafeMutablePointer<Int>
    var bytes: UnsafeMutablePointer<UInt8>
    var byteCapacity: Int
  }

  let count: Int
  let rowsMax: Int
  private(set) var rowCount = 0
  private(set) var byteCount = 0
  private let memory: UnsafeMutablePointer<Memory>

  /// Rows times columns of a batch, so that one of many columns has few rows.
  private static let cellsMax = 1 << 20
  /// Fields are copied eight bytes at a time.
  static let padding = 16

  init(count: Int) {
    self.count = count
    rowsMax = min(FeedLimits.batchRowsMax, max(1, Self.cellsMax / max(1, count)))
    memory = .allocate(capacity: max(1, count))
    for column in 0..<count {
      let byteCapacity = rowsMax * 8
      memory[column] = Memory(
        kinds: .allocate(capacity: rowsMax), ends: .allocate(capacity: rowsMax),
        bytes: .allocate(capacity: byteCapacity + Self.padding), byteCapacity: byteCapacity)
    }
  }

  deinit {
    for column in 0..<count {
      memory[column].kinds.deallocate()
      memory[column].ends.deallocate()
      memory[column].bytes.deallocate()
    }
    memory.deallocate()
  }

  var isFull: Bool { rowCount == rowsMax || byteCount >= FeedLimits.batchBytesMax }

  subscript(_ column: Int) -> UnsafeMutablePointer<Memory> {
    @inline(__always) get { memory + column }
  }

  /// Room for that many more bytes behind `used`.
  static func grow(_ column: UnsafeMutablePointer<Memory>, used: Int, by more: Int) {
    let capacity = max(column.pointee.byteCapacity * 2, used + more)
    let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity + padding)
    bytes.update(from: column.pointee.bytes, count: used)
    column.pointee.bytes.deallocate()
    column.pointee.bytes = bytes
    column.pointee.byteCapacity = capacity
  }

  /// The present record is a row.
  mutating func keepRow(byteCount: Int) {
    rowCount += 1
    self.byteCount += byteCount
  }

  /// The rows so far, as columns of those names.
  mutating func take(_ names: [String]) -> [RawColumn] {
    defer {
      rowCount = 0
      byteCount = 0
    }
    return (0..<count).map { index in
      let column = memory[index]
      let used = rowCount == 0 ? 0 : column.ends[rowCount - 1]
      return RawColumn(
        name: names[index], kinds: Array(UnsafeBufferPointer(start: column.kinds, count: rowCount)),
        ends: Array(UnsafeBufferPointer(start: column.ends, count: rowCount)),
        bytes: Array(UnsafeBufferPointer(start: column.bytes, count: used)))
    }
  }
}
