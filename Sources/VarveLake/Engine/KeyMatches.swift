import VarveTables

/// Rows of one live file whose key is one of the feed's.
struct KeyMatches: Sendable {
  /// The file's place in the table's files.
  var file: Int
  /// Rows of the file, from 0, ascending.
  var rows: [Int]
  /// For each, the row of the feed that has its key.
  var feedRows: [Int]
}

extension PartitionPlan {
  /// The live files that may hold one of these keys.
  func candidates(_ bounds: KeyBounds, partitions: [[UInt8]: [String?]]) -> [Int] {
    let layout = layout
    let keyFields = keyFields
    return base.files.indices.filter { number in
      let file = base.files[number]
      if keyDecidesPartition, let key = layout.key(file.partition), partitions[key] == nil { return false }
      return file.statistics.map { bounds.mayMeet($0, keyFields) } ?? true
    }
  }

  /// What those files hold of the index's keys; files without any are left out.
  func matches(
    _ index: KeyIndex, _ bounds: KeyBounds, among files: [Int], parallelism: Int,
    checkInterrupted: @escaping @Sendable () throws -> Void
  ) throws -> [KeyMatches] {
    let base = base
    let keyFields = keyFields
    return try concurrently(files.count, parallelism: parallelism) { number in
      var matches = KeyMatches(file: files[number], rows: [], feedRows: [])
      let rows = try LiveFileRows(
        base, base.files[files[number]], fields: keyFields, pruning: keyFields.map(\.name)
      ) { bounds.mayMeet($0, keyFields) }
      while let batch = try rows.next() {
        try checkInterrupted()
        RowKeys(batch.columns, rowCount: batch.rowCount).withEach { row, key in
          let hash = KeyIndex.hash(key)
          guard index.hashes.contains(hash), let entry = index.find(key, hash: hash) else { return }
          matches.rows.append(rows.rowOfFile(row))
          matches.feedRows.append(index.feedRows[entry])
        }
      }
      return matches
    }.filter { !$0.rows.isEmpty }
  }
}
