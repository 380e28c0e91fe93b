import VarveParquet
import VarveTables

/// What a change does to the partitions that it touches.
struct RewrittenPartitions {
  var added: [StagedPartition] = []
  /// Live files as the base has them.
  var removed: [LiveFile] = []
  /// Files of these that stay, with more rows struck out.
  var struck: [LiveFile] = []
}

/// Writes the partitions that a change touches: what is left of files with struck rows, together with the rows added,
/// and files whose columns become wider. All other files stay as they are.
///
/// In a partition's directory the widened files come first, each a part of its own; then the rows added, in their order,
/// and where rows were struck the survivors among them by key.
///
/// Of a table that strikes rows out, files that need not be written anew stay where they are, and only what is struck out
/// of them is said; those of which nothing is left go.
struct PartitionRewrite {
  let plan: PartitionPlan
  let staging: StagingArea
  let limits: EngineLimits
  /// By the file's place in the base, the rows that it loses.
  let struck: [Int: RowSet]
  /// Files that go whole.
  let removed: Set<Int>

  func write(_ added: PartitionedRows) throws -> RewrittenPartitions {
    let layout = plan.layout
    var widened = try widenedFiles()
    var written = RewrittenPartitions()
    var whole = removed
    var struck = struck
    if plan.strikesRows {
      let mustWiden = Set(widened)
      for number in struck.keys.sorted() where !mustWiden.contains(number) && isStrikable(plan.base.files[number]) {
        if let file = try strike(struck[number]!, of: plan.base.files[number]) { written.struck.append(file) }
        whole.insert(number)
        struck[number] = nil
      }
    }
    widened.removeAll { struck[$0] != nil }
    let touched = Array(struck.keys) + widened
    var filesByPartition: [[UInt8]: [Int]] = [:]
    for number in touched.sorted() {
      filesByPartition[try partitionKey(plan.base.files[number], layout), default: []].append(number)
    }
    var waiting = filesByPartition.keys.sorted { compareBytes($0[...], $1[...]) < 0 }[...]
    while true {
      let next = added.partition
      let key: [UInt8]
      let values: [String?]
      if let next, waiting.first.map({ compareBytes(next.key[...], $0[...]) <= 0 }) ?? true {
        (key, values) = next
      } else if let first = waiting.first {
        (key, values) = (first, plan.base.files[filesByPartition[first]![0]].partition)
      } else {
        break
      }
      if waiting.first == key { waiting.removeFirst() }
      let files = filesByPartition[key] ?? []
      let writer = PartWriter(staging, schema: plan.schema, partition: values, limits: limits)
      for number in files where struck[number] == nil {
        try WidenedFile(
          plan.base, plan.base.files[number], schema: plan.schema, limits: limits
        ).write(to: writer)
      }
      try writer.append(merged(struck.filter { files.contains($0.key) }, with: added.rows(in: key)))
      if let partition = try writer.finish() { written.added.append(partition) }
    }
    written.removed = whole.union(touched).sorted().map { plan.base.files[$0] }
    return written
  }

  /// Polars finds no deletion vector of a file whose path the log has to spell otherwise than it is, and would show rows
  /// that are gone: such files are written anew.
  private func isStrikable(_ file: LiveFile) -> Bool { ExactText(LogPath.encode(file.path)) == ExactText(file.path) }

  /// The file without these rows either; nil where none is left.
  private func strike(_ rows: RowSet, of file: LiveFile) throws -> LiveFile? {
    let rowCount = try plan.base.rowCount(file)
    var all = try plan.base.struckRows(file, rowCount: rowCount)
    all.formUnion(rows)
    guard all.count < rowCount else { return nil }
    var file = file
    file.deletionVector = DeletionVector(inline: all)
    return file
  }

  /// Files that have a column whose type the new version widens.
  private func widenedFiles() throws -> [Int] {
    let columns = plan.widenedColumns
    guard !columns.isEmpty else { return [] }
    return try plan.base.files.indices.filter { number in
      guard !removed.contains(number) else { return false }
      let schema = try plan.base.open(plan.base.files[number]).schema
      return columns.contains { schema[$0.name] != nil }
    }
  }

  private func partitionKey(_ file: LiveFile, _ layout: PartitionLayout) throws -> [UInt8] {
    guard let key = layout.key(file.partition) else {
      throw Problem(.damaged, at: [file.path], "its partition values do not have the types of their columns")
    }
    return key
  }

  /// The files' surviving rows and the added ones, by key; the latter as they come where there are no files.
  private func merged(_ struck: [Int: RowSet], with added: any BatchSource) throws -> any BatchSource {
    let files = struck.keys.sorted()
    let rowCounts = try files.map { try plan.base.liveRowCount(plan.base.files[$0]) }
    let left = files.indices.filter { struck[files[$0]]!.count < rowCounts[$0] }
    guard !left.isEmpty else { return added }
    let survivors = left.map { Survivors(plan, files[$0], struck: struck[files[$0]]!) }
    // Large parts that were written sorted are merged as they are read; others are sorted first.
    let isSorted = try concurrently(left.count, parallelism: limits.parallelism) { [plan] in
      try rowCounts[left[$0]] > Self.sortedRowsMin && plan.isSortedByKey(files[left[$0]])
    }
    var sources: [any BatchSource] = []
    var unsorted: [Survivors] = []
    for (source, isSorted) in zip(survivors, isSorted) {
      if isSorted && sources.count < Self.sortedFilesMax { sources.append(source) } else { unsorted.append(source) }
    }
    if !unsorted.isEmpty {
      let staging = staging
      let sort = ExternalSort(plan.schema, by: plan.keyColumns, budgetBytes: limits.sortBytes) {
        try staging.createScratch()
      }
      for source in unsorted { try sort.add(source) }
      sources.append(try sort.finish())
    }
    return try MergedBatches(sources + [added], schema: plan.schema, by: plan.keyColumns)
  }

  /// Files merged side by side: each is open, with a page of every column in memory.
  private static let sortedFilesMax = 8

  /// Sorting so few rows costs less than a look at whether they are.
  private static let sortedRowsMin = 32_768
}

extension PartitionPlan {
  fileprivate func isSortedByKey(_ file: Int) throws -> Bool {
    let rows = try LiveFileRows(base, base.files[file], fields: keyFields)
    var last: [UInt8]?
    while let batch = try rows.next() {
      let keys = RowKeys(batch.columns, rowCount: batch.rowCount)
      if let last, compareBytes(last[...], keys[0]) > 0 { return false }
      guard keys.isAscending(strictly: false) else { return false }
      last = Array(keys[keys.count - 1])
    }
    return true
  }
}

/// The rows of a live file that were not struck, in the new version's columns. The file is opened when it is first read.
private final class Survivors: BatchSource {
  private let plan: PartitionPlan
  private let file: Int
  private let struck: RowSet
  private var rows: LiveFileRows?
  var schema: Schema { plan.schema }

  init(_ plan: PartitionPlan, _ file: Int, struck: RowSet) {
    self.plan = plan
    self.file = file
    self.struck = struck
  }

  func next() throws -> Batch? {
    let rows =
      try self.rows ?? LiveFileRows(plan.base, plan.base.files[file], fields: plan.schema.fields, striking: struck)
    self.rows = rows
    return try rows.next()
  }
}
