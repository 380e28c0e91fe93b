import VarveJSON
import VarveTables

/// Turns tapes of records into raw batches, column by column.
///
/// Where a batch ends depends on the records alone, never on how the feed was sliced.
struct JSONBatchBuilder: ~Copyable {
  /// A column of the batch being built. It may end before the last row: the records since did not have the key.
  struct ColumnMemory: BitwiseCopyable {
    var kinds: UnsafeMutablePointer<RawKind>
    var ends: UnsafeMutablePointer<Int>
    var bytes: UnsafeMutablePointer<UInt8>
    var rowCapacity: Int
    var byteCapacity: Int
    var rows: Int
    var bytesUsed: Int
  }

  private(set) var rowCount = 0
  private var byteCount = 0
  private var positions: [Int] = []
  private let file: String
  private let unit: Origins.Unit
  private var names: [String] = []
  private var columns: UnsafeMutablePointer<ColumnMemory>
  private var columnCapacity = 64

  /// Rows times columns of a batch, so that one of many columns has few rows.
  private static let cellsMax = 1 << 20
  /// Bytes that may be written behind a value, for copying works by words.
  private static let padding = 16

  init(file: String, unit: Origins.Unit) {
    self.file = file
    self.unit = unit
    columns = .allocate(capacity: columnCapacity)
  }

  deinit {
    for column in 0..<names.count {
      columns[column].kinds.deallocate()
      columns[column].ends.deallocate()
      columns[column].bytes.deallocate()
    }
    columns.deallocate()
  }

  /// Takes the records of the scanner's tape from `first` on, until there are no more or the batch is full; the first
  /// one not taken.
  mutating func append(_ scanner: borrowing JSONRecordScanner, from first: Int) -> Int {
    let tape = scanner.tape
    var index = first
    var member = first == 0 ? 0 : tape.records[first - 1].membersEnd
    while index < tape.records.count {
      let record = tape.records[index]
      if isFull(before: UnsafeBufferPointer(start: tape.members + member, count: record.membersEnd - member)) {
        return index
      }
      let row = rowCount
      while member < record.membersEnd {
        let value = tape.members[member]
        let key = Int(value.key)
        if key >= names.count { addColumns(through: key, scanner) }
        let length = Int(value.length)
        let column = columns + key
        if column.pointee.rows < row || row == column.pointee.rowCapacity { fill(column, to: row) }
        let used = column.pointee.bytesUsed
        if used + length + JSONBatchBuilder.padding > column.pointee.byteCapacity { growBytes(column, length) }
        let source = (value.isRewritten ? tape.rewritten : tape.source) + Int(value.start)
        copy(source, to: column.pointee.bytes + used, length)
        column.pointee.bytesUsed = used + length
        column.pointee.ends[row] = used + length
        column.pointee.kinds[row] = JSONBatchBuilder.kind(value.kind)
        column.pointee.rows = row + 1
        byteCount += length
        member += 1
      }
      positions.append(unit == .line ? record.line : record.offset)
      rowCount += 1
      index += 1
    }
    return index
  }

  /// What was taken as a batch, and begins the next one.
  mutating func take() -> RawBatch {
    let columns = names.indices.map { index in
      let column = self.columns + index
      fill(column, to: rowCount)
      column.pointee.rows = 0
      let used = column.pointee.bytesUsed
      column.pointee.bytesUsed = 0
      return RawColumn(
        name: names[index], kinds: Array(UnsafeBufferPointer(start: column.pointee.kinds, count: rowCount)),
        ends: Array(UnsafeBufferPointer(start: column.pointee.ends, count: rowCount)),
        bytes: Array(UnsafeBufferPointer(start: column.pointee.bytes, count: used)))
    }
    let batch = RawBatch(
      columns: columns, rowCount: rowCount, origins: Origins(file: file, unit: unit, positions: positions))
    rowCount = 0
    byteCount = 0
    positions.removeAll(keepingCapacity: true)
    return batch
  }

  @inline(__always)
  private func isFull(before record: UnsafeBufferPointer<JSONMember>) -> Bool {
    if rowCount >= FeedLimits.batchRowsMax || byteCount >= FeedLimits.batchBytesMax { return true }
    // With as many columns as there are at most.
    if (rowCount + 1) * (names.count + record.count) <= JSONBatchBuilder.cellsMax { return false }
    let columnCount = record.reduce(names.count) { max($0, Int($1.key) + 1) }
    return rowCount > 0 && (rowCount + 1) * columnCount > JSONBatchBuilder.cellsMax
  }

  @inline(__always)
  private static func kind(_ kind: JSONKind) -> RawKind {
    switch kind {
    case .null: .null
    case .boolean: .boolean
    case .number: .number
    case .string: .text
    case .nested: .json
    }
  }

  /// Copies by 16 bytes; both sides have as many behind their end.
  @inline(__always)
  private func copy(_ from: UnsafePointer<UInt8>, to into: UnsafeMutablePointer<UInt8>, _ count: Int) {
    if count > 128 {
      into.update(from: from, count: count)
      return
    }
    var done = 0
    while done < count {
      let words = UnsafeRawPointer(from + done).loadUnaligned(as: SIMD2<UInt64>.self)
      UnsafeMutableRawPointer(into + done).storeBytes(of: words, as: SIMD2<UInt64>.self)
      done += 16
    }
  }

  @inline(never)
  private mutating func addColumns(through key: Int, _ scanner: borrowing JSONRecordScanner) {
    if key >= columnCapacity {
      let capacity = max(columnCapacity * 2, key + 1)
      let larger = UnsafeMutablePointer<ColumnMemory>.allocate(capacity: capacity)
      larger.update(from: columns, count: names.count)
      columns.deallocate()
      columns = larger
      columnCapacity = capacity
    }
    while names.count <= key {
      columns[names.count] = ColumnMemory(
        kinds: .allocate(capacity: 16), ends: .allocate(capacity: 16), bytes: .allocate(capacity: 64),
        rowCapacity: 16, byteCapacity: 64, rows: 0, bytesUsed: 0)
      names.append(scanner.key(names.count))
    }
  }

  /// Gives the rows since the last value `.absent`, and makes room for one more.
  @inline(never)
  private func fill(_ column: UnsafeMutablePointer<ColumnMemory>, to row: Int) {
    if row >= column.pointee.rowCapacity {
      let capacity = max(row + 1, column.pointee.rowCapacity * 2)
      column.pointee.kinds = grown(column.pointee.kinds, column.pointee.rows, capacity)
      column.pointee.ends = grown(column.pointee.ends, column.pointee.rows, capacity)
      column.pointee.rowCapacity = capacity
    }
    let rows = column.pointee.rows
    (column.pointee.kinds + rows).update(repeating: .absent, count: row - rows)
    (column.pointee.ends + rows).update(repeating: column.pointee.bytesUsed, count: row - rows)
    column.pointee.rows = row
  }

  @inline(never)
  private func growBytes(_ column: UnsafeMutablePointer<ColumnMemory>, _ length: Int) {
    let used = column.pointee.bytesUsed
    let capacity = max(used + length + JSONBatchBuilder.padding, column.pointee.byteCapacity * 2)
    column.pointee.bytes = grown(column.pointee.bytes, used, capacity)
    column.pointee.byteCapacity = capacity
  }

  private func grown<Element>(
    _ memory: UnsafeMutablePointer<Element>, _ count: Int, _ capacity: Int
  ) -> UnsafeMutablePointer<Element> {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
    larger.update(from: memory, count: count)
    memory.deallocate()
    return larger
  }
}
