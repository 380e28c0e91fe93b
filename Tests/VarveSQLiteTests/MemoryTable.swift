import VarveSQLite
import VarveTables

/// A table in memory that comes in batches, passes over those that its constraints shut out, and tells what was asked.
final class MemoryTable: QueryTable {
  let schema: Schema
  let rows: [[Value]]
  let rowsPerBatch: Int
  /// Whether batches that cannot match are passed over.
  var prunes = true
  private(set) var requests: [ScanRequest] = []
  private(set) var batchesRead = 0

  init(_ schema: Schema, _ rows: [[Value]], rowsPerBatch: Int = 7) {
    self.schema = schema
    self.rows = rows
    self.rowsPerBatch = rowsPerBatch
  }

  var estimatedRowCount: Int { rows.count }

  func scan(_ request: ScanRequest) throws -> any BatchStream {
    requests.append(request)
    return Stream(self, request)
  }

  func explain(_ request: ScanRequest) -> [String] {
    ["columns \(request.columns.map { schema.fields[$0].name })", "constraints \(request.constraints.count)"]
  }

  func valueBounds(column: Int) -> (minimum: Value, maximum: Value)? {
    let values = rows.map { $0[column] }.filter { $0 != .null }
    guard let minimum = values.min(), let maximum = values.max() else { return nil }
    return (minimum, maximum)
  }

  private final class Stream: BatchStream {
    let table: MemoryTable
    let request: ScanRequest
    var start = 0

    init(_ table: MemoryTable, _ request: ScanRequest) {
      self.table = table
      self.request = request
    }

    func next() throws -> ScanBatch? {
      while start < table.rows.count {
        let first = start
        let rows = Array(table.rows[start..<min(start + table.rowsPerBatch, table.rows.count)])
        start += rows.count
        if table.prunes && !rows.contains(where: { row in request.constraints.allSatisfy { $0.holds(for: row) } }) {
          continue
        }
        table.batchesRead += 1
        let schema = Schema(request.columns.map { table.schema.fields[$0] })
        let columns = request.columns.map { index in Column(table.schema.fields[index].type, rows.map { $0[index] }) }
        return ScanBatch(Batch(schema, columns, rowCount: rows.count), rowNumbers: .consecutive(from: Int64(first) * 3))
      }
      return nil
    }
  }
}

extension ScanConstraint {
  func holds(for row: [Value]) -> Bool {
    let value = row[column]
    if value == .null { return condition == .isNull }
    return switch condition {
    case .isNull: false
    case .isNotNull: true
    case .equals(let other): value == other
    case .isOneOf(let others): others.contains(value)
    case .isLess(let other): value < other
    case .isLessOrEqual(let other): value <= other
    case .isGreater(let other): value > other
    case .isGreaterOrEqual(let other): value >= other
    }
  }
}

extension Column {
  /// `values` have the type, or are null.
  init(_ type: DataType, _ values: [Value]) {
    let validity = values.contains(.null) ? values.map { $0 != .null } : []
    switch type.storage {
    case .double:
      self.init(type, .double(values.map { if case .double(let value) = $0 { value } else { 0 } }), validity: validity)
    case .int128:
      self.init(
        type, .int128(values.map { if case .decimal(let value, _) = $0 { value } else { 0 } }), validity: validity)
    case .bytes:
      var bytes = ByteValues()
      for value in values {
        bytes.bytes += Array((value.text ?? "").utf8)
        bytes.ends.append(bytes.bytes.count)
      }
      self.init(type, .bytes(bytes), validity: validity)
    case .int64:
      let integers = values.map { value -> Int64 in
        switch value {
        case .boolean(let value): value ? 1 : 0
        case .int64(let value), .date(let value), .timestamp(let value): value
        case .decimal(let value, _): Int64(value)
        default: 0
        }
      }
      self.init(type, .int64(integers), validity: validity)
    }
  }
}

struct MemoryCatalog: QueryCatalog {
  var tables: [String: any QueryTable]

  func table(named name: String) throws -> (any QueryTable)? { tables[name] }
  var tableNames: [String] { Array(tables.keys) }
}

extension QuerySession {
  func rows(_ sql: String, _ values: [SQLValue] = []) throws -> [[Value]] {
    let result = try query(sql, values)
    var rows: [[Value]] = []
    while let row = try result.next() { rows.append(row) }
    return rows
  }
}

func session(_ tables: [String: any QueryTable], limits: QueryLimits = QueryLimits()) throws -> QuerySession {
  try QuerySession(MemoryCatalog(tables: tables), limits: limits)
}
