import VarveParquet
import VarveTables

/// Writes the partitions that a change touches: what is left of files with struck rows, together with the rows added,
/// and files whose columns become wider. All other files stay as they are.
///
/// In a partition's directory the widened files come first, each a part of its own; then the rows added, in their order,
/// and where rows were struck the survivors among them by key.
struct PartitionRewrite {
  let plan: PartitionPlan
  let staging: StagingArea
  let limits: EngineLimits
  /// By the file's place in the base, the rows that it loses.
  let struck: [Int: RowSet]
  /// Files that go whole.
  let removed: Set<Int>

  func write(_ added: PartitionedRows) throws -> (added: [StagedPartition], removed: [LiveFile]) {
    let layout = plan.layout
    let widened = try widenedFiles()
    let touched = Array(struck.keys) + widened
    var filesByPartition: [[UInt8]: [Int]] = [:]
    for number in touched.sorted() {
      filesByPartition[try partitionKey(plan.base.files[number], layout), default: []].append(number)
    }
    var waiting = filesByPartition.keys.sorted { compareBytes($0[...], $1[...]) < 0 }[...]
    var partitions: [StagedPartition] = []
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
      try writer.append(merged(files.filter { struck[$0] != nil }, with: added.rows(in: key)))
      if let partition = try writer.finish() { partitions.append(partition) }
    }
    let gone = removed.union(touched).sorted().map { plan.base.files[$0] }
    return (partitions, gone)
  }

  /// Files that have a column whose type the new version widens.
  private func widenedFiles() throws -> [Int] {
    let columns = plan.widenedColumns
    guard !columns.isEmpty else { return [] }
    return try plan.base.files.indices.filter { number in
      guard struck[number] == nil, !removed.contains(number) else { return false }
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
  private func merged(_ files: [Int], with added: any BatchSource) throws -> any BatchSource {
    let rowCounts = try files.map { try plan.base.rowCount(plan.base.files[$0]) }
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
  private var first = 0
  var schema: Schema { plan.schema }

  init(_ plan: PartitionPlan, _ file: Int, struck: RowSet) {
    self.plan = plan
    self.file = file
    self.struck = struck
  }

  func next() throws -> Batch? {
    let rows = try self.rows ?? LiveFileRows(plan.base, plan.base.files[file], fields: plan.schema.fields)
    self.rows = rows
    while let batch = try rows.next() {
      let kept = (0..<batch.rowCount).filter { !struck.contains(first + $0) }
      first += batch.rowCount
      if kept.count == batch.rowCount { return batch }
      if !kept.isEmpty { return batch.gather(rows: kept) }
    }
    return nil
  }
}
