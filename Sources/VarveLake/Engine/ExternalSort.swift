package import VarveTables

/// A stable sort by some columns (see `RowKeys` for the order) of more rows than memory holds.
///
/// Rows are kept up to the budget, then laid down sorted in a scratch file; the runs are merged as they are read.
package final class ExternalSort {
  private let schema: Schema
  private let keyColumns: [Int]
  private let budgetBytes: Int
  private let makeScratch: () throws -> ScratchFile
  private var scratch: ScratchFile?
  private var runs: [ScratchBatches] = []
  private var batches: [Batch] = []
  private var keys: [RowKeys] = []
  private var heldBytes = 0
  /// Whether what is held came in order.
  private var isAscending = true

  /// A block of a run, which a merge holds one of per run.
  static let blockBytesMax = 256 << 10

  /// `keyColumns` are positions in `schema`. The budget is for rows held, their keys and their order.
  package init(
    _ schema: Schema, by keyColumns: [Int], budgetBytes: Int, scratch: @escaping () throws -> ScratchFile
  ) {
    self.schema = schema
    self.keyColumns = keyColumns
    self.budgetBytes = budgetBytes
    makeScratch = scratch
  }

  package func add(_ batch: Batch) throws {
    guard batch.rowCount > 0 else { return }
    let added = RowKeys(keyColumns.map { batch.columns[$0] }, rowCount: batch.rowCount)
    if isAscending {
      let follows = keys.last.map { $0.compare($0.count - 1, with: added, 0) <= 0 } ?? true
      isAscending = follows && added.isAscending(strictly: false)
    }
    batches.append(batch)
    keys.append(added)
    heldBytes += batch.byteCount + added.bytes.count + batch.rowCount * (8 + MemoryLayout<SortEntry>.stride)
    if heldBytes >= budgetBytes { try spill() }
  }

  func add(_ source: any BatchSource) throws {
    while let batch = try source.next() { try add(batch) }
  }

  /// The rows in order. Nothing can be added after.
  package func finish() throws -> any BatchSource {
    guard !runs.isEmpty else { return heldRows() }
    if !batches.isEmpty { try spill() }
    let fanIn = max(2, budgetBytes / (2 * Self.blockBytesMax))
    while runs.count > fanIn {
      var merged: [ScratchBatches] = []
      for start in stride(from: 0, to: runs.count, by: fanIn) {
        let group = runs[start..<min(start + fanIn, runs.count)]
        merged.append(try write(try MergedBatches(group.map { $0.source() }, schema: schema, by: keyColumns)))
      }
      runs = merged
    }
    return try MergedBatches(runs.map { $0.source() }, schema: schema, by: keyColumns)
  }

  private func spill() throws {
    runs.append(try write(heldRows()))
    batches = []
    keys = []
    heldBytes = 0
    isAscending = true
  }

  private func write(_ rows: any BatchSource) throws -> ScratchBatches {
    let file = try scratch ?? makeScratch()
    scratch = file
    var run = ScratchBatches(file, schema: schema)
    let blockBytesMax = min(Self.blockBytesMax, max(1, budgetBytes / 4))
    while let batch = try rows.next() {
      let blocks = max(1, min(batch.rowCount, batch.byteCount / blockBytesMax))
      for block in 0..<blocks {
        try run.append(batch.slice(batch.rowCount * block / blocks..<batch.rowCount * (block + 1) / blocks))
      }
    }
    return run
  }

  /// What is held, in order.
  private func heldRows() -> any BatchSource {
    isAscending ? BatchList(schema, batches) : SortedBatches(batches, keys, schema: schema)
  }
}

/// Batches in memory, gathered in order piece by piece.
private final class SortedBatches: BatchSource {
  let schema: Schema
  private let batches: [Batch]
  private let order: [SortEntry]
  private var position = 0

  init(_ batches: [Batch], _ keys: [RowKeys], schema: Schema) {
    self.schema = schema
    self.batches = batches
    var order: [SortEntry] = []
    order.reserveCapacity(batches.reduce(0) { $0 + $1.rowCount })
    for (source, keys) in keys.enumerated() {
      for row in 0..<keys.count {
        order.append(SortEntry(prefix: keys.prefix(row), pick: RowPick(source, row)))
      }
    }
    keys.withUnsafeBufferPointer { keys in
      order.sort { left, right in
        if left.prefix != right.prefix { return left.prefix < right.prefix }
        let order = keys[Int(left.pick.source)]
          .compare(Int(left.pick.row), with: keys[Int(right.pick.source)], Int(right.pick.row))
        if order != 0 { return order < 0 }
        return (left.pick.source, left.pick.row) < (right.pick.source, right.pick.row)
      }
    }
    self.order = order
  }

  func next() -> Batch? {
    guard position < order.count else { return nil }
    let end = min(position + MergedBatches.rowsPerBatchMax, order.count)
    defer { position = end }
    return Batch(order[position..<end].map(\.pick), from: batches, schema: schema)
  }
}

private struct SortEntry {
  /// The first 16 bytes of the key, which decide most comparisons.
  var prefix: UInt128
  var pick: RowPick
}
