import Foundation
import Given
import Testing
import Varve
import VarveTables

/// The table as a list of dictionaries, and the operations by the book. Null is no value, and a column that nobody gave
/// a value is none.
private struct Model {
  typealias Row = [String: String]
  /// A record of a feed: a column that it lacks, an explicit null, or a value.
  typealias Record = [String: String?]

  /// What is wrong is not spelled out here, only that something is.
  enum Refusal: Error { case refused }

  let key: [String]
  var rows: [Row] = []

  struct Counts: Equatable { var inserted = 0, updated = 0, deleted = 0 }

  private func key(_ row: Row) -> [String?] { key.map { row[$0] } }

  private func row(_ record: Record) -> Row { record.compactMapValues { $0 } }

  private func checkKeys(_ feed: [Row]) throws {
    guard !key.isEmpty else { return }
    if feed.contains(where: { key($0).contains(nil) }) { throw Refusal.refused }
    if Set(feed.map(key)).count < feed.count { throw Refusal.refused }
  }

  mutating func append(_ feed: [Record]) throws -> Counts {
    let feed = feed.map(row)
    try checkKeys(feed)
    let known = Set(rows.map(key))
    if !key.isEmpty, feed.contains(where: { known.contains(key($0)) }) { throw Refusal.refused }
    rows += feed
    return Counts(inserted: feed.count)
  }

  mutating func insert(_ feed: [Record]) throws -> Counts {
    let feed = feed.map(row)
    if feed.contains(where: { key($0).contains(nil) }) { throw Refusal.refused }
    let twins = Dictionary(grouping: feed, by: key)
    if twins.values.contains(where: { Set($0).count > 1 }) { throw Refusal.refused }
    let known = Set(rows.map(key))
    let new = twins.filter { !known.contains($0.key) }.map { $0.value[0] }
    rows += new
    return Counts(inserted: new.count)
  }

  /// `market`: nil for the whole table.
  mutating func overwrite(_ feed: [Record], market: String??) throws {
    let feed = feed.map(row)
    try checkKeys(feed)
    var kept: [Row] = []
    if case .some(let market) = market {
      if feed.contains(where: { $0["market"] != market }) { throw Refusal.refused }
      kept = rows.filter { $0["market"] != market }
    }
    let known = Set(kept.map(key))
    if !key.isEmpty, feed.contains(where: { known.contains(key($0)) }) { throw Refusal.refused }
    rows = kept + feed
  }

  mutating func merge(_ feed: [Record], deleteWhen: String?, newestBy: String?) throws -> Counts {
    var feed = feed
    if feed.contains(where: { key(row($0)).contains(nil) }) { throw Refusal.refused }
    if let newestBy {
      func rank(_ record: Record) -> Int { (record[newestBy] ?? nil).flatMap { Int($0) } ?? Int.min }
      feed = try Dictionary(grouping: feed) { key(row($0)) }.values.map { twins in
        let best = twins.map(rank).max()!
        let winners = twins.filter { rank($0) == best }
        if winners.count > 1 { throw Refusal.refused }
        return winners[0]
      }
    } else {
      try checkKeys(feed.map(row))
    }
    var counts = Counts()
    for record in feed {
      let isDeleted = deleteWhen.map { record[$0] == "true" } ?? false
      var given = record
      if let deleteWhen { given[deleteWhen] = .none }
      guard let place = rows.firstIndex(where: { key($0) == key(row(given)) }) else {
        if !isDeleted {
          rows.append(row(given))
          counts.inserted += 1
        }
        continue
      }
      if let newestBy, given.keys.contains(newestBy) {
        let (old, new) = (rows[place][newestBy].flatMap { Int($0) }, (given[newestBy] ?? nil).flatMap { Int($0) })
        if new ?? Int.min < old ?? Int.min { continue }
      }
      if isDeleted {
        rows.remove(at: place)
        counts.deleted += 1
      } else {
        var merged = rows[place]
        for (name, value) in given { merged[name] = value }
        if merged != rows[place] { counts.updated += 1 }
        rows[place] = merged
      }
    }
    return counts
  }

  /// How two states differ, by key or by whole rows, as sentences.
  static func changes(from old: [Row], to new: [Row], key: [String]) -> [String] {
    var lines: [String] = []
    if key.isEmpty {
      var counts: [Row: Int] = [:]
      for row in new { counts[row, default: 0] += 1 }
      for row in old { counts[row, default: 0] -= 1 }
      for (row, count) in counts {
        for _ in 0..<abs(count) { lines.append("\(count > 0 ? "inserted" : "deleted") \(line(row))") }
      }
    } else {
      let old = Dictionary(uniqueKeysWithValues: old.map { row in (key.map { row[$0] }, row) })
      let new = Dictionary(uniqueKeysWithValues: new.map { row in (key.map { row[$0] }, row) })
      for (key, row) in new {
        guard let before = old[key] else {
          lines.append("inserted \(line(row))")
          continue
        }
        if before != row { lines.append("updated \(line(before)) to \(line(row))") }
      }
      for (key, row) in old where new[key] == nil { lines.append("deleted \(line(row))") }
    }
    return lines.sorted()
  }

  static func line(_ row: Row) -> String { row.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }.joined(separator: " ") }

  static func lines(_ rows: [Row]) -> [String] { rows.map(line).sorted() }
}

/// Random operations through the public face, one after the other, against the model: equal after every step, and every
/// version stays what it was.
@Suite struct ModelTests {
  private static let isWhole = ProcessInfo.processInfo.environment["VARVE_PROOF"] != nil
  private static let shapes: [(key: [String], partitionBy: [String], updates: UpdateMethod)] = [
    ([], [], .copyOnWrite), (["id"], [], .copyOnWrite), ([], ["market"], .copyOnWrite),
    (["id"], ["market"], .copyOnWrite), (["market", "id"], ["market"], .copyOnWrite), (["id"], ["id"], .copyOnWrite),
    (["id"], [], .mergeOnRead), (["id"], ["market"], .mergeOnRead), (["market", "id"], ["market"], .mergeOnRead),
  ]

  @Test(arguments: shapes.indices)
  func `any sequence of operations does what the model does, and old versions stay`(_ shape: Int) throws {
    var random = Seed("operations, shape \(shape)")
    var trial = try Trial(
      key: Self.shapes[shape].key, partitionBy: Self.shapes[shape].partitionBy, updates: Self.shapes[shape].updates)
    for step in 0..<(Self.isWhole ? 500 : 40) { try trial.step(step, &random) }
    for version in trial.versions.indices { try trial.check(version: version, "at the end") }
    #expect(try trial.here.warehouse.verify("t").allSatisfy(\.isWhole))
    #expect(trial.committed > 10)
  }

  /// A table and what it should hold.
  private struct Trial {
    let here: TemporaryWarehouse
    let key: [String]
    let partitionBy: [String]
    let updates: UpdateMethod
    var model: Model
    /// What each version should hold; version 0 is no table yet.
    var versions: [[Model.Row]] = [[]]
    /// The last feed that was committed, with its mode.
    var last: (text: String, mode: IngestMode)?
    var (committed, refused) = (0, 0)

    init(key: [String], partitionBy: [String], updates: UpdateMethod) throws {
      (self.key, self.partitionBy, self.updates) = (key, partitionBy, updates)
      model = Model(key: key)
      here = try TemporaryWarehouse()
    }

    mutating func step(_ number: Int, _ random: inout Seed) throws {
      let isFirst = versions.count == 1
      var mode: IngestMode = [.append, .insert, .overwrite, .overwrite, .merge, .merge].randomElement(using: &random)!
      if key.isEmpty, mode != .overwrite { mode = .append }
      if isFirst { mode = .append }
      var market: String??
      var deleteWhen: String?
      var newestBy: String?
      if mode == .overwrite, partitionBy == ["market"], Bool.random(using: &random) {
        market = .some([nil, "DE", "AT", "a/b=%", "日本"].randomElement(using: &random)!)
      }
      if mode == .merge {
        if Int.random(in: 0..<3, using: &random) == 0 { deleteWhen = "gone" }
        if Int.random(in: 0..<3, using: &random) == 0 { newestBy = "rank" }
      }
      if !isFirst, Int.random(in: 0..<8, using: &random) == 0 { return try stepWithoutFeed(number, &random) }
      let feed = records(market: market, deleteWhen: deleteWhen, newestBy: newestBy, isFirst: isFirst, &random)
      let text = "[" + feed.map(Self.json).joined(separator: ",\n") + "]"
      let comment: Comment = "step \(number): \(mode), \(String(describing: market)), \(text)"

      var expected = model
      var counts: Model.Counts?
      var isRefused = false
      do {
        switch mode {
        case .append: counts = try expected.append(feed)
        case .insert: counts = try expected.insert(feed)
        case .overwrite: try expected.overwrite(feed, market: market)
        case .merge, .statefulMerge:
          counts = try expected.merge(feed, deleteWhen: deleteWhen, newestBy: newestBy)
        }
      } catch is Model.Refusal { isRefused = true }
      do {
        let report = try here.ingest("\(number).json", text) {
          $0.mode = mode
          if isFirst || Bool.random(using: &random) { ($0.key, $0.partitionBy) = (key, partitionBy) }
          if isFirst { $0.updates = updates }
          if case .some(let market) = market { $0.partitions = [["market": market]] }
          $0.deleteWhen = deleteWhen
          $0.newestBy = newestBy
          $0.allowEmpty = true
          $0.reingest = true
        }
        #expect(!isRefused, comment)
        if let counts {
          #expect(
            Model.Counts(inserted: report.rows.inserted, updated: report.rows.updated, deleted: report.rows.deleted)
              == counts, comment)
        }
        if report.outcome == .committed {
          versions.append(expected.rows)
          committed += 1
          last = (text, mode)
        } else {
          #expect(Model.lines(expected.rows) == Model.lines(model.rows), comment)
        }
        #expect(report.version == versions.count - 1, comment)
        model = expected
      } catch let problem as Problem {
        #expect(isRefused, "\(problem), \(comment)")
        refused += 1
      }
      try check(version: versions.count - 1, comment)
      let old = Int.random(in: 0..<versions.count, using: &random)
      try check(version: old, comment)
      if old > 0 { try checkDiff(old, Int.random(in: 1..<versions.count, using: &random), comment) }
      if let last, last.mode != .overwrite, Int.random(in: 0..<6, using: &random) == 0 {
        let again = try here.ingest("again.json", last.text) { $0.mode = last.mode }
        #expect(again.outcome == .unchanged, comment)
        try check(version: versions.count - 1, comment)
      }
    }

    /// Truncates or restores.
    private mutating func stepWithoutFeed(_ number: Int, _ random: inout Seed) throws {
      let report: ChangeReport
      var rows: [Model.Row] = []
      let comment: Comment
      if Bool.random(using: &random) {
        let version = Int.random(in: 1..<versions.count, using: &random)
        comment = "step \(number): restore \(version)"
        rows = versions[version]
        report = try here.warehouse.restore("t@\(version)")
      } else if partitionBy == ["market"] {
        let market = [nil, "DE", "AT", "a/b=%", "日本"].randomElement(using: &random)!
        comment = "step \(number): truncate \(market ?? "null")"
        rows = model.rows.filter { $0["market"] != market }
        report = try here.warehouse.truncate("t", partitions: [["market": market]])
      } else {
        comment = "step \(number): truncate"
        report = try here.warehouse.truncate("t")
      }
      if report.outcome == .committed {
        versions.append(rows)
      } else {
        #expect(Model.lines(rows) == Model.lines(model.rows), comment)
      }
      #expect(report.version == versions.count - 1, comment)
      model.rows = rows
      for version in versions.indices.suffix(2) { try check(version: version, comment) }
    }

    func check(version: Int, _ comment: Comment) throws {
      guard version > 0 else { return }
      let isNewest = version == versions.count - 1
      let result = try here.warehouse.query(isNewest ? "SELECT * FROM t" : "SELECT * FROM \"t@\(version)\"")
      let names = result.columns.map(\.name)
      var rows: [Model.Row] = []
      while let row = try result.next() { rows.append(Self.row(names, row)) }
      #expect(Model.lines(rows) == Model.lines(versions[version]), "version \(version), \(comment)")
    }

    private func checkDiff(_ old: Int, _ new: Int, _ comment: Comment) throws {
      let difference = try here.warehouse.diff("t@\(old)", "t@\(new)")
      let names = difference.schema.fields.map(\.name)
      var found: [String] = []
      while let change = try difference.next() {
        let before = change.before.map { Self.row(names, $0) } ?? [:]
        let after = change.after.map { Self.row(names, $0) } ?? [:]
        switch change.kind {
        case .inserted: found.append("inserted \(Model.line(after))")
        case .deleted: found.append("deleted \(Model.line(before))")
        case .updated:
          found.append("updated \(Model.line(before)) to \(Model.line(after))")
          #expect(
            Set(change.changedColumns.map { names[$0] }) == Set(names.filter { before[$0] != after[$0] }), comment)
        }
      }
      #expect(
        found.sorted() == Model.changes(from: versions[old], to: versions[new], key: key),
        "\(old) to \(new), \(comment)")
    }

    /// Values as the model spells them: a whole number is the same in any type.
    private static func row(_ names: [String], _ values: [Value]) -> Model.Row {
      var row: Model.Row = [:]
      for (name, value) in zip(names, values) {
        guard let text = value.text else { continue }
        if name == "price", let number = Double(text) { row[name] = "\(number)" } else { row[name] = text }
      }
      return row
    }

    // MARK: Feeds

    private func records(
      market: String??, deleteWhen: String?, newestBy: String?, isFirst: Bool, _ random: inout Seed
    ) -> [Model.Record] {
      func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
      let count = isFirst ? 6 : chance(8) ? 0 : Int.random(in: 1...8, using: &random)
      let (hasNotes, isPricedInWhole, hasDoubles) = (chance(30), chance(70), chance(15))
      var ids = Set<Int>()
      var records: [Model.Record] = []
      while records.count < count {
        let id = Int.random(in: 0..<(market == nil ? 40 : 4_000), using: &random)
        if !hasDoubles, !ids.insert(id).inserted { continue }
        var record: Model.Record = ["id": .some("\(id)")]
        record["market"] = .some([nil, "DE", "DE", "AT", "a/b=%", "日本", " "].randomElement(using: &random)!)
        if case .some(let market) = market, !chance(2) { record["market"] = .some(market) }
        if key.contains("market"), record["market"] == .some(nil), !chance(2) { record["market"] = "DE" }
        if chance(80) || isFirst {
          let price = Int.random(in: 0..<4, using: &random)
          record["price"] = chance(20) && !isFirst ? .some(nil) : isPricedInWhole ? "\(price).0" : "\(price).5"
        }
        if isFirst || newestBy != nil || chance(70) { record["rank"] = "\(Int.random(in: 0..<3, using: &random))" }
        if hasNotes, chance(70) { record["note_\(Int.random(in: 0..<2, using: &random))"] = "é\"\(id)" }
        // Each feed has the column, since somebody asks for it.
        if let deleteWhen { record[deleteWhen] = records.isEmpty || chance(30) ? "true" : "false" }
        records.append(record)
      }
      return records
    }

    private static func json(_ record: Model.Record) -> String {
      let members = record.sorted { $0.key < $1.key }.map { name, value in
        let spelled =
          switch (name, value) {
          case (_, nil): "null"
          case ("id", let value?), ("rank", let value?), ("gone", let value?): value
          case ("price", let value?): value.hasSuffix(".0") ? String(value.dropLast(2)) : value
          case (_, let value?): "\"" + value.replacingOccurrences(of: "\"", with: "\\\"") + "\""
          }
        return "\"\(name)\":\(spelled)"
      }
      return "{" + members.joined(separator: ",") + "}"
    }
  }
}
