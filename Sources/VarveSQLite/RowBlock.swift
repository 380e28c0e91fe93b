internal import VarveTables

/// Rows in memory of this module's own, so that a cursor reads them through plain pointers while they stay.
///
/// A streaming scan fills one again for each batch; a join that keeps a table appends all of it to one.
final class RowBlock {
  /// One per column of the request, in its order.
  private(set) var columns: [ColumnBuffer]
  private(set) var rowCount = 0
  /// Runs of consecutive row numbers: the row that starts each, and its number.
  private var runs: [(row: Int, number: Int64)] = []

  init(_ types: [DataType]) { columns = types.map { ColumnBuffer($0.storage) } }

  deinit { for column in columns { column.deallocate() } }

  /// How much memory the rows take.
  var byteCount: Int { columns.reduce(runs.count * 16) { $0 + $1.byteCount } }

  func removeAll() {
    rowCount = 0
    runs.removeAll(keepingCapacity: true)
    for index in columns.indices { columns[index].removeAll() }
  }

  /// Takes the rows of a batch, or those of `selection`.
  func append(_ scanned: ScanBatch, _ selection: [Int32]? = nil) {
    let batch = scanned.batch
    for (index, column) in batch.columns.enumerated() {
      columns[index].append(column, batch.rowCount, selection)
    }
    appendNumbers(scanned.rowNumbers, batch.rowCount, selection)
    rowCount += selection?.count ?? batch.rowCount
  }

  private func appendNumbers(_ numbers: RowNumbers, _ count: Int, _ selection: [Int32]?) {
    if case .consecutive(let first) = numbers, selection == nil {
      if count > 0 { appendRun(rowCount, first) }
      return
    }
    for index in 0..<(selection?.count ?? count) {
      let row = selection.map { Int($0[index]) } ?? index
      switch numbers {
      case .consecutive(let first): appendRun(rowCount + index, first + Int64(row))
      case .each(let numbers): appendRun(rowCount + index, numbers[row])
      }
    }
  }

  private func appendRun(_ row: Int, _ number: Int64) {
    if let last = runs.last, last.number + Int64(row - last.row) == number { return }
    runs.append((row, number))
  }

  func number(ofRow row: Int) -> Int64 {
    var low = 0
    var high = runs.count - 1
    while low < high {
      let middle = (low + high + 1) / 2
      if runs[middle].row <= row { low = middle } else { high = middle - 1 }
    }
    return runs[low].number + Int64(row - runs[low].row)
  }
}

/// The values of one column, end to end. Whoever makes it deallocates it.
struct ColumnBuffer {
  let storage: DataType.Storage
  /// Int64, Int128 or Double by `storage`; for bytes, the `Int` ends of the strings.
  private(set) var values: UnsafeMutableRawPointer
  private(set) var bytes: UnsafeMutablePointer<UInt8>
  /// One byte per row, 1 where there is a value; nil while every row has one.
  private(set) var validity: UnsafeMutablePointer<Bool>?
  private var count = 0
  private var capacity = 0
  private var bytesCount = 0
  private var bytesCapacity = 0

  init(_ storage: DataType.Storage) {
    self.storage = storage
    values = .allocate(byteCount: 16, alignment: 16)
    bytes = .allocate(capacity: 1)
  }

  func deallocate() {
    values.deallocate()
    bytes.deallocate()
    validity?.deallocate()
  }

  var byteCount: Int { capacity * (width + 1) + bytesCapacity }

  private var width: Int { storage == .int128 ? 16 : 8 }

  mutating func removeAll() {
    count = 0
    bytesCount = 0
    validity?.deallocate()
    validity = nil
  }

  mutating func append(_ column: Column, _ rowCount: Int, _ selection: [Int32]?) {
    let added = selection?.count ?? rowCount
    reserve(count + added)
    switch column.values {
    case .int64(let array): append(array, selection)
    case .int128(let array): append(array, selection)
    case .double(let array): append(array, selection)
    case .bytes(let array): append(array, selection)
    }
    appendValidity(column.validity, added, selection)
    count += added
  }

  private mutating func reserve(_ wanted: Int) {
    guard wanted > capacity else { return }
    capacity = max(wanted, capacity + capacity / 2)
    let grown = UnsafeMutableRawPointer.allocate(byteCount: capacity * width, alignment: 16)
    grown.copyMemory(from: values, byteCount: count * width)
    values.deallocate()
    values = grown
    if let old = validity {
      let grown = UnsafeMutablePointer<Bool>.allocate(capacity: capacity)
      grown.initialize(from: old, count: count)
      old.deallocate()
      validity = grown
    }
  }

  private func append<Element: BitwiseCopyable>(_ array: [Element], _ selection: [Int32]?) {
    precondition(MemoryLayout<Element>.stride == width, "a column's values are stored as its type says")
    let target = values.assumingMemoryBound(to: Element.self) + count
    array.withUnsafeBufferPointer { source in
      guard let start = source.baseAddress else { return }
      if let selection {
        for (index, row) in selection.enumerated() { (target + index).initialize(to: source[Int(row)]) }
      } else {
        target.initialize(from: start, count: source.count)
      }
    }
  }

  private mutating func append(_ strings: ByteValues, _ selection: [Int32]?) {
    let added: Int
    if let selection {
      added = selection.reduce(0) { $0 + strings.range(Int($1)).count }
    } else {
      added = strings.ends.last ?? 0
    }
    reserveBytes(bytesCount + added)
    let ends = values.assumingMemoryBound(to: Int.self) + count
    strings.bytes.withUnsafeBufferPointer { source in
      guard let start = source.baseAddress, added > 0 else { return }
      guard let selection else { return (bytes + bytesCount).initialize(from: start, count: added) }
      var target = bytes + bytesCount
      for row in selection {
        let range = strings.range(Int(row))
        target.initialize(from: start + range.lowerBound, count: range.count)
        target += range.count
      }
    }
    if let selection {
      var end = bytesCount
      for (index, row) in selection.enumerated() {
        end += strings.range(Int(row)).count
        (ends + index).initialize(to: end)
      }
    } else {
      strings.ends.withUnsafeBufferPointer { source in
        for index in 0..<source.count { (ends + index).initialize(to: bytesCount + source[index]) }
      }
    }
    bytesCount += added
  }

  private mutating func reserveBytes(_ wanted: Int) {
    guard wanted > bytesCapacity else { return }
    bytesCapacity = max(wanted, bytesCapacity + bytesCapacity / 2)
    let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: bytesCapacity)
    grown.initialize(from: bytes, count: bytesCount)
    bytes.deallocate()
    bytes = grown
  }

  private mutating func appendValidity(_ added: [Bool], _ rowCount: Int, _ selection: [Int32]?) {
    if validity == nil {
      guard !added.isEmpty else { return }
      let made = UnsafeMutablePointer<Bool>.allocate(capacity: max(capacity, 1))
      made.initialize(repeating: true, count: count)
      validity = made
    }
    guard let target = validity.map({ $0 + count }) else { return }
    if added.isEmpty {
      target.initialize(repeating: true, count: rowCount)
    } else if let selection {
      for (index, row) in selection.enumerated() { (target + index).initialize(to: added[Int(row)]) }
    } else {
      added.withUnsafeBufferPointer { target.initialize(from: $0.baseAddress!, count: rowCount) }
    }
  }
}
