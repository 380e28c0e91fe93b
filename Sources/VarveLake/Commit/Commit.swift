internal import VarveJSON
package import VarveTables

/// One table's part of a decision: what is staged, on what base, and what is said about it.
package struct Commit: Sendable {
  package var table: Table
  /// What the change was planned on; nil when the commit makes the table.
  package var base: Snapshot?
  /// What the table is to be, when the commit makes it.
  package var creation: TableMetadata?
  package var staging: StagingArea
  package var change: StagedChange
  /// Table properties to set, or with nil to remove.
  package var properties: [String: String?]
  package var bookkeeping: Bookkeeping
  /// Whether a feed or idempotency key that was committed since the base ends the attempt as "already ingested".
  package var refusesRepeat: Bool
  /// Whether any version since the base is in the way, even one that changed no row.
  var needsBaseAsHead = false
  /// Whether further commits of the same staging area follow.
  var keepsStaging = false
  /// Plans the change anew, into the same staging area, on a snapshot of what was committed meanwhile; nil where there
  /// is nothing left to change.
  package var replan: (@Sendable (Snapshot) throws -> StagedChange?)?

  /// A change to a table that is there.
  package init(
    _ change: StagedChange, to table: Table, base: Snapshot, staging: StagingArea, bookkeeping: Bookkeeping,
    properties: [String: String?] = [:], refusesRepeat: Bool = true, needsBaseAsHead: Bool = false,
    replan: (@Sendable (Snapshot) throws -> StagedChange?)? = nil
  ) {
    self.table = table
    self.base = base
    self.staging = staging
    self.change = change
    self.properties = properties
    self.bookkeeping = bookkeeping
    self.refusesRepeat = refusesRepeat
    self.needsBaseAsHead = needsBaseAsHead
    self.replan = replan
  }

  /// The first feed of a new table.
  package init(
    _ change: StagedChange, creating table: Table, as metadata: TableMetadata, staging: StagingArea,
    bookkeeping: Bookkeeping, replan: (@Sendable (Snapshot) throws -> StagedChange?)? = nil
  ) {
    self.table = table
    creation = metadata
    self.staging = staging
    self.change = change
    properties = [:]
    self.bookkeeping = bookkeeping
    refusesRepeat = true
    self.replan = replan
  }
}

package enum CommitOutcome: Sendable {
  case committed(Committed)
  /// The same feed or key was committed by somebody else while this one was prepared.
  case alreadyIngested(version: Int64)
  /// Planned anew, the change turned out to be none.
  case unchanged(version: Int64)

  /// The version that holds the feed.
  package var version: Int64 {
    switch self {
    case .committed(let committed): committed.version
    case .alreadyIngested(let version), .unchanged(let version): version
    }
  }
}

package struct Committed: Sendable {
  package var version: Int64
  /// Milliseconds since 1970.
  package var timestamp: Int64
  package var entrySHA256: String
  /// As committed: a change that was planned anew may have counted differently.
  package var rows: RowCounts
  /// What went wrong after the commit, and is put right by the next writer: the version stands all the same.
  package var remarks: [Problem]
}

/// Others changed a table since its change was planned. Nothing was done, and planning anew is in place.
package struct Overtaken: Error {
  package let table: String
  /// What they did, as a clause.
  package let collision: String

  init(table: String, by collision: String) {
    self.table = table
    self.collision = collision
  }
}

/// Whether what was committed after a change's base stands in its way.
enum Conflict {
  /// What collides, as a sentence's object; nil where nothing does.
  static func find(_ commit: Commit, base: Snapshot, head: Snapshot, entries: [LogEntry]) throws -> String? {
    if head.metadata != base.metadata || head.tableProtocol != base.tableProtocol {
      return "its schema or properties were changed"
    }
    let gone = commit.change.removed.isEmpty ? [] : try head.missing(commit.change.removed)
    if let file = gone.first { return "the file \(file.path) is live no more" }
    for entry in entries {
      let changed = entry.actions.compactMap { changedPartition($0, head.partitionColumns) }
      let who = entry.commitInfo?["engineInfo"]?.string ?? "another writer"
      if commit.needsBaseAsHead { return "version \(entry.version) (\(who)) came" }
      switch commit.change.reads {
      case .nothing: continue
      case .everything:
        if !changed.isEmpty { return "version \(entry.version) (\(who)) changed it" }
      case .partitions(let read):
        if let hit = changed.first(where: { $0 == nil || read.contains(PartitionText($0!)) }) {
          let shown = hit?.map { $0 ?? "null" }.joined(separator: "/") ?? "unknown"
          return "version \(entry.version) (\(who)) changed the partition \(shown)"
        }
      }
    }
    return nil
  }

  /// Nil for what changes no rows; a nil partition where the log does not say which.
  private static func changedPartition(_ action: Action, _ columns: [String]) -> [String?]?? {
    switch action {
    case .add(let add) where add.dataChange:
      return .some(columns.map(add.value(ofPartitionColumn:)))
    case .remove(let remove) where remove.dataChange:
      guard let values = remove.partitionValues else { return .some(nil) }
      return .some(columns.map { column in values.first { $0.column.utf8.elementsEqual(column.utf8) }?.value })
    default: return nil
    }
  }
}

extension Snapshot {
  /// The log's own words for live files, by path and deletion vector.
  func adds(of files: [LiveFile]) throws -> [FileKey: AddAction] {
    let wanted = Set(files.map(\.key))
    guard !wanted.isEmpty else { return [:] }
    var adds: [FileKey: AddAction] = [:]
    for entry in try entries {
      guard let path = LogPath.decode(entry.path) else { continue }
      let key = FileKey(path: ExactText(path), deletionVectorID: entry.deletionVector?.id)
      if wanted.contains(key) { adds[key] = entry }
    }
    return adds
  }

  func missing(_ files: [LiveFile]) throws -> [LiveFile] {
    let adds = try adds(of: files)
    return files.filter { adds[$0.key] == nil }
  }
}
