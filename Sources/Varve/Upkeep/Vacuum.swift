internal import VarveLake
internal import VarveTables

/// Which versions of a table stay readable, and for how long what goes can be brought back.
///
/// A version stays if any rule keeps it. Whatever is asked for, these stay: the newest, what readers are shown, versions
/// with a name or a hold, those that a delivery needs, and those that somebody is reading.
public struct VacuumRequest: Sendable {
  /// The table's name.
  public var table: String
  /// The newest so many versions.
  public var keepVersions: Int?
  /// The versions that were the newest at some time within so many days: 30, where neither this nor `keepVersions` is
  /// given.
  public var keepDays: Int?
  /// What the newest so many executions need to run again; nil for all of them.
  public var keepExecutions: Int?
  /// How long what was taken lies in the trash.
  public var graceDays = 7
  /// Does it; else there is only the plan.
  public var applies = false

  /// Of a table.
  public init(_ table: String) { self.table = table }
}

/// What a vacuum took, or would take.
public struct VacuumReport: Sendable {
  /// A version, and what becomes of it.
  public struct Version: Sendable {
    /// `kept`, `shared` (not needed, and still readable, since kept versions have all of its files), `removed`,
    /// `vacuumed` (by an earlier vacuum), `lost`.
    public var fate: String
    /// The version's number.
    public var version: Int
    /// When: `2024-10-06T12:00:00Z`.
    public var timestamp: String
    /// How many data files.
    public var fileCount: Int
    /// How many bytes.
    public var byteCount: Int
    /// Files that go, each counted in the last version that has it.
    public var freedFileCount: Int
    /// How many bytes are freed.
    public var freedByteCount: Int
    /// Why it is kept.
    public var reasons: [String]
  }

  /// A file that goes.
  public struct File: Sendable {
    /// Relative to the table.
    public var path: String
    /// How many bytes.
    public var byteCount: Int
    /// `data`, `deletion vectors` (of another engine), `change set`, `orphan` or `shard`.
    public var kind: String
  }

  /// What one vacuum took and has not been purged.
  public struct Trash: Sendable {
    /// When: `2024-10-06T12:00:00Z`.
    public var timestamp: String
    /// When it goes for good.
    public var purgeTime: String
    /// How many data files.
    public var fileCount: Int
    /// How many bytes.
    public var byteCount: Int
  }

  /// The table's name.
  public var table: String
  /// Whether it was carried out, and not only planned.
  public var isApplied: Bool
  /// Oldest first.
  public var versions: [Version]
  /// What goes to the trash, by path.
  public var files: [File]
  /// Shards of the table's index that nothing names any more. They follow from the log, and are removed at once.
  public var shards: [File]
  /// What lies in the trash.
  public var trash: [Trash]
  /// Of what was purged from the trash, or would be.
  public var purgedByteCount: Int

  /// How many bytes go to the trash.
  public var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }
  /// How many bytes are removed at once.
  public var shardByteCount: Int { shards.reduce(0) { $0 + $1.byteCount } }
}

/// What a vacuum took and was brought back.
public struct VacuumUndone: Sendable {
  /// The table's name.
  public var table: String
  /// When the vacuum was.
  public var timestamp: String
  /// How many data files.
  public var fileCount: Int
  /// How many bytes.
  public var byteCount: Int
  /// Versions that can be read again.
  public var versions: [Int]
}

extension Warehouse {
  /// Takes away files that only versions need which are not to stay; they lie in the table's trash for a while. Without
  /// `applies` nothing is written.
  public func vacuum(_ request: VacuumRequest) throws -> VacuumReport {
    for (option, value) in [("--keep-versions", request.keepVersions), ("--keep-executions", request.keepExecutions)] {
      if let value, value < 1 { throw Problem(.usage, "\(option) \(value): at least one stays") }
    }
    if (request.keepDays ?? 0) < 0 || request.graceDays < 0 { throw Problem(.usage, "days are counted from 0") }
    let table = try table(request.table)
    guard let lake = try request.applies ? writable() : lake() else {
      preconditionFailure("a table lies in a warehouse")
    }
    let retention = Retention(
      versions: request.keepVersions, milliseconds: request.keepDays.map(milliseconds),
      executions: request.keepExecutions)
    var vacuum = Vacuum(table, in: lake, retention: retention, clock: surroundings.clock)
    vacuum.graceMilliseconds = milliseconds(request.graceDays)
    vacuum.needs = { try self.versionsToDeliver(of: table.name, lake) }
    let report = try request.applies ? vacuum.apply() : vacuum.plan()
    return VacuumReport(
      table: table.name, isApplied: report.isApplied, versions: report.plan.versions.map(VacuumReport.Version.init),
      files: report.plan.files.map(VacuumReport.File.init), shards: report.plan.shards.map(VacuumReport.File.init),
      trash: report.trash.map {
        .init(
          timestamp: timeText($0.timestamp), purgeTime: timeText($0.purgeTime), fileCount: $0.fileCount,
          byteCount: $0.byteCount)
      }, purgedByteCount: report.purgedByteCount)
  }

  /// Brings back what the last vacuum of a table took that is still in the trash.
  public func undoVacuum(_ name: String) throws -> VacuumUndone {
    let table = try table(name)
    let undone = try Vacuum(table, in: writable(), retention: Retention(), clock: surroundings.clock).undo()
    return VacuumUndone(
      table: name, timestamp: timeText(undone.timestamp), fileCount: undone.files.count,
      byteCount: undone.files.reduce(0) { $0 + $1.byteCount }, versions: undone.versions.map { Int($0) })
  }

  private func milliseconds(_ days: Int) -> Int64 { Int64(min(days, 36_500_000)) * 86_400_000 }

  /// Versions that targets took last, so that what differs since can be told, and those that are not delivered whole.
  private func versionsToDeliver(of table: String, _ lake: VarveLake.Warehouse) throws -> [Int64: [String]] {
    guard try lake.storage.exists(Layout.ledger) else { return [:] }
    let ledger = try Ledger.open(lake.storage, clock: surroundings.clock)
    var needs: [Int64: [String]] = [:]
    func note(_ version: Int64, _ reason: String) {
      if needs[version]?.contains(reason) != true { needs[version, default: []].append(reason) }
    }
    var targets: [String] = []
    for record in try ledger.deliveries(table: table) {
      if !targets.contains(record.target) { targets.append(record.target) }
      guard record.state != .complete else { continue }
      note(record.version, "delivery to \(record.target) not complete")
      if let since = record.since { note(since, "delivery to \(record.target) starts from it") }
    }
    for target in targets.sorted() {
      if let version = try ledger.deliveredVersion(of: table, to: target) { note(version, "delivered to \(target)") }
    }
    return needs
  }
}

extension VacuumReport.File {
  init(_ file: VacuumPlan.File) {
    self.init(path: file.path, byteCount: file.byteCount, kind: file.kind.rawValue)
  }
}

extension VacuumReport.Version {
  init(_ version: VacuumPlan.Version) {
    self.init(
      fate: version.fate.rawValue, version: Int(version.version), timestamp: timeText(version.timestamp),
      fileCount: version.fileCount, byteCount: version.byteCount, freedFileCount: version.freedFileCount,
      freedByteCount: version.freedByteCount, reasons: version.reasons)
  }
}
