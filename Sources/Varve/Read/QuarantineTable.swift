internal import VarveJSON
internal import VarveLake
internal import VarveSQLite
internal import VarveTables

/// What a table has laid aside, as a table: `"products@quarantine"`. A row for each cell that did not fit.
struct QuarantineTable: QueryTable {
  static let suffix = "@quarantine"

  private let table: Table
  private let rows: [QuarantinedRows]

  init(_ table: Table) throws {
    self.table = table
    rows = try QuarantinedRows.all(of: table, upTo: table.snapshot(at: .head).version)
  }

  let schema = Schema([
    Field("version", .int64), Field("file", .text), Field("sheet", .text), Field("unit", .text),
    Field("position", .int64), Field("column", .text), Field("rule", .text), Field("raw", .text),
    Field("reason", .text), Field("row", .json), Field("replayed", .int64),
  ])

  var estimatedRowCount: Int { rows.reduce(0) { $0 + $1.rowCount } }

  func explain(_ request: ScanRequest) -> [String] { ["files: \(rows.count) of quarantines"] }

  func scan(_ request: ScanRequest) -> any BatchStream { Stream(self, request.columns) }

  private final class Stream: BatchStream {
    private let quarantine: QuarantineTable
    private let columns: [Int]
    private var remaining: ArraySlice<QuarantinedRows>
    private var first: Int64 = 0

    init(_ quarantine: QuarantineTable, _ columns: [Int]) {
      self.quarantine = quarantine
      self.columns = columns
      remaining = quarantine.rows[...]
    }

    func next() throws -> ScanBatch? {
      while let rows = remaining.popFirst() {
        var lines = try QuarantineLines(path: Layout.join(quarantine.table.storage.path, rows.path))
        var values: [[Value]] = []
        while let (number, line) = try lines.next() { values += cells(line, rows, number) }
        guard !values.isEmpty else { continue }
        defer { first += Int64(values.count) }
        let fields = columns.map { quarantine.schema.fields[$0] }
        let batch = Batch(
          Schema(fields), zip(fields, columns).map { field, index in Column(field.type, of: values.map { $0[index] }) },
          rowCount: values.count)
        return ScanBatch(batch, rowNumbers: .consecutive(from: first))
      }
      return nil
    }

    private func cells(_ line: JSONValue, _ rows: QuarantinedRows, _ number: Int) -> [[Value]] {
      func text(_ json: JSONValue?) -> Value { json?.string.map(Value.text) ?? .null }
      let cells = line["cells"]?.object?.members.map { ($0.key, $0.value["text"] ?? .null) } ?? []
      let nulls = Set(
        line["cells"]?.object?.members.filter { $0.value["kind"]?.string == "null" }.map(\.key) ?? [])
      let row = JSONValue.object(JSONObject(cells.map { ($0.0, nulls.contains($0.0) ? .null : $0.1) }))
      return (line["rejections"]?.array ?? []).map { rejection in
        [
          .int64(rows.version), text(line["file"]), text(line["sheet"]), text(line["unit"]),
          line["position"]?.int64.map(Value.int64) ?? .null, text(rejection["column"]),
          text(rejection["rule"] ?? .string("type")), text(rejection["raw"]), text(rejection["reason"]),
          .json(row.text(.canonical)), rows.replayed[number].map(Value.int64) ?? .null,
        ]
      }
    }
  }
}

extension Column {
  /// Values of int64, text or json, null among them.
  fileprivate init(_ type: DataType, of values: [Value]) {
    let validity = values.map { $0 != .null }
    if type == .int64 {
      let numbers = values.map { value -> Int64 in if case .int64(let number) = value { number } else { 0 } }
      self.init(type, .int64(numbers), validity: validity)
      return
    }
    var texts = ByteValues()
    for value in values {
      texts.bytes += Array((value.text ?? "").utf8)
      texts.ends.append(texts.bytes.count)
    }
    self.init(type, .bytes(texts), validity: validity)
  }
}
