internal import VarveTables

/// Takes away what no version that is to stay needs: files move to the table's trash, and are purged after a while.
///
/// | step | effect | a crash right after leaves |
/// | --- | --- | --- |
/// | lock | the table's lock, then each version that goes, unless somebody reads it | nothing |
/// | plan | what is live where, from the log | nothing |
/// | **record** | `_varve/vacuums/<n>.json`, durable: from here on these versions count as vacuumed | files in their places; the next vacuum takes them |
/// | move | each file to `_varve/trash/<n>/` | some moved; the next vacuum takes the rest |
/// | sweep | the proxy made durable, then shards that nothing names removed | some removed; the next removes the rest |
/// | purge | older trash, whose time is over, is removed | some of it removed; the next purges the rest |
///
/// Shards are read and written under the table's lock only, which is held here. Of a proxy that only follows the log a
/// power cut may bring an older one back, which names older shards: so it is made durable before any of them goes.
///
/// Log, manifests and history stay: what a vacuumed version was, and where it came from, can still be told.
package struct Vacuum {
  let table: Table
  let warehouse: Warehouse
  package var retention: Retention
  package var clock: WallClock
  /// Trash is purged when it is older than this.
  package var graceMilliseconds: Int64 = Vacuum.graceStandardMilliseconds
  package var orphanMilliseconds: Int64 = Vacuum.graceStandardMilliseconds
  /// Versions that somebody outside the table needs, with the reasons. Asked under the table's lock.
  package var needs: () throws -> [Int64: [String]] = { [:] }

  package static let graceStandardMilliseconds: Int64 = 7 * 86_400_000

  package struct Report: Sendable {
    package var plan: VacuumPlan
    /// Whether it was done.
    package var isApplied = false
    package var trash: [Trash] = []
    /// Of what was purged, or would be.
    package var purgedByteCount = 0
  }

  /// What one vacuum took and has not been purged.
  package struct Trash: Sendable {
    package var number: Int64
    /// Milliseconds since 1970: when it was taken, and when it goes for good.
    package var timestamp: Int64
    package var purgeTime: Int64
    package var fileCount: Int
    package var byteCount: Int
  }

  package init(_ table: Table, in warehouse: Warehouse, retention: Retention, clock: WallClock = .system) {
    self.table = table
    self.warehouse = warehouse
    self.retention = retention
    self.clock = clock
  }

  private var storage: Storage { table.storage }

  /// What would be done now. Takes no lock and writes nothing.
  package func plan() throws -> Report {
    let now = clock.milliseconds()
    let storage = storage
    let plan = try planning(now) { VacuumLease.isRead($0, in: storage) }.plan()
    let trash = try Vacuum.trash(storage, grace: graceMilliseconds)
    return Report(
      plan: plan, trash: trash, purgedByteCount: trash.filter { $0.purgeTime <= now }.reduce(0) { $0 + $1.byteCount })
  }

  package func apply() throws -> Report {
    try storage.checkOwner()
    let lock = try table.lock()
    defer { withExtendedLifetime(lock) {} }
    try refuseUndecided()
    try Recovery(table: table, clock: clock).run()
    // What is not yet durable must not make an older version look superfluous.
    try storage.sync(Layout.log)
    let now = clock.milliseconds()
    let lease = try VacuumLease(storage)
    defer { withExtendedLifetime(lease) {} }
    // Versions that the plan keeps for another reason are locked for its time only.
    let plan = try planning(now) { try !lease.take($0) }.plan()
    for version in plan.versions where version.fate != .removed { lease.release(version.version) }
    let told = try Vacuums.read(storage).records.last?.versions ?? []
    if !plan.files.isEmpty || told != plan.vacuumed.ranges { try move(plan, at: now) }
    if !plan.shards.isEmpty {
      try Proxy.read(storage)?.write(storage, isDurable: true)
      for shard in plan.shards { try storage.removeIfPresent(shard.path) }
    }
    var report = Report(plan: plan, isApplied: true)
    for trash in try Vacuum.trash(storage, grace: graceMilliseconds) {
      if trash.purgeTime <= now {
        try storage.removeTree(Layout.vacuumed(trash.number))
        report.purgedByteCount += trash.byteCount
      } else {
        report.trash.append(trash)
      }
    }
    return report
  }

  private func planning(_ now: Int64, isRead: @escaping (Int64) throws -> Bool) throws -> VacuumPlanning {
    VacuumPlanning(
      table: table, retention: retention, now: now, needs: try needs(), orphanMilliseconds: orphanMilliseconds,
      isRead: isRead)
  }

  /// A decision that is not carried out yet may be about to bring files of older versions back.
  private func refuseUndecided() throws {
    for id in try warehouse.pendingDecisions() {
      guard try warehouse.decision(id)?.tables.contains(table.name) == true else { continue }
      throw Problem(
        .refused, at: [table.name], "the transaction \(id) is not carried out yet",
        advice: "run any command that writes into the table, and then vacuum again")
    }
  }

  private func move(_ plan: VacuumPlan, at now: Int64) throws {
    let number = try Vacuums.record(
      plan.files.map { .init(path: $0.path, byteCount: $0.byteCount) }, versions: plan.vacuumed.ranges, timestamp: now,
      in: storage)
    try Vacuum.move(plan.files.map(\.path), in: storage) { (from: $0, to: Layout.join(Layout.vacuumed(number), $0)) }
    let emptied = Set(plan.files.filter { $0.kind == .changeSet }.map { ExactText(Layout.parent($0.path)) })
    for directory in emptied { try storage.removeEmptyDirectory(directory.text) }
    for execution in Set(emptied.map { ExactText(Layout.parent($0.text)) }) {
      try storage.removeEmptyDirectory(execution.text)
    }
  }

  /// Renames files, those that are gone left out, and makes the new names durable before the old ones go for good.
  private static func move(
    _ paths: [String], in storage: Storage, _ ends: (String) -> (from: String, to: String)
  ) throws {
    var changed = Set<ExactText>()
    for path in paths {
      let (from, to) = ends(path)
      guard try storage.exists(from) else {
        // Whoever moved it may have died before its new name was durable.
        if try storage.exists(to) { changed.insert(ExactText(Layout.parent(to))) }
        continue
      }
      changed.formUnion(try storage.makeDirectories(Layout.parent(to)).map(ExactText.init))
      let isMoved = try storage.unsealing(Layout.parent(from)) {
        try storage.unsealing(Layout.parent(to)) { try storage.rename(from, to: to) }
      }
      guard isMoved else {
        throw Problem(.failed, at: [storage.path, to], "is taken", advice: "see what lies there, and move it away")
      }
      changed.formUnion([ExactText(Layout.parent(from)), ExactText(Layout.parent(to))])
    }
    try storage.sync(directories: changed.sorted().map(\.text))
  }

  // MARK: Trash

  package static func trash(_ storage: Storage, grace: Int64) throws -> [Trash] {
    let standing = Dictionary(uniqueKeysWithValues: try Vacuums.read(storage).records.map { ($0.number, $0) })
    return try storage.list(Layout.trash).compactMap { name in
      guard let number = Int64(name), Layout.vacuumed(number) == Layout.join(Layout.trash, name),
        let record = standing[number]
      else { return nil }
      var trash = Trash(
        number: number, timestamp: record.timestamp, purgeTime: record.timestamp + grace, fileCount: 0, byteCount: 0)
      func walk(_ path: String) throws {
        guard let status = try storage.status(path) else { return }
        if status.isDirectory {
          for name in try storage.list(path) { try walk(Layout.join(path, name)) }
        } else {
          trash.fileCount += 1
          trash.byteCount += status.byteCount
        }
      }
      try walk(Layout.vacuumed(number))
      return trash
    }
  }

  /// Brings back what the last vacuum took that is still in the trash: files first, then the record of it.
  ///
  /// A crash leaves some files in their places, and the vacuum still said to have taken them; the next undoing goes on.
  package func undo() throws -> Undone {
    try storage.checkOwner()
    let lock = try table.lock()
    defer { withExtendedLifetime(lock) {} }
    try Recovery(table: table, clock: clock).run()
    let standing = try Vacuums.read(storage).standing
    guard let last = try standing.last(where: { try storage.exists(Layout.vacuumed($0.number)) }) else {
      throw Problem(
        .failed, at: [table.name], "no vacuum has anything in the trash",
        advice: standing.isEmpty ? "it was never vacuumed" : "what was vacuumed is purged")
    }
    let paths = last.files.map(\.path).filter(LogPath.isSafe)
    try Vacuum.move(paths, in: storage) { (from: Layout.join(Layout.vacuumed(last.number), $0), to: $0) }
    let plan = try planning(clock.milliseconds()) { _ in false }.plan()
    let unreadable = plan.versions.filter { $0.fate == .vacuumed }.map(\.version)
    try Vacuums.record(
      [], versions: unreadable.ranges, undoing: last.number, timestamp: clock.milliseconds(), in: storage)
    try storage.removeTree(Layout.vacuumed(last.number))
    let gone = Set(unreadable)
    return Undone(
      timestamp: last.timestamp, files: last.files,
      versions: last.versions.flatMap { Array($0) }.filter { !gone.contains($0) })
  }

  package struct Undone: Sendable {
    /// When the vacuum was, in milliseconds since 1970.
    package var timestamp: Int64
    package var files: [Vacuums.File]
    /// Versions that can be read again.
    package var versions: [Int64]
  }
}
