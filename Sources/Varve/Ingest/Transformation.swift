internal import VarveJSON
internal import VarveLake
internal import VarveSQLite
internal import VarveTables

/// What a request asks to be made of a feed's rows: a SELECT over the table `feed`, or a closure.
enum Transformation: Sendable {
  case select(String)
  case rows(FeedTransform)

  init?(_ request: IngestRequest) throws {
    switch (request.select, request.transform) {
    case (nil, nil): return nil
    case (let sql?, nil): self = .select(sql)
    case (nil, let transform?): self = .rows(transform)
    case (_?, _?):
      throw Problem(.usage, "a feed is transformed by a SELECT or by a closure, and not by both")
    }
  }

  /// Part of what makes a feed the same feed.
  var selector: String {
    switch self {
    case .select(let sql): "select=\(Digest.sha256(Array(sql.utf8)).prefix(32))"
    case .rows(let transform): "transform=\(transform.name)/\(transform.version)"
    }
  }

  /// For the history.
  var json: JSONValue {
    switch self {
    case .select(let sql): ["select": .string(sql)]
    case .rows(let transform): ["name": .string(transform.name), "version": .string(transform.version)]
    }
  }

  /// Hands on the rows that come of a feed, as cells. `booleans`: columns of the table in which SQL's 0 and 1 are truth
  /// values. `needsPlaces`: refuses rows that come of no single row of the feed.
  func run(
    _ feed: Feed, booleans: Set<String>, needsPlaces: Bool, surroundings: Surroundings,
    into append: @escaping (RawBatch) throws -> Void
  ) throws {
    let table = SpooledTable(feed)
    var cells = TransformedCells(booleans: booleans, append)
    switch self {
    case .select(let sql): try select(sql, table, feed, needsPlaces, surroundings, &cells)
    case .rows(let transform):
      let rows = try table.allRows()
      var first = 0
      while let scanned = try rows.next() {
        try surroundings.checkInterrupted()
        for row in 0..<scanned.batch.rowCount {
          guard let origin = rows.origin(ofRow: first + row) else { preconditionFailure("each row has its place") }
          for changed in try changed(transform, scanned.batch, row, origin, rows) {
            try cells.add(changed.columns.map { ($0, changed[$0] ?? .null) }, origin)
          }
        }
        first += scanned.batch.rowCount
      }
    }
    try cells.flush()
  }

  private func select(
    _ sql: String, _ table: SpooledTable, _ feed: Feed, _ needsPlaces: Bool, _ surroundings: Surroundings,
    _ cells: inout TransformedCells
  ) throws {
    let session = try QuerySession(
      FeedCatalog(table: table), limits: VarveSQLite.QueryLimits(isInterrupted: surroundings.isInterrupted),
      isRepeatable: true)
    let keepsRows = try session.keepsRows(sql)
    guard keepsRows || !needsPlaces else {
      throw Problem(
        .refused, at: ["--select"], "its rows come of no single row of the feed, and so have no origin",
        advice: "leave out --with-origin, or ORDER BY, GROUP BY and the like")
    }
    let result = try session.query(sql)
    let names = result.columns.map(\.name)
    var number = 0
    while let row = try result.next() {
      number += 1
      var origin = Origin(file: "\(feed.file), selected", unit: .row, position: number)
      if keepsRows, let scanned = session.currentRow(of: FeedCatalog.name), let known = table.origin(ofRow: scanned) {
        origin = known
      }
      try cells.add(Array(zip(names, row)), origin)
    }
  }

  private func changed(
    _ transform: FeedTransform, _ batch: Batch, _ row: Int, _ origin: Origin, _ rows: SpooledRows
  ) throws -> [FeedRow] {
    var names: [String] = []
    var values: [String: Value] = [:]
    for (index, field) in batch.schema.fields.enumerated() where !rows.isAbsent(row, column: index) {
      names.append(field.name)
      values[field.name] = batch.columns[index].value(at: row)
    }
    do {
      return try transform.rows(FeedRow(names, values, place: origin.place))
    } catch let problem as Problem {
      throw problem
    } catch {
      throw Problem(.failed, at: origin.place, "\(transform.name): \(error)")
    }
  }
}

/// The one table that a SELECT over a feed sees: what other tables hold today is no part of the feed.
private struct FeedCatalog: QueryCatalog {
  static let name = "feed"
  let table: SpooledTable

  func table(named name: String) -> (any QueryTable)? { name.lowercased() == FeedCatalog.name ? table : nil }
  var tableNames: [String] { [FeedCatalog.name] }
}

/// Rows as raw cells, a batch at a time.
private struct TransformedCells {
  private let booleans: Set<String>
  private let append: (RawBatch) throws -> Void
  private var columns: [RawColumn] = []
  private var places: [String: Int] = [:]
  private var origins: Origins?
  private var byteCount = 0

  private static let rowsMax = 4_096
  private static let bytesMax = 4 << 20

  init(booleans: Set<String>, _ append: @escaping (RawBatch) throws -> Void) {
    self.booleans = booleans
    self.append = append
  }

  mutating func add(_ cells: [(name: String, value: Value)], _ origin: Origin) throws {
    if let open = origins {
      let isAlike = open.file == origin.file && open.sheet == origin.sheet && open.unit == origin.unit
      if !isAlike || open.positions.count == Self.rowsMax || byteCount > Self.bytesMax { try flush() }
    }
    if origins == nil { origins = Origins(file: origin.file, sheet: origin.sheet, unit: origin.unit) }
    let rowCount = origins!.positions.count
    origins!.positions.append(origin.position)
    for (name, value) in cells {
      let index = places[name] ?? column(name)
      guard columns[index].count == rowCount else {
        throw Problem(
          .failed, at: ["--select"], "two of its columns are called \"\(name)\"", advice: "name one with AS")
      }
      set(value, index)
    }
    for index in columns.indices where columns[index].count == rowCount {
      columns[index].kinds.append(.absent)
      columns[index].ends.append(columns[index].bytes.count)
    }
  }

  mutating func flush() throws {
    guard let origins else { return }
    try append(RawBatch(columns: columns, rowCount: origins.positions.count, origins: origins))
    self.origins = nil
    byteCount = 0
    columns = columns.map { RawColumn(name: $0.name) }
  }

  private mutating func column(_ name: String) -> Int {
    let before = (origins?.positions.count ?? 1) - 1
    columns.append(
      RawColumn(
        name: name, kinds: [RawKind](repeating: .absent, count: before), ends: [Int](repeating: 0, count: before)))
    places[name] = columns.count - 1
    return columns.count - 1
  }

  private mutating func set(_ value: Value, _ index: Int) {
    var value = value
    if case .int64(let number) = value, number == 0 || number == 1, booleans.contains(columns[index].name) {
      value = .boolean(number == 1)
    }
    let text = Array((value.text ?? "").utf8)
    columns[index].bytes += text
    columns[index].ends.append(columns[index].bytes.count)
    columns[index].kinds.append(value.rawKind)
    byteCount += text.count
  }
}

extension Value {
  /// How a feed would call it.
  fileprivate var rawKind: RawKind {
    switch self {
    case .null: .null
    case .boolean: .boolean
    case .int64, .decimal: .number
    // What JSON has no number for.
    case .double(let double): double.isFinite ? .number : .error
    case .date: .date
    case .timestamp: .dateTime
    case .text: .text
    case .json: .json
    }
  }
}
