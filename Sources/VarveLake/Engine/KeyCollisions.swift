import VarveTables

/// Rows that an insert leaves out because the table has their key, although its row says something else.
package struct KeyCollisions: Hashable, Sendable {
  package static let namedMax = 5
  package private(set) var count = 0
  /// The first of them, with what both rows say.
  package private(set) var texts: [String] = []

  package init() {}

  mutating func add(
    _ matches: [KeyMatches], of plan: PartitionPlan, _ limits: EngineLimits, scratch: @escaping () throws -> ScratchFile
  ) throws {
    guard !matches.isEmpty else { return }
    let stored = try StoredRows(plan, matches, limits, scratch: scratch)
    let feed = try FeedRows(plan)
    let merger = RowMerger(plan, newestBy: nil)
    let keys = plan.keyNameFields.compactMap { plan.schema.index(of: $0.name) }
    while let rows = try feed.next() {
      for (row, columns) in merger.differences(rows, try stored.rows(before: rows.first + rows.batch.rowCount)) {
        count += 1
        guard texts.count < KeyCollisions.namedMax else { continue }
        let place = try plan.feed.origins(of: [rows.first + row]).flatMap(\.place).joined(separator: ", ")
        let key = keys.map { rows.batch.columns[$0].value(at: row).text ?? "null" }.joined(separator: ", ")
        let values = columns.map { "\($0.name) \($0.new.text ?? "null") here, \($0.old.text ?? "null") there" }
        texts.append("\(place): the table has (\(key)) with other content: \(values.joined(separator: "; "))")
      }
    }
  }
}
