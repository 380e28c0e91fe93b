/// What the engine may use, and how it writes. None of it but the bounds on row groups and parts and the level of
/// compression changes a byte of the result.
package struct EngineLimits: Hashable, Sendable {
  /// The budget of memory: sort buffers take it, and the keys of a feed three times as much.
  package var memoryBytes: Int
  /// Threads at work at once.
  package var parallelism: Int
  package var rowGroupRowsMax: Int
  /// Of values before encoding.
  package var rowGroupBytesMax: Int
  /// A part is closed at the first row group that takes it past this.
  package var partBytesMax: Int
  /// Of data files, 1 (fast) to 22 (small).
  package var zstdLevel: Int

  package static let zstdLevelStandard = 3

  package init(
    memoryBytes: Int = 64 << 20, parallelism: Int, rowGroupRowsMax: Int = 131_072, rowGroupBytesMax: Int = 64 << 20,
    partBytesMax: Int = 512 << 20, zstdLevel: Int = zstdLevelStandard
  ) {
    precondition(rowGroupRowsMax > 0 && rowGroupBytesMax > 0 && partBytesMax > 0, "a part holds at least one row")
    self.memoryBytes = memoryBytes
    self.parallelism = parallelism
    self.rowGroupRowsMax = rowGroupRowsMax
    self.rowGroupBytesMax = rowGroupBytesMax
    self.partBytesMax = partBytesMax
    self.zstdLevel = zstdLevel
  }

  /// Of one column's text in one batch.
  static let batchColumnBytesMax = 4 << 20

  /// Two sorts may be under way at once: one read from, the other filled.
  var sortBytes: Int { memoryBytes / 2 }

  /// Two million keys of 20 bytes take about 128 MiB.
  var keyBytes: Int { memoryBytes * 3 }
}
