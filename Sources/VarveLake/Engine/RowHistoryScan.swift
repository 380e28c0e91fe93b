import VarveSQLite
import VarveTables

/// The states of a table's rows in the order of key and version.
final class RowHistoryScan: BatchStream {
  private let history: RowHistory
  private let request: ScanRequest
  private let dataCount: Int
  private var rows: (any BatchSource)?
  /// The state that the next row may go on.
  private var open: State?

  /// A state as far as it is known.
  private struct State {
    /// One row, as it was sorted.
    var row: Batch
    var key: [UInt8]
    var values: [UInt8]
    var span: Span
  }

  private struct Span {
    var from: Int64
    var to: Int64
    var number: Int64
  }

  /// Row i of the piece at place p has the number p times this, plus i.
  private static let rowNumbersPerPiece: Int64 = 1 << 40

  init(_ history: RowHistory, _ request: ScanRequest) {
    self.history = history
    self.request = request
    dataCount = history.dataFields.count
  }

  func next() throws -> ScanBatch? {
    let rows = try self.rows ?? sorted()
    self.rows = rows
    while let batch = try rows.next() {
      if let done = try take(batch) { return done }
    }
    guard let last = open else { return nil }
    open = nil
    return assemble(last.row, [last.span])
  }

  /// Every row of every piece that is read, with the versions it was live from and to, by key and version.
  private func sorted() throws -> any BatchSource {
    let schema = Schema(
      history.dataFields + [Field("from", .int64), Field("to", .int64), Field("number", .int64)])
    let sort = ExternalSort(
      schema, by: history.keyColumns + [dataCount], budgetBytes: history.limits.sortBytes, scratch: history.scratch)
    for (place, piece) in history.pieces.enumerated() where history.mayHold(piece, request) {
      // Which of the history's columns the piece has; it knows them by the names of its time.
      var present: [(column: Int, field: Field)] = []
      for (column, field) in history.dataFields.enumerated() {
        guard var own = piece.contents.schema.fields.first(where: { $0.lineage == field.lineage }) else { continue }
        own.type = field.type
        present.append((column, own))
      }
      let source = try LiveFileRows(piece.contents, piece.file, fields: present.map(\.field))
      var number = Int64(place) * Self.rowNumbersPerPiece
      while let batch = try source.next() {
        let count = batch.rowCount
        var columns = history.dataFields.map { Column.nulls($0.type, count: count) }
        for (index, found) in present.enumerated() { columns[found.column] = batch.columns[index] }
        columns.append(.repeating(.int64(piece.from), .int64, count: count))
        columns.append(.repeating(.int64(piece.to ?? .max), .int64, count: count))
        columns.append(Column(.int64, .int64(Array(number..<number + Int64(count)))))
        number += Int64(count)
        try sort.add(Batch(schema, columns, rowCount: count))
      }
    }
    return try sort.finish()
  }

  /// The states that end within the batch; the last one stays open.
  private func take(_ batch: Batch) throws -> ScanBatch? {
    let keys = RowKeys(history.keyColumns.map { batch.columns[$0] }, rowCount: batch.rowCount)
    let values = RowKeys(Array(batch.columns[..<dataCount]), rowCount: batch.rowCount)
    let (from, to, number) = (
      batch.columns[dataCount].int64s, batch.columns[dataCount + 1].int64s, batch.columns[dataCount + 2].int64s
    )
    var sources = [batch]
    var picks: [RowPick] = []
    var spans: [Span] = []
    if let open {
      sources.append(open.row)
      picks.append(RowPick(1, 0))
      spans.append(open.span)
    }
    var lastKey = open?.key[...] ?? []
    var lastValues = open?.values[...] ?? []
    for row in 0..<batch.rowCount {
      if !spans.isEmpty, lastKey == keys[row] {
        let last = spans[spans.count - 1]
        guard last.to <= from[row] else { throw twins(batch, row) }
        if last.to == from[row], lastValues == values[row] {
          spans[spans.count - 1].to = to[row]
          continue
        }
      }
      picks.append(RowPick(0, row))
      spans.append(Span(from: from[row], to: to[row], number: number[row]))
      lastKey = keys[row]
      lastValues = values[row]
    }
    guard let lastPick = picks.popLast(), let lastSpan = spans.popLast() else { return nil }
    open = State(
      row: Batch([lastPick], from: sources, schema: batch.schema), key: Array(lastKey), values: Array(lastValues),
      span: lastSpan)
    return picks.isEmpty ? nil : assemble(Batch(picks, from: sources, schema: batch.schema), spans)
  }

  private func twins(_ batch: Batch, _ row: Int) -> Problem {
    let key = history.keyColumns.map { column in
      "\(history.dataFields[column].name) \(batch.columns[column].value(at: row).text ?? "null")"
    }
    let version = batch.columns[dataCount].int64s[row]
    return Problem(
      .failed, at: [history.name, "version \(version)"],
      "has two rows of one key (\(key.joined(separator: ", "))), which have no history of their own",
      advice: "another engine wrote them; merge a feed that has the right one")
  }

  /// The columns that are asked for.
  private func assemble(_ batch: Batch, _ spans: [Span]) -> ScanBatch {
    let columns = request.columns.map { index in
      index < dataCount ? batch.columns[index] : column(HistoryColumn.allCases[index - dataCount], spans)
    }
    let schema = Schema(request.columns.map { history.schema.fields[$0] })
    return ScanBatch(Batch(schema, columns, rowCount: spans.count), rowNumbers: .each(spans.map(\.number)))
  }

  private func column(_ column: HistoryColumn, _ spans: [Span]) -> Column {
    func numbers(_ values: [Int64?]) -> Column {
      Column(column.type, .int64(values.map { $0 ?? 0 }), validity: values.map { $0 != nil })
    }
    func texts(_ values: [String?]) -> Column {
      var bytes = ByteValues()
      for value in values {
        if let value { bytes.bytes += value.utf8 }
        bytes.ends.append(bytes.bytes.count)
      }
      return Column(column.type, .bytes(bytes), validity: values.map { $0 != nil })
    }
    let ends = spans.map { $0.to == .max ? nil : $0.to }
    return switch column {
    case .fromVersion: numbers(spans.map(\.from))
    case .toVersion: numbers(ends)
    case .fromTime: numbers(spans.map { history.moments[$0.from]?.time })
    case .toTime: numbers(ends.map { $0.flatMap { history.moments[$0]?.time } })
    case .fromExecution: texts(spans.map { history.moments[$0.from]?.execution })
    case .toExecution: texts(ends.map { $0.flatMap { history.moments[$0]?.execution } })
    }
  }
}
