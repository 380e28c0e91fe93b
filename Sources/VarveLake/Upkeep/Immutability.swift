internal import VarveTables

/// That a table is write-once: what a commit placed is never added to, and nothing of a version is vacuumed before its time.
///
/// The directories of its versions become read-only right after the commit that placed them. Once a table is immutable it
/// stays so, and its days only grow: a `restore` of an older version brings back its rows and schema, and not its freedom.
package struct Immutability: Hashable, Sendable {
  /// How long nothing of a version can be removed after another took its place; nil: ever.
  package var days: Int?

  package init(days: Int?) { self.days = days }

  package static let daysMax = 36_500
  static let millisecondsPerDay: Int64 = 86_400_000

  /// The one that protects more.
  func joined(with other: Immutability?) -> Immutability {
    guard let other, let days, let otherDays = other.days else { return other == nil ? self : Immutability(days: nil) }
    return Immutability(days: max(days, otherDays))
  }

  package func protectsMore(than other: Immutability) -> Bool { self != other && joined(with: other) == self }

  /// When what was replaced at that time can be removed, in milliseconds since 1970; nil: never.
  package func end(replacedAt milliseconds: Int64) -> Int64? {
    days.map { milliseconds + Int64($0) * Immutability.millisecondsPerDay }
  }
}

extension TableMetadata {
  package var immutability: Immutability? {
    get {
      guard self[.immutable] == "true" else { return nil }
      // What cannot be read protects most.
      guard let text = self[.immutableDays] else { return Immutability(days: nil) }
      return Immutability(days: Int(text).flatMap { (0...Immutability.daysMax).contains($0) ? $0 : nil })
    }
    set {
      self[.immutable] = newValue.map { _ in "true" }
      self[.immutableDays] = newValue?.days.map(String.init)
    }
  }
}

extension Table {
  /// The versions of which nothing may be removed at that time: the newest, and those that were replaced less than the
  /// table's days ago. None where the table is not immutable.
  package func immutableVersions(at milliseconds: Int64) throws -> Set<Int64> {
    guard try head() != nil, let immutability = try snapshot(at: .head).metadata.immutability else { return [] }
    var versions: Set<Int64> = []
    var replaced: Int64?
    for record in try history() {
      if replaced.map({ immutability.end(replacedAt: $0) ?? .max > milliseconds }) ?? true {
        versions.insert(record.version)
      }
      replaced = record.timestamp
    }
    return versions
  }
}

/// Makes the directories of versions read-only.
struct VersionSealing {
  let table: Table
  private var storage: Storage { table.storage }

  /// Those of a version that is recorded.
  func seal(_ entry: LogEntry) throws {
    for directory in Recovery.directories(entry) { try storage.seal(directory: directory) }
  }

  /// Those of the newest versions that a dead writer recorded and did not come to seal. Every writer begins with it, so that
  /// it ends at the first one that is sealed.
  func sealNewest(_ head: Int64) throws {
    var version = head
    while version > 0, let entry = try table.log.entry(version) {
      let open = try Recovery.directories(entry).filter { try storage.isSealed(directory: $0) == false }
      if open.isEmpty, !Recovery.directories(entry).isEmpty { return }
      for directory in open { try storage.seal(directory: directory) }
      version -= 1
    }
  }

  /// All that lie in the table, but for those of the version that makes it immutable and is about to be recorded. A crash
  /// before that leaves read-only directories in a table that is not immutable, which does no harm.
  func sealAll(but coming: Int64) throws {
    for name in try storage.list("") where name != Layout.log && name != Layout.bookkeeping {
      try sealAll(below: name, but: coming)
    }
  }

  private func sealAll(below path: String, but coming: Int64) throws {
    guard try storage.status(path)?.isDirectory == true else { return }
    if let version = Layout.version(ofDirectoryName: Layout.name(path)) {
      if version != coming { try storage.seal(directory: path) }
      return
    }
    for name in try storage.list(path) { try sealAll(below: Layout.join(path, name), but: coming) }
  }
}
