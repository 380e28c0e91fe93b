internal import VarveTables

/// An expectation that a version does not meet.
package struct BrokenExpectation: Hashable, Sendable {
  /// `min`, `unique`, `drift`, …
  package var rule: String
  /// The column, or columns parted by commas; nil of a rule for whole versions.
  package var column: String?
  /// How many rows break it; nil of a rule for whole versions.
  package var rowCount: Int?
  /// `3 rows, first "T-1": "-1" is below 0`.
  package var what: String

  package var sentence: String { column.map { "column \"\($0)\": \(what)" } ?? what }
}

/// Looks whether a version is what is expected of its table, in bounded memory.
///
/// Rules of rows look at the files that the published version has not, unless `isWhole`; all others at the whole version.
package struct QualityCheck {
  private let version: TableContents
  private let published: TableContents?
  private let key: [String]
  private let isWhole: Bool
  private let limits: EngineLimits
  private let scratch: () throws -> ScratchFile

  package init(
    _ version: TableContents, against published: TableContents?, key: [String], isWhole: Bool, limits: EngineLimits,
    scratch: @escaping () throws -> ScratchFile
  ) {
    self.version = version
    self.published = published
    self.key = key
    self.isWhole = isWhole
    self.limits = limits
    self.scratch = scratch
  }

  package func broken(_ expectations: Expectations) throws -> [BrokenExpectation] {
    var broken = try brokenByRows(expectations.ofRows)
    for rule in expectations.rules where rule.column == nil {
      switch rule.kind {
      case .unique(let columns): if let found = try repeated(columns) { broken.append(found) }
      case .rowsMinimum(let bound):
        let count = try rowCount(version)
        if count < bound { broken.append(wholly(rule, "\(count) rows are fewer than \(bound)")) }
      case .rowsMaximum(let bound):
        let count = try rowCount(version)
        if count > bound { broken.append(wholly(rule, "\(count) rows are more than \(bound)")) }
      case .rowDrift(let share):
        guard let published else { continue }
        let (old, new) = (try rowCount(published), try rowCount(version))
        if old > 0, Double((new - old).magnitude) > share * Double(old) {
          broken.append(
            wholly(rule, "\(new) rows, and \(old) in what is published: more than \(percent(share)) of them apart"))
        }
      case .nullDrift(let share): try broken.append(contentsOf: driftOfNulls(rule, share))
      default: continue
      }
    }
    return broken
  }

  private func wholly(_ rule: Expectation, column: String? = nil, _ what: String) -> BrokenExpectation {
    BrokenExpectation(rule: rule.name, column: column, rowCount: nil, what: what)
  }

  // MARK: Rows

  private func brokenByRows(_ rules: [Expectation]) throws -> [BrokenExpectation] {
    let rules = rules.filter { version.schema[$0.column ?? ""] != nil }
    guard !rules.isEmpty else { return [] }
    let known = isWhole ? [] : Set((published?.files ?? []).map(\.key))
    var counts = [Int](repeating: 0, count: rules.count)
    var first = [String?](repeating: nil, count: rules.count)
    let names = Set(rules.compactMap(\.column)).union(key)
    let fields = version.schema.fields.filter { names.contains($0.name) }
    for file in version.files where !known.contains(file.key) {
      let doubtful = rules.indices.filter { !isProven(rules[$0], file) }
      guard !doubtful.isEmpty else { continue }
      let rows = try LiveFileRows(version, file, fields: fields)
      while let batch = try rows.next() {
        for index in doubtful {
          let column = batch.columns[batch.schema.index(of: rules[index].column!)!]
          let violations = rules[index].violations(in: column)
          counts[index] += violations.count
          guard first[index] == nil, let row = violations.first else { continue }
          let name = key.compactMap {
            batch.schema.index(of: $0).map { batch.columns[$0].value(at: row).text ?? "null" }
          }
          let complaint = rules[index].complaint(column.value(at: row).text)
          first[index] = name.isEmpty ? complaint : "\(name.joined(separator: ", ")): \(complaint)"
        }
      }
    }
    return rules.indices.filter { counts[$0] > 0 }.map { index in
      let rows = "\(counts[index]) \(counts[index] == 1 ? "row" : "rows")"
      return BrokenExpectation(
        rule: rules[index].name, column: rules[index].column, rowCount: counts[index],
        what: "\(rows), first \(first[index] ?? "")")
    }
  }

  /// Whether what the log says of the file shows that no row breaks the rule.
  private func isProven(_ rule: Expectation, _ file: LiveFile) -> Bool {
    guard let bounds = file.statistics?.columns[rule.column ?? ""] else { return false }
    switch rule.kind {
    case .notNull: return bounds.nullCount == 0
    case .minimum, .maximum:
      guard let type = version.schema[rule.column ?? ""]?.type, let least = bounds.minimum,
        let greatest = bounds.maximum,
        least.fits(type), greatest.fits(type)
      else { return false }
      // Bounds of texts are cut, and those of doubles say nothing of a NaN.
      guard type == .int64 || type == .date else { return false }
      return [least, greatest].allSatisfy { rule.violations(in: .repeating($0, type, count: 1)).isEmpty }
    default: return false
    }
  }

  private func repeated(_ columns: [String]) throws -> BrokenExpectation? {
    let fields = columns.compactMap { version.schema[$0] }
    // The key is unique by the way that rows are written.
    guard fields.count == columns.count, columns != key else { return nil }
    let schema = Schema(fields)
    let sort = ExternalSort(schema, by: Array(fields.indices), budgetBytes: limits.sortBytes, scratch: scratch)
    for file in version.files { try sort.add(LiveFileRows(version, file, fields: fields)) }
    let rows = try sort.finish()
    var last: [UInt8]?
    var count = 0
    var first: String?
    while let batch = try rows.next() {
      let keys = RowKeys(batch.columns, rowCount: batch.rowCount)
      for row in 0..<batch.rowCount where !batch.columns.contains(where: { $0.isNull(row) }) {
        let key = Array(keys[row])
        if key == last {
          count += 1
          first = first ?? batch.columns.map { $0.value(at: row).text ?? "null" }.joined(separator: ", ")
        }
        last = key
      }
    }
    guard count > 0 else { return nil }
    return BrokenExpectation(
      rule: "unique", column: columns.joined(separator: ", "), rowCount: count,
      what: "\(count) \(count == 1 ? "row repeats" : "rows repeat") another, first \"\(first ?? "")\"")
  }

  // MARK: Drift

  private func rowCount(_ contents: TableContents) throws -> Int {
    try contents.files.reduce(0) { $0 + (try contents.liveRowCount($1)) }
  }

  private func driftOfNulls(_ rule: Expectation, _ share: Double) throws -> [BrokenExpectation] {
    guard let published else { return [] }
    let (old, new) = (try rowCount(published), try rowCount(version))
    guard old > 0, new > 0 else { return [] }
    return try version.schema.fields.compactMap { field in
      guard let before = published.schema.fields.first(where: { $0.lineage == field.lineage }) else { return nil }
      let was = Double(try nullCount(published, before)) / Double(old)
      let now = Double(try nullCount(version, field)) / Double(new)
      guard (now - was).magnitude > share else { return nil }
      return wholly(
        rule, column: field.name, "\(percent(now)) of its values are null, and \(percent(was)) in what is published")
    }
  }

  private func nullCount(_ contents: TableContents, _ field: Field) throws -> Int {
    try contents.files.reduce(0) { sum, file in
      // Where rows are struck out, the log counts theirs too.
      if file.deletionVector == nil, let count = file.statistics?.columns[field.name]?.nullCount { return sum + count }
      let rows = try LiveFileRows(contents, file, fields: [field])
      var count = 0
      while let batch = try rows.next() { count += batch.columns[0].validity.count { !$0 } }
      return sum + count
    }
  }

  private func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }
}
