import VarveTables

extension PlanExecution {
  /// The feed's rows in place of the table, or of the declared partitions.
  ///
  /// A partition that already consists of exactly the files that would be written stays as it is, and its rows count as
  /// unchanged: writing a feed again over itself is no change.
  func overwrite(_ scope: OverwriteScope, allowEmpty: Bool) throws -> StagedChange {
    let declared = try DeclaredPartitions(settled(scope), plan)
    let layout = plan.layout
    let removed = plan.base.files.indices.filter { declared.firstHolding(layout.typed(plan.base.files[$0])) != nil }
    try check(declared, emptying: removed, allowEmpty: allowEmpty)
    let keys = FeedKeys(plan, limits, twins: .refused, scratch: scratch)
    if !plan.key.isEmpty {
      let others = Set(plan.base.files.indices).subtracting(removed)
      try keys.forEachRange { index, bounds in
        let files = plan.candidates(bounds, partitions: keys.partitions).filter(others.contains)
        try refuseKnownKeys(index, bounds, among: files, keys)
      }
    }
    let written = try rewrite(feedRowsByPartition(), removing: Set(removed))
    let change = leavingEqualPartitions(written.added, written.removed)
    var rows = RowCounts()
    rows.read = plan.feed.rowCount
    rows.unchanged = change.unchanged
    rows.inserted = rows.read - rows.unchanged
    let replaced = Set(removed.map { plan.base.files[$0].key })
    for file in change.removed where replaced.contains(file.key) { rows.deleted += try plan.base.liveRowCount(file) }
    let read = plan.key.isEmpty || plan.keyDecidesPartition ? declared.reads : .everything
    return StagedChange(
      added: change.added, removed: change.removed, schema: plan.schema, reads: reads(read), rows: rows)
  }

  /// Of a feed that says by itself what it replaces: its partitions, in order.
  private func settled(_ scope: OverwriteScope) throws -> OverwriteScope {
    guard case .partitionsOfFeed(let max) = scope else { return scope }
    let layout = plan.narrowLayout([])
    let feed = try FeedRows(plan.feed, fields: layout.schema.fields, layout: layout)
    var found: [[UInt8]: [String: String?]] = [:]
    var last: [UInt8] = []
    while let rows = try feed.next() {
      let keys = layout.keys(rows.batch)
      for row in 0..<rows.batch.rowCount where found.isEmpty || !keys[row].elementsEqual(last) {
        last = Array(keys[row])
        guard found[last] == nil else { continue }
        found[last] = Dictionary(
          uniqueKeysWithValues: zip(layout.names, layout.columns).map { name, column in
            let value = rows.batch.columns[column].value(at: row)
            return (name, value == .null ? nil : value.text)
          })
      }
    }
    guard found.count <= max else {
      throw Problem(
        .refused, at: [plan.feed.file], "has rows of \(found.count) partitions, and \(max) may be replaced at most",
        advice: "look at them with --dry-run, and raise --partitions-max if that is meant")
    }
    return .partitions(found.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value))
  }

  /// Refuses rows that lie in no declared partition, and partitions that would be left empty.
  private func check(_ declared: DeclaredPartitions, emptying removed: [Int], allowEmpty: Bool) throws {
    let layout = plan.narrowLayout([])
    var outside: (rows: [Int], total: Int) = ([], 0)
    var filled: Set<Int> = []
    if declared.areAll {
      if plan.feed.rowCount > 0 { filled = [0] }
    } else {
      let feed = try FeedRows(plan.feed, fields: layout.schema.fields, layout: layout)
      var last: (key: [UInt8], place: Int?)?
      while let rows = try feed.next() {
        let keys = layout.keys(rows.batch)
        for row in 0..<rows.batch.rowCount {
          if last.map({ !keys[row].elementsEqual($0.key) }) ?? true {
            let values = layout.columns.map { rows.batch.columns[$0].value(at: row) }
            last = (Array(keys[row]), declared.firstHolding(values))
          }
          if let place = last!.place {
            filled.insert(place)
          } else {
            outside.total += 1
            if outside.rows.count < Feed.rowsNamedMax { outside.rows.append(rows.first + row) }
          }
        }
      }
    }
    if outside.total > 0 {
      throw try plan.feed.problem(
        .failed, rows: outside.rows, total: outside.total, "lies in none of the partitions to be overwritten",
        advice: "declare its partition with --partition, or leave the row out")
    }
    guard !allowEmpty else { return }
    for file in removed {
      guard let place = declared.firstHolding(plan.layout.typed(plan.base.files[file])), !filled.contains(place),
        try plan.base.liveRowCount(plan.base.files[file]) > 0
      else { continue }
      throw Problem(
        .refused, at: [plan.feed.file], "has no row for \(declared.name(place)), which would be left empty",
        advice: "say --allow-empty if that is meant")
    }
  }

  /// Takes back what would replace files by their equals.
  private func leavingEqualPartitions(
    _ added: [StagedPartition], _ removed: [LiveFile]
  ) -> (added: [StagedPartition], removed: [LiveFile], unchanged: Int) {
    let layout = plan.layout
    var present: [[UInt8]: [LiveFile]] = [:]
    for file in removed {
      if let key = layout.key(file.partition) { present[key, default: []].append(file) }
    }
    var kept: Set<[UInt8]> = []
    var unchanged = 0
    let changed = added.filter { partition in
      guard let key = layout.key(partition.partition), let files = present[key], files.count == partition.files.count,
        zip(files, partition.files).allSatisfy({
          $0.byteCount == $1.byteCount && Layout.name($0.path) == $1.name && $0.deletionVector == nil
        })
      else { return true }
      kept.insert(key)
      unchanged += partition.files.reduce(0) { $0 + $1.statistics.rowCount }
      return false
    }
    return (changed, removed.filter { layout.key($0.partition).map { !kept.contains($0) } ?? true }, unchanged)
  }
}

/// What an overwrite replaces.
private struct DeclaredPartitions {
  /// By partition column (its number), the value; columns that are not in it may have any. Nil for the whole table.
  private let specifications: [[Int: Value]]?
  private let names: [String]

  init(_ scope: OverwriteScope, _ plan: PartitionPlan) throws {
    let layout = plan.layout
    names = layout.names
    guard case .partitions(let declared) = scope else {
      precondition(scope == .table, "the feed's partitions are known before")
      specifications = nil
      return
    }
    specifications = try declared.map { spec in
      var values: [Int: Value] = [:]
      for (name, text) in spec {
        guard let number = layout.names.firstIndex(of: name) else { continue }
        let type = plan.schema.fields[layout.columns[number]].type
        guard let value = PartitionLayout.value(text, type) else {
          throw Problem(.usage, at: ["--partition \(name)=\(text ?? "")"], "\"\(text ?? "")\" is no \(type.name)")
        }
        values[number] = value
      }
      return values
    }
  }

  var areAll: Bool { specifications == nil }

  /// The number of the first declaration that the partition of these values falls under; nil values fall under none
  /// but the whole table.
  func firstHolding(_ values: [Value]?) -> Int? {
    guard let specifications else { return 0 }
    guard let values else { return nil }
    return specifications.firstIndex { $0.allSatisfy { values[$0.key] == $0.value } }
  }

  func name(_ number: Int) -> String {
    guard let specifications else { return "the table" }
    return specifications[number].sorted { $0.key < $1.key }
      .map { "\(names[$0.key])=\($0.value.text ?? "null")" }.joined(separator: ", ")
  }

  var reads: ReadSet {
    guard let specifications else { return .everything }
    guard specifications.allSatisfy({ $0.count == names.count }) else { return .everything }
    return .partitions(Set(specifications.map { spec in PartitionText(names.indices.map { spec[$0]?.text }) }))
  }
}

extension PartitionLayout {
  /// The file's partition values, or nil where one is not of its column's type.
  func typed(_ file: LiveFile) -> [Value]? {
    var values: [Value] = []
    for (text, column) in zip(file.partition, columns) {
      guard let value = Self.value(text, schema.fields[column].type) else { return nil }
      values.append(value)
    }
    return values
  }
}
