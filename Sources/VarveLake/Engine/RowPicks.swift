import VarveTables

/// One row of one of several batches.
struct RowPick: Sendable {
  var source: Int32
  var row: Int32

  init(_ source: Int, _ row: Int) {
    self.source = Int32(source)
    self.row = Int32(row)
  }
}

/// Picks together with their grouping by source, so that a column is gathered in one pass over each source.
private struct PickPlan {
  let picks: [RowPick]
  /// Places in `picks`, those of source 0 first.
  let places: [Int]
  /// Where in `places` each source begins; one more than there are sources.
  let starts: [Int]

  init(_ picks: [RowPick], sources: Int) {
    self.picks = picks
    var starts = [Int](repeating: 0, count: sources + 1)
    for pick in picks { starts[Int(pick.source) + 1] += 1 }
    for source in 0..<sources { starts[source + 1] += starts[source] }
    self.starts = starts
    var places = [Int](repeating: 0, count: picks.count)
    for (place, pick) in picks.enumerated() {
      places[starts[Int(pick.source)]] = place
      starts[Int(pick.source)] += 1
    }
    self.places = places
  }
}

extension Batch {
  /// The picked rows of batches that have one schema, in the order of the picks.
  init(_ picks: [RowPick], from sources: [Batch], schema: Schema) {
    let plan = PickPlan(picks, sources: sources.count)
    let columns = schema.fields.indices.map { index in
      Column(plan, from: sources.map { $0.columns[index] }, type: schema.fields[index].type)
    }
    self.init(schema, columns, rowCount: picks.count)
  }

  /// About what it takes in memory.
  var byteCount: Int { columns.reduce(0) { $0 + $1.byteCount } }
}

extension Column {
  /// The picked rows of columns that have one type.
  init(_ picks: [RowPick], from sources: [Column]) {
    self.init(PickPlan(picks, sources: sources.count), from: sources, type: sources[0].type)
  }

  fileprivate init(_ plan: PickPlan, from sources: [Column], type: DataType) {
    var validity: [Bool] = []
    if sources.contains(where: { !$0.validity.isEmpty }) {
      let all = [Bool](repeating: true, count: sources.map(\.count).max() ?? 0)
      validity = pickEach(plan, sources.map { $0.validity.isEmpty ? all : $0.validity })
      if !validity.contains(false) { validity = [] }
    }
    switch type.storage {
    case .int64:
      self.init(type, .int64(pickEach(plan, sources.map { $0.int64s })), validity: validity)
    case .int128:
      self.init(type, .int128(pickEach(plan, sources.map { $0.int128s })), validity: validity)
    case .double:
      self.init(type, .double(pickEach(plan, sources.map { $0.doubles })), validity: validity)
    case .bytes:
      self.init(type, .bytes(pickTexts(plan, sources.map { $0.texts })), validity: validity)
    }
  }

  /// About what it takes in memory.
  var byteCount: Int {
    let slots =
      switch values {
      case .int64(let values): values.count * 8
      case .int128(let values): values.count * 16
      case .double(let values): values.count * 8
      case .bytes(let values): values.ends.count * 8 + values.bytes.count
      }
    return slots + validity.count
  }

  /// The slots of a column stored as int64; any other is a programmer's error. Likewise the three below.
  var int64s: [Int64] {
    guard case .int64(let values) = values else { preconditionFailure("a \(type.name) is not stored as int64") }
    return values
  }

  var int128s: [Int128] {
    guard case .int128(let values) = values else { preconditionFailure("a \(type.name) is not stored as int128") }
    return values
  }

  var doubles: [Double] {
    guard case .double(let values) = values else { preconditionFailure("a \(type.name) is not stored as double") }
    return values
  }

  var texts: ByteValues {
    guard case .bytes(let values) = values else { preconditionFailure("a \(type.name) is not stored as bytes") }
    return values
  }
}

private func pickEach<Element>(_ plan: PickPlan, _ sources: [[Element]]) -> [Element] {
  [Element](unsafeUninitializedCapacity: plan.picks.count) { result, initialized in
    for (source, values) in sources.enumerated() {
      values.withUnsafeBufferPointer { values in
        for place in plan.places[plan.starts[source]..<plan.starts[source + 1]] {
          result.initializeElement(at: place, to: values[Int(plan.picks[place].row)])
        }
      }
    }
    initialized = plan.picks.count
  }
}

private func pickTexts(_ plan: PickPlan, _ sources: [ByteValues]) -> ByteValues {
  var ends = [Int](repeating: 0, count: plan.picks.count)
  for (source, texts) in sources.enumerated() {
    for place in plan.places[plan.starts[source]..<plan.starts[source + 1]] {
      ends[place] = texts.range(Int(plan.picks[place].row)).count
    }
  }
  var total = 0
  for place in ends.indices {
    total += ends[place]
    ends[place] = total
  }
  let bytes = [UInt8](unsafeUninitializedCapacity: total) { buffer, initialized in
    for (source, texts) in sources.enumerated() {
      texts.bytes.withUnsafeBufferPointer { bytes in
        for place in plan.places[plan.starts[source]..<plan.starts[source + 1]] {
          let range = texts.range(Int(plan.picks[place].row))
          guard !range.isEmpty else { continue }
          UnsafeMutableRawPointer(buffer.baseAddress! + (ends[place] - range.count))
            .copyMemory(from: bytes.baseAddress! + range.lowerBound, byteCount: range.count)
        }
      }
    }
    initialized = total
  }
  return ByteValues(bytes: bytes, ends: ends)
}
