import VarveTables

/// Sorted sources of one schema as one sorted source. Of rows with equal keys those of the earlier source come first.
final class MergedBatches: BatchSource {
  let schema: Schema
  private let keyColumns: [Int]
  private var inputs: [Input] = []
  /// The inputs that have a row left, as a binary heap: none is above one of its two followers.
  private var heap: [Int] = []
  /// The batches that the rows picked so far came from.
  private var sources: [Batch] = []

  static let rowsPerBatchMax = 8_192
  /// Of the rows picked for a batch, about.
  private static let bytesPerBatchMax = 8 << 20

  private struct Input {
    let source: any BatchSource
    var batch: Batch
    var keys: RowKeys
    var row = 0
    var prefix: UInt128
    /// What a row of the batch takes, on average.
    var rowBytes: Int
    /// Its batch's place in `sources`, once a row of it was picked.
    var place: Int?
  }

  /// `keyColumns` are the positions of the columns that the sources are sorted by.
  init(_ sources: [any BatchSource], schema: Schema, by keyColumns: [Int]) throws {
    self.schema = schema
    self.keyColumns = keyColumns
    for source in sources {
      guard let batch = try source.next() else { continue }
      let keys = RowKeys(keyColumns.map { batch.columns[$0] }, rowCount: batch.rowCount)
      inputs.append(
        Input(
          source: source, batch: batch, keys: keys, prefix: keys.prefix(0),
          rowBytes: batch.byteCount / batch.rowCount))
    }
    heap = Array(inputs.indices)
    for place in stride(from: heap.count / 2 - 1, through: 0, by: -1) { siftDown(place) }
  }

  func next() throws -> Batch? {
    if heap.count == 1, inputs[heap[0]].row == 0 { return try passOn(heap[0]) }
    var picks: [RowPick] = []
    var pickedBytes = 0
    var hasRoom: Bool { picks.count < Self.rowsPerBatchMax && pickedBytes < Self.bytesPerBatchMax }
    while !heap.isEmpty, hasRoom {
      let winner = heap[0]
      let challenger = challenger()
      repeat {
        let place = inputs[winner].place ?? addSource(winner)
        picks.append(RowPick(place, inputs[winner].row))
        pickedBytes += inputs[winner].rowBytes
        guard try advance(winner) else {
          heap.swapAt(0, heap.count - 1)
          heap.removeLast()
          break
        }
      } while hasRoom && challenger.map { isBefore(winner, $0) } ?? true
      siftDown(0)
    }
    guard !picks.isEmpty else { return nil }
    defer {
      sources = []
      for input in inputs.indices { inputs[input].place = nil }
    }
    return Batch(picks, from: sources, schema: schema)
  }

  /// The last input's batches need no picking.
  private func passOn(_ input: Int) throws -> Batch {
    let batch = inputs[input].batch
    if let following = try inputs[input].source.next() { load(following, input) } else { heap = [] }
    return batch
  }

  private func addSource(_ input: Int) -> Int {
    sources.append(inputs[input].batch)
    inputs[input].place = sources.count - 1
    return sources.count - 1
  }

  /// Goes to the input's next row; false when there is none.
  private func advance(_ input: Int) throws -> Bool {
    inputs[input].row += 1
    if inputs[input].row < inputs[input].batch.rowCount {
      inputs[input].prefix = inputs[input].keys.prefix(inputs[input].row)
      return true
    }
    guard let batch = try inputs[input].source.next() else { return false }
    load(batch, input)
    return true
  }

  private func load(_ batch: Batch, _ input: Int) {
    inputs[input].batch = batch
    inputs[input].keys = RowKeys(keyColumns.map { batch.columns[$0] }, rowCount: batch.rowCount)
    inputs[input].row = 0
    inputs[input].prefix = inputs[input].keys.prefix(0)
    inputs[input].rowBytes = batch.byteCount / batch.rowCount
    inputs[input].place = nil
  }

  /// The input whose row comes first after the heap's top.
  private func challenger() -> Int? {
    switch heap.count {
    case ..<2: nil
    case 2: heap[1]
    default: isBefore(heap[1], heap[2]) ? heap[1] : heap[2]
    }
  }

  private func isBefore(_ left: Int, _ right: Int) -> Bool {
    if inputs[left].prefix != inputs[right].prefix { return inputs[left].prefix < inputs[right].prefix }
    let order = inputs[left].keys.compare(inputs[left].row, with: inputs[right].keys, inputs[right].row)
    return order == 0 ? left < right : order < 0
  }

  private func siftDown(_ start: Int) {
    var place = start
    while true {
      var least = place
      for follower in [2 * place + 1, 2 * place + 2] where follower < heap.count {
        if isBefore(heap[follower], heap[least]) { least = follower }
      }
      if least == place { return }
      heap.swapAt(place, least)
      place = least
    }
  }
}
