package import VarveJSON
package import VarveTables

/// A data file that a version consists of: one `add` of the Delta log.
///
/// Known by (path, deletion vector), since one path may be live with different rows struck out.
package struct LiveFile: Hashable, Sendable {
  /// Relative to the table's root, as on disk (the log holds it percent-encoded).
  package var path: String
  /// One per partition column, in their order, as text (Delta, "Partition Value Serialization").
  package var partition: [String?]
  package var byteCount: Int
  /// Milliseconds since 1970.
  package var modificationTime: Int64
  package var statistics: FileStatistics?
  /// The rows of it that are struck out; nil where there are none.
  package var deletionVector: DeletionVector?

  package var deletionVectorID: String? { deletionVector?.id }
  package var key: FileKey { FileKey(path: ExactText(path), deletionVectorID: deletionVectorID) }

  /// The rows that are not struck out; nil where the log does not say how many the file has.
  package var rowCount: Int? { statistics.map { $0.rowCount - (deletionVector?.rowCount ?? 0) } }

  package init(
    path: String, partition: [String?], byteCount: Int, modificationTime: Int64, statistics: FileStatistics? = nil,
    deletionVector: DeletionVector? = nil
  ) {
    self.path = path
    self.partition = partition
    self.byteCount = byteCount
    self.modificationTime = modificationTime
    self.statistics = statistics
    self.deletionVector = deletionVector
  }
}

/// What the log says about the rows of one file, those that are struck out among them. Bounds hold for every value, and
/// may be wider than needed.
package struct FileStatistics: Hashable, Sendable {
  package var rowCount: Int
  /// By column name; a column without an entry is not bounded.
  package var columns: [String: ColumnBounds]

  package init(rowCount: Int, columns: [String: ColumnBounds] = [:]) {
    self.rowCount = rowCount
    self.columns = columns
  }
}

package struct ColumnBounds: Hashable, Sendable {
  /// Nil when not known, or when every value is null.
  package var minimum: Value?
  package var maximum: Value?
  package var nullCount: Int?

  package init(minimum: Value? = nil, maximum: Value? = nil, nullCount: Int? = nil) {
    self.minimum = minimum
    self.maximum = maximum
    self.nullCount = nullCount
  }
}

/// A data file that lies in staging, complete, synced and read-only.
package struct StagedFile: Hashable, Sendable {
  /// `part-00000-<digest>.parquet`.
  package var name: String
  package var byteCount: Int
  /// SHA-256, 64 lower-case hexadecimal digits.
  package var sha256: String
  package var statistics: FileStatistics

  package init(name: String, byteCount: Int, sha256: String, statistics: FileStatistics) {
    self.name = name
    self.byteCount = byteCount
    self.sha256 = sha256
    self.statistics = statistics
  }
}

/// What a commit adds to one partition: a directory in staging that becomes `<partition>/v<N>/`.
package struct StagedPartition: Hashable, Sendable {
  /// The directory's name below `_varve/staging/<transaction>/`.
  package var directory: String
  package var partition: [String?]
  /// In part order.
  package var files: [StagedFile]

  package init(directory: String, partition: [String?], files: [StagedFile]) {
    self.directory = directory
    self.partition = partition
    self.files = files
  }
}

package struct RowCounts: Hashable, Sendable {
  package var read = 0
  package var inserted = 0
  package var updated = 0
  package var deleted = 0
  package var unchanged = 0
  package var rejected = 0

  package init() {}
}

/// What an engine hands to the committer: staged files in, live files out. Nothing of it is visible yet.
package struct StagedChange: Sendable {
  /// In the table's partition order.
  package var added: [StagedPartition]
  /// Live files of the base that the new version no longer has.
  package var removed: [LiveFile]
  /// Files that are there already and are live from now on: those of older versions, and those of which other rows
  /// are struck out (`removed` has them as they were). Nothing is written for them.
  package var restored: [LiveFile] = []
  /// The schema of the new version.
  package var schema: Schema
  /// What of the base was looked at, and so must not have changed when the commit is made.
  package var reads: ReadSet
  package var rows: RowCounts
  /// What the commit says of the change beyond what it was asked for.
  package var details: JSONObject = [:]
  /// Rows that were left out although the table's row of their key says something else.
  package var collisions = KeyCollisions()

  package init(added: [StagedPartition], removed: [LiveFile], schema: Schema, reads: ReadSet, rows: RowCounts) {
    self.added = added
    self.removed = removed
    self.schema = schema
    self.reads = reads
    self.rows = rows
  }
}

package enum ReadSet: Hashable, Sendable {
  /// A blind append: nothing.
  case nothing
  /// These partitions, whole.
  case partitions(Set<PartitionText>)
  case everything
}
