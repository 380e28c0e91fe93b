import Given
import Testing
import VarveLake
import VarveSQLite
import VarveTables

/// The table as an array of dictionaries, and the patterns by the book: what the engine is compared with.
struct ModelTable {
  var schema: Schema
  let partitionBy: [PartitionBy]
  let key: [String]
  var rows: [Row] = []

  struct Counts: Equatable {
    var inserted = 0, updated = 0, deleted = 0, unchanged = 0
  }

  /// What is wrong with a feed is not spelled out here, only that something is.
  enum Refusal: Error { case refused }

  func keyOf(_ row: Row) -> [Value] { key.map { row[$0] ?? .null } }

  /// A row in all columns of the schema, periods computed.
  func completed(_ row: Row) -> Row {
    var whole = Row()
    for field in schema.fields { whole[field.name] = row[field.name] ?? .null }
    for case .period(let period, let source) in partitionBy {
      let name = "\(source)_\(period.rawValue)"
      whole[name] =
        switch whole[source] {
        case .date(let days): .text(PartitionBy.text(period, days: days))
        case .timestamp(let microseconds):
          .text(PartitionBy.text(period, days: Int64((Double(microseconds) / 86_400_000_000).rounded(.down))))
        default: .null
        }
    }
    return whole
  }

  func partition(_ row: Row) -> [Value] { partitionBy.map { row[$0.name]! } }

  private func checkKeys(_ feed: [Row]) throws {
    guard !key.isEmpty else { return }
    if feed.contains(where: { keyOf($0).contains(.null) }) { throw Refusal.refused }
    if Set(feed.map(keyOf)).count < feed.count { throw Refusal.refused }
  }

  private func newest(_ feed: [Row], by column: String) throws -> [Row] {
    if feed.contains(where: { keyOf($0).contains(.null) }) { throw Refusal.refused }
    return try Dictionary(grouping: feed, by: keyOf).values.map { twins in
      let best = twins.map { $0[column] ?? .null }.max()!
      let winners = twins.filter { ($0[column] ?? .null) == best }
      if winners.count > 1 { throw Refusal.refused }
      return winners[0]
    }
  }

  mutating func append(_ feed: [Row]) throws -> Counts {
    try checkKeys(feed)
    let known = Set(rows.map(keyOf))
    if !key.isEmpty, feed.contains(where: { known.contains(keyOf($0)) }) { throw Refusal.refused }
    rows += feed.map(completed)
    return Counts(inserted: feed.count)
  }

  mutating func insert(_ feed: [Row], newestBy: String?) throws -> Counts {
    var chosen: [Row] = []
    if let newestBy {
      chosen = try newest(feed, by: newestBy)
    } else {
      if feed.contains(where: { keyOf($0).contains(.null) }) { throw Refusal.refused }
      for twins in Dictionary(grouping: feed, by: keyOf).values {
        if Set(twins.map(completed)).count > 1 { throw Refusal.refused }
        chosen.append(twins[0])
      }
    }
    let known = Set(rows.map(keyOf))
    let new = chosen.filter { !known.contains(keyOf($0)) }
    rows += new.map(completed)
    return Counts(inserted: new.count, unchanged: feed.count - new.count)
  }

  mutating func overwrite(_ feed: [Row], markets: [Value]?) throws {
    try checkKeys(feed)
    let kept = rows.filter { row in markets.map { !$0.contains(row["market"]!) } ?? false }
    if let markets, feed.contains(where: { !markets.contains($0["market"] ?? .null) }) { throw Refusal.refused }
    let known = Set(kept.map(keyOf))
    if !key.isEmpty, feed.contains(where: { known.contains(keyOf($0)) }) { throw Refusal.refused }
    rows = kept + feed.map(completed)
  }

  mutating func merge(_ feed: [Row], deleteWhen: String?, newestBy: String?, absentIsNull: Bool) throws -> Counts {
    var feedRows = feed
    if let newestBy { feedRows = try newest(feed, by: newestBy) } else { try checkKeys(feed) }
    var counts = Counts(unchanged: feed.count - feedRows.count)
    for row in feedRows {
      let isDeleted = deleteWhen.map { row[$0] == .boolean(true) } ?? false
      guard let place = rows.firstIndex(where: { keyOf($0) == keyOf(row) }) else {
        if isDeleted { counts.unchanged += 1 } else { counts.inserted += 1 }
        if !isDeleted { rows.append(completed(row)) }
        continue
      }
      if let newestBy, let value = row[newestBy], value < rows[place][newestBy]! {
        counts.unchanged += 1
      } else if isDeleted {
        rows.remove(at: place)
        counts.deleted += 1
      } else {
        let merged = completed(absentIsNull ? row : rows[place].merging(row) { $1 })
        if merged == rows[place] { counts.unchanged += 1 } else { counts.updated += 1 }
        rows[place] = merged
      }
    }
    return counts
  }

  /// Values in the types of another schema.
  mutating func widen(to new: Schema) {
    for index in rows.indices { rows[index] = ModelTable.widened(rows[index], from: schema, to: new) }
    schema = new
    rows = rows.map(completed)
  }

  static func widened(_ row: Row, from old: Schema, to new: Schema) -> Row {
    var row = row
    for field in new.fields {
      guard let value = row[field.name], value != .null, let type = old[field.name]?.type, type != field.type,
        case .converted(let column) = Column.repeating(value, type, count: 1).converted(to: field.type)
      else { continue }
      row[field.name] = column.value(at: 0)
    }
    return row
  }
}

/// Random feeds, patterns and schema changes, one after the other, against the model.
@Suite struct EngineModelTests {
  @Test(arguments: 0..<24)
  func `every pattern does what the model does`(_ number: UInt64) throws {
    var choices = Seed("patterns, \(number)")
    let partitionings: [[String]] = [[], ["market"], ["market", "week(seen)"], ["sku"], ["gone", "day(at)"]]
    let keys: [[String]] = [["sku"], ["sku", "lot"], []]
    let partitionBy = partitionings[Int(number) % partitionings.count]
    let key = keys[Int(number / 5) % keys.count]
    let schema = Schema([
      Field("sku", .text), Field("market", .text), Field("lot", .int64), Field("price", .int64), Field("seen", .date),
      Field("gone", .boolean), Field("rate", .decimal(precision: 6, scale: 2)), Field("at", .timestamp),
      Field("doc", .json),
    ])
    let table = try EngineTable(schema: schema, partitionBy: partitionBy, key: key)
    var model = ModelTable(schema: table.contents.schema, partitionBy: table.partitionBy, key: key)
    var versions: [(TableContents, [Row])] = []

    for step in 0..<14 {
      var newSchema = model.schema
      if choices.chance(15) { grow(&newSchema, &choices) }
      let feedSchema = Schema(
        newSchema.fields.filter { field in
          !table.partitionBy.contains { $0.name == field.name && $0.source != field.name }
        })
      let rows = feed(feedSchema, key, &choices)
      let pattern = self.pattern(table, rows, &choices)
      let absentIsNull = choices.chance(15)
      let comment: Comment = "seed \(choices.number), step \(step): \(pattern)"
      var expected = model
      expected.widen(to: newSchema)
      var counts: ModelTable.Counts?
      var isRefused = false
      do {
        counts = try apply(pattern, rows, &expected, absentIsNull)
      } catch is ModelTable.Refusal {
        isRefused = true
      }
      // A feed without rows, or whose rows all lack the column, does not have it.
      let lacksKey = key.contains { name in !rows.isEmpty && !rows.contains { $0[name] != nil } }
      let plan = try table.plan(rows, pattern, feedSchema: feedSchema, schema: newSchema, absentIsNull: absentIsNull)
      let before = (contents: table.contents, rows: model.rows)
      do {
        let memory = [1, 3_000, 1 << 20].randomElement(using: &choices)!
        let (change, area) = try table.stage(plan, memoryBytes: memory, parallelism: 2)
        let (again, otherArea) = try table.stage(plan, memoryBytes: 1 << 20, parallelism: 1)
        #expect(change.added.map(\.files) == again.added.map(\.files), comment)
        #expect(change.added.map(\.partition) == again.added.map(\.partition), comment)
        #expect(change.rows == again.rows && change.removed == again.removed, comment)
        try otherArea.abandon()
        #expect(!isRefused, comment)
        if let counts {
          #expect(change.rows.read == rows.count, comment)
          #expect(
            ModelTable.Counts(
              inserted: change.rows.inserted, updated: change.rows.updated, deleted: change.rows.deleted,
              unchanged: change.rows.unchanged) == counts, comment)
        }
        try table.commit(change, area)
        model = expected
      } catch let problem as Problem {
        #expect(isRefused || lacksKey, "\(problem), \(comment)")
        continue
      }
      let found = try table.rows()
      #expect(sorted(found, model) == sorted(model.rows, model), comment)
      #expect(
        found.map(model.partition) == found.map(model.partition).sorted { $0.lexicographicallyPrecedes($1) }, comment)
      try checkStatistics(table, comment)
      try checkDiff(table, before, model, comment)
      versions.append((table.contents, found))
    }
    for (contents, rows) in versions { #expect(try table.rows(of: contents) == rows, "seed \(choices.number)") }
  }

  private func grow(_ schema: inout Schema, _ choices: inout Seed) {
    let widenings: [(String, DataType)] = [
      ("price", .double), ("price", .decimal(precision: 22, scale: 2)), ("rate", .decimal(precision: 9, scale: 4)),
      ("lot", .decimal(precision: 25, scale: 0)), ("seen", .date),
    ]
    let (name, type) = widenings.randomElement(using: &choices)!
    if case .int64 = schema[name]!.type {
      schema.fields[schema.index(of: name)!].type = type
    } else if schema[name]!.type == .decimal(precision: 6, scale: 2) {
      schema.fields[schema.index(of: name)!].type = type
    } else if schema["note"] == nil {
      schema.fields.append(Field("note", .text))
    }
  }

  private func feed(_ schema: Schema, _ key: [String], _ choices: inout Seed) -> [Row] {
    let missing = Set(schema.fields.map(\.name).filter { !key.contains($0) && choices.chance(15) } as [String])
    let sparse = Set(schema.fields.map(\.name).filter { !key.contains($0) && choices.chance(15) } as [String])
    var used: Set<[Value]> = []
    let mayDouble = choices.chance(15)
    var rows: [Row] = []
    for _ in 0..<Int.random(in: 0...30, using: &choices) {
      var row = Row()
      for field in schema.fields where !missing.contains(field.name) {
        if sparse.contains(field.name), choices.chance(50) { continue }
        row[field.name] = value(field, isKey: key.contains(field.name) && !choices.chance(mayDouble ? 2 : 0), &choices)
      }
      let values = key.map { row[$0] ?? .null }
      if key.isEmpty || mayDouble || used.insert(values).inserted { rows.append(row) }
    }
    return rows
  }

  private func value(_ field: Field, isKey: Bool, _ choices: inout Seed) -> Value {
    if !isKey, choices.chance(12) { return .null }
    let number = Int64.random(in: 0..<12, using: &choices)
    switch field.type {
    case .text:
      let texts = ["a", "b", "B", "a b", "é", "e\u{301}", "ü/x", "zz", "a\u{0}", "日本", "0", "00"]
      return .text(texts[Int(number)])
    case .int64: return .int64(number - 3)
    case .double: return .double(Double(number) / 4)
    case .decimal(_, let scale): return .decimal(unscaled: Int128(number * 7), scale: scale)
    case .date: return .date(20_080 + number)
    case .boolean: return .boolean(number < 4)
    case .timestamp: return .timestamp((number - 6) * 43_200_000_001)
    case .json: return .json(["{}", "[1,2]", "\"a\"", "{\"k\":1.50}"][Int(number % 4)])
    }
  }

  private func pattern(_ table: EngineTable, _ feed: [Row], _ choices: inout Seed) -> WritePattern {
    let isKeyed = !table.key.isEmpty
    // A column that no row has is not in the feed, and so cannot decide.
    let newest = feed.contains { $0["seen"] != nil } && choices.chance(40) ? "seen" : nil
    let delete = feed.contains { $0["gone"] != nil } && choices.chance(60) ? "gone" : nil
    switch Int.random(in: 0..<10, using: &choices) {
    case 0, 1: return .append
    case 2: return isKeyed && newest == nil ? .insert(newestBy: nil) : isKeyed ? .insert(newestBy: newest) : .append
    case 3: return .overwrite(.table, allowEmpty: true)
    case 4 where table.partitionBy.contains(.column("market")):
      let markets = Set(feed.map { $0["market"] ?? .null }).union(choices.chance(30) ? [.text("zz")] : [])
      return .overwrite(
        .partitions(markets.sorted().dropFirst(choices.chance(20) ? 1 : 0).map { ["market": $0.text] }),
        allowEmpty: true)
    default: return isKeyed ? .merge(deleteWhen: delete, newestBy: newest) : .append
    }
  }

  private func apply(
    _ pattern: WritePattern, _ feed: [Row], _ model: inout ModelTable, _ absentIsNull: Bool
  ) throws -> ModelTable.Counts? {
    switch pattern {
    case .append: return try model.append(feed)
    case .insert(let newestBy): return try model.insert(feed, newestBy: newestBy)
    case .merge(let deleteWhen, let newestBy):
      return try model.merge(feed, deleteWhen: deleteWhen, newestBy: newestBy, absentIsNull: absentIsNull)
    case .overwrite(.table, _): try model.overwrite(feed, markets: nil)
    case .overwrite(.partitionsOfFeed, _):
      try model.overwrite(feed, markets: feed.map { $0["market"] ?? .null })
    case .overwrite(.partitions(let declared), _):
      try model.overwrite(feed, markets: declared.map { $0["market"]!.map { .text($0) } ?? .null })
    }
    return nil
  }

  private func sorted(_ rows: [Row], _ model: ModelTable) -> [[Value]] {
    rows.map { row in model.schema.fields.map { row[$0.name]! } }.sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// Bounds hold for every value, and nulls are counted.
  private func checkStatistics(_ table: EngineTable, _ comment: Comment) throws {
    for file in table.contents.files {
      var only = table.contents
      only.files = [file]
      let rows = try table.rows(of: only)
      #expect(file.statistics?.rowCount == rows.count, comment)
      for (name, bounds) in file.statistics!.columns {
        let values = rows.map { $0[name]! }
        #expect(bounds.nullCount == values.count { $0 == .null }, comment)
        for value in values where value != .null {
          #expect(bounds.minimum.map { $0 <= value } ?? true, comment)
          #expect(bounds.maximum.map { $0 >= value } ?? true, comment)
        }
      }
    }
  }

  private func checkDiff(
    _ table: EngineTable, _ before: (contents: TableContents, rows: [Row]), _ model: ModelTable, _ comment: Comment
  ) throws {
    var old = before.rows
    for index in old.indices {
      old[index] = ModelTable.widened(old[index], from: before.contents.schema, to: model.schema)
    }
    old = old.map { row in Row(uniqueKeysWithValues: model.schema.fields.map { ($0.name, row[$0.name] ?? .null) }) }
    var expected: [String] = []
    if model.key.isEmpty {
      var counts: [Row: Int] = [:]
      for row in model.rows { counts[row, default: 0] += 1 }
      for row in old { counts[row, default: 0] -= 1 }
      for (row, count) in counts {
        for _ in 0..<abs(count) { expected.append(line(count > 0 ? .inserted : .deleted, row, [], model)) }
      }
    } else {
      let oldByKey = Dictionary(uniqueKeysWithValues: old.map { (model.keyOf($0), $0) })
      let newByKey = Dictionary(uniqueKeysWithValues: model.rows.map { (model.keyOf($0), $0) })
      for (key, row) in newByKey {
        if let previous = oldByKey[key] {
          let changed = model.schema.fields.map(\.name).filter { previous[$0] != row[$0] }
          if !changed.isEmpty { expected.append(line(.updated, row, changed, model)) }
        } else {
          expected.append(line(.inserted, row, [], model))
        }
      }
      for (key, row) in oldByKey where newByKey[key] == nil { expected.append(line(.deleted, row, [], model)) }
    }
    let diff = try Diff(
      from: before.contents, to: table.contents, key: model.key,
      limits: EngineLimits(memoryBytes: 4_000, parallelism: 1),
      scratch: table.scratch())
    var found: [String] = []
    while let batch = try diff.next() {
      for row in 0..<batch.count {
        let values = (batch.kinds[row] == .deleted ? batch.old : batch.new).values(at: row)
        let names = diff.schema.fields.map(\.name)
        let changed = names.indices.filter { batch.changed[$0][row] }.map { names[$0] }
        found.append(line(batch.kinds[row], Row(uniqueKeysWithValues: zip(names, values)), changed, model))
      }
    }
    #expect(found.sorted() == expected.sorted(), comment)
  }

  private func line(_ kind: ChangeKind, _ row: Row, _ changed: [String], _ model: ModelTable) -> String {
    "\(kind) \(model.schema.fields.map { row[$0.name]!.text.map { Array($0.utf8).description } ?? "null" }) \(changed)"
  }
}
