internal import VarveJSON
internal import VarveTables

/// Small files of a version written anew as fewer and larger ones. No row changes, and no row comes at another place:
/// in a partition the files from some file on, up to the last, become new ones, which lie behind those before.
///
/// That no row changed is proven and not assumed: the rows are digested as they are read, and once more as they are read
/// back from what was written. The digest stands in the commit.
package struct Compaction: Sendable {
  private let contents: TableContents
  private let limits: EngineLimits
  /// The files of each partition that are written anew, in row order.
  private let runs: [[LiveFile]]

  package static let targetBytesStandard = 128 << 20

  /// What a compaction does, or would do.
  package struct Sizes: Hashable, Sendable {
    package var partitionCount = 0
    package var fileCountBefore = 0
    package var byteCountBefore = 0

    package init() {}
  }

  /// Files smaller than half of `targetBytes` are worth it; new ones are closed at the first row group that takes them
  /// past it.
  package init(
    _ contents: TableContents, targetBytes: Int, limits: EngineLimits, where isWanted: ([String?]) -> Bool
  ) {
    self.contents = contents
    var limits = limits
    limits.partBytesMax = targetBytes
    self.limits = limits
    var partitions: [[LiveFile]] = []
    for file in contents.files where isWanted(file.partition) {
      if let last = partitions.last?.last, PartitionText(last.partition) == PartitionText(file.partition) {
        partitions[partitions.count - 1].append(file)
      } else {
        partitions.append([file])
      }
    }
    runs = partitions.compactMap { Compaction.run(of: $0, targetBytes: targetBytes) }
  }

  package var isNeeded: Bool { !runs.isEmpty }

  package var sizes: Sizes {
    var sizes = Sizes()
    sizes.partitionCount = runs.count
    sizes.fileCountBefore = runs.reduce(0) { $0 + $1.count }
    sizes.byteCountBefore = runs.joined().reduce(0) { $0 + $1.byteCount }
    return sizes
  }

  /// The files from the first on that has rows struck out, or is small and whose rewriting leaves fewer.
  private static func run(of files: [LiveFile], targetBytes: Int) -> [LiveFile]? {
    var byteCount = files.reduce(0) { $0 + $1.byteCount }
    for (index, file) in files.enumerated() {
      let count = files.count - index
      let countAfter = max(1, (byteCount + targetBytes - 1) / targetBytes)
      let isSmall = file.byteCount < targetBytes / 2 && countAfter < count
      if isSmall || file.deletionVectorID != nil { return Array(files[index...]) }
      byteCount -= file.byteCount
    }
    return nil
  }

  /// Writes the new files into staging. `progress` is called now and then, and may throw to stop.
  package func stage(in staging: StagingArea, progress: () throws -> Void = {}) throws -> StagedChange {
    var read = RowDigest()
    var written = RowDigest()
    var added: [StagedPartition] = []
    for files in runs {
      let writer = PartWriter(staging, schema: contents.schema, partition: files[0].partition, limits: limits)
      for file in files {
        let rows = try LiveFileRows(contents, file, fields: contents.schema.fields)
        while let batch = try rows.next() {
          read.update(batch)
          try writer.append(batch)
          try progress()
        }
      }
      guard let partition = try writer.finish() else { continue }
      added.append(partition)
      let directory = Layout.stagedDirectory(staging.transaction, partition.directory)
      for file in partition.files {
        let staged = LiveFile(
          path: Layout.join(directory, file.name), partition: partition.partition, byteCount: file.byteCount,
          modificationTime: 0, statistics: file.statistics)
        let rows = try LiveFileRows(contents, staged, fields: contents.schema.fields)
        while let batch = try rows.next() {
          written.update(batch)
          try progress()
        }
      }
    }
    let (rowCount, rowCountWritten) = (read.rowCount, written.rowCount)
    let sha256 = read.finish()
    guard written.finish() == sha256, rowCountWritten == rowCount else {
      throw Problem(
        .damaged, at: [contents.storage.path],
        "what was written does not read back as what was read, so nothing was compacted",
        advice: "check the machine's memory and disk, and try again")
    }
    var change = StagedChange(
      added: added, removed: runs.flatMap { $0 }, schema: contents.schema, reads: .nothing, rows: RowCounts())
    let files = added.flatMap(\.files)
    change.details["compaction"] = [
      "rows": JSONValue(rowCount), "rows_sha256": .string(sha256), "partitions": JSONValue(runs.count),
      "files_before": JSONValue(change.removed.count), "files_after": JSONValue(files.count),
      "bytes_before": JSONValue(sizes.byteCountBefore), "bytes_after": JSONValue(files.reduce(0) { $0 + $1.byteCount }),
    ]
    return change
  }
}

/// SHA-256 over rows, one after the other: equal for equal rows in the same order, however they come in batches.
private struct RowDigest: ~Copyable {
  private let digest = Digest()
  private(set) var rowCount = 0

  mutating func update(_ batch: Batch) {
    digest.update(RowKeys(batch.columns, rowCount: batch.rowCount).bytes)
    rowCount += batch.rowCount
  }

  consuming func finish() -> String { digest.finish() }
}
