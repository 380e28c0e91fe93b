internal import VarveTables

/// Which versions of a table are to stay readable. A version stays if any of the rules keeps it.
package struct Retention: Hashable, Sendable {
  /// The newest so many.
  package var versions: Int?
  /// Those that were the newest at some time within so many milliseconds.
  package var milliseconds: Int64?
  /// What the newest so many executions need to run again; nil for all of them.
  package var executions: Int?

  package init(versions: Int? = nil, milliseconds: Int64? = nil, executions: Int? = nil) {
    self.versions = versions
    self.milliseconds = milliseconds
    self.executions = executions
  }

  /// What is kept where nothing is said.
  package static let standardMilliseconds: Int64 = 30 * 86_400_000
}

/// What a vacuum would do to a table, as a value.
package struct VacuumPlan: Sendable {
  package enum Fate: String, Sendable {
    /// Needed.
    case kept
    /// Not needed, and still readable afterwards: versions that are kept have all of its files.
    case shared
    /// Not needed, and not readable afterwards.
    case removed
    /// An earlier vacuum took files of it.
    case vacuumed
    /// Files of it are missing, and no vacuum of ours took them.
    case lost
  }

  package struct Version: Sendable {
    package var version: Int64
    package var timestamp: Int64
    package var fileCount: Int
    package var byteCount: Int
    package var fate: Fate
    /// Why it is kept, as phrases.
    package var reasons: [String]
    /// Files that go, each counted in the last version that has it.
    package var freedFileCount = 0
    package var freedByteCount = 0
  }

  package struct File: Hashable, Sendable {
    package enum Kind: String, Sendable {
      case data
      /// Deletion vectors of another engine.
      case vectors = "deletion vectors"
      /// Kept input of an execution.
      case changeSet = "change set"
      /// Of no version: what another engine left behind.
      case orphan
      case shard
    }

    package var path: String
    package var byteCount: Int
    package var kind: Kind
  }

  package var table: String
  /// Oldest first.
  package var versions: [Version] = []
  /// What goes to the trash, by path.
  package var files: [File] = []
  /// Shards of the index that nothing names. They follow from the log, so they need no trash.
  package var shards: [File] = []

  package var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }

  /// Versions that cannot be read afterwards because of this vacuum or an earlier one.
  var vacuumed: [Int64] { versions.filter { $0.fate == .removed || $0.fate == .vacuumed }.map(\.version) }
}

/// Finds out what no version that is to stay needs.
///
/// What is live in which version is derived anew from the log alone, entry by entry; a file goes only if no kept version
/// is among those that it is live in.
struct VacuumPlanning {
  let table: Table
  let retention: Retention
  /// Milliseconds since 1970.
  let now: Int64
  /// Versions that somebody outside the table needs, with the reason.
  let needs: [Int64: [String]]
  /// Files of no version are left alone for so long: another engine may be about to commit them.
  let orphanMilliseconds: Int64
  /// Whether somebody reads a version.
  let isRead: (Int64) throws -> Bool

  var storage: Storage { table.storage }

  /// When a file is live, in the order of versions.
  struct Life {
    var byteCount: Int
    var kind = VacuumPlan.File.Kind.data
    /// How many live files need it: one has the vectors of many.
    var userCount = 0
    var spans: [ClosedRange<Int64>] = []
    /// Live since that version, and still.
    var since: Int64?
    var isThere = false
    var isVacuumed = false
  }

  func plan() throws -> VacuumPlan {
    guard let head = try table.head() else { return VacuumPlan(table: table.name) }
    var versions: [VacuumPlan.Version] = []
    var lives = try replay(head: head, &versions)
    let removed = try Vacuums.removed(in: storage)
    for path in lives.keys {
      if let since = lives[path]!.since { lives[path]!.spans.append(since...head) }
      lives[path]!.isThere = try storage.status(path.text) != nil
      lives[path]!.isVacuumed = removed[path] != nil
    }
    let first = versions.first?.version ?? head
    let missing = lives.values.filter { !$0.isThere }
    let lacking = count(missing, first: first, head: head)
    let vacuumed = count(missing.filter(\.isVacuumed), first: first, head: head)
    var reasons = try strictReasons(versions, head: head)
    for (version, more) in try lenientReasons(versions) where lacking[Int(version - first)] == 0 {
      reasons[version, default: []] += more
    }
    for entry in versions where reasons[entry.version] == nil && lacking[Int(entry.version - first)] == 0 {
      if try isRead(entry.version) { reasons[entry.version] = ["being read"] }
    }
    let kept = reasons.keys.sorted()
    var plan = VacuumPlan(table: table.name)
    for (path, life) in lives where life.isThere && !life.spans.contains(where: { kept.hasMember(in: $0) }) {
      plan.files.append(.init(path: path.text, byteCount: life.byteCount, kind: life.kind))
      let last = Int(life.spans[life.spans.count - 1].upperBound - first)
      versions[last].freedFileCount += 1
      versions[last].freedByteCount += life.byteCount
    }
    let losing = count(plan.files.map { lives[ExactText($0.path)]! }, first: first, head: head)
    for index in versions.indices {
      let version = versions[index].version
      versions[index].reasons = reasons[version] ?? []
      versions[index].fate =
        if lacking[index] > 0 {
          vacuumed[index] > 0 ? .vacuumed : .lost
        } else if reasons[version] != nil {
          .kept
        } else {
          losing[index] > 0 ? .removed : .shared
        }
    }
    plan.versions = versions
    plan.files += try changeSets()
    plan.files += try orphans(but: lives)
    plan.files.sort { ExactText($0.path) < ExactText($1.path) }
    plan.shards = try unnamedShards()
    return plan
  }

  /// Every entry from the first that is there: what each version holds, and the life of each file.
  private func replay(head: Int64, _ versions: inout [VacuumPlan.Version]) throws -> [ExactText: Life] {
    let first = try storage.list(Layout.log).compactMap(Layout.version(ofLogName:)).min() ?? 0
    var lives: [ExactText: Life] = [:]
    var (fileCount, byteCount) = (0, 0)
    func begin(_ path: ExactText, _ fresh: @autoclosure () throws -> Life, at version: Int64) rethrows {
      var life = try lives[path] ?? fresh()
      life.userCount += 1
      if life.since == nil {
        life.since = version
        fileCount += 1
        byteCount += life.byteCount
      }
      lives[path] = life
    }
    func end(_ path: ExactText, at version: Int64) {
      guard var life = lives[path], let since = life.since else { return }
      life.userCount -= 1
      if life.userCount == 0 {
        life.since = nil
        if since < version { life.spans.append(since...(version - 1)) }
        fileCount -= 1
        byteCount -= life.byteCount
      }
      lives[path] = life
    }
    var live = Set<FileKey>()
    func add(_ action: AddAction, at version: Int64) throws {
      guard let path = LogPath.decode(action.path).map(ExactText.init) else {
        throw Problem(.refused, at: [table.name], "the log names a file outside the table: \(action.path)")
      }
      guard live.insert(action.key).inserted else { return }
      begin(path, Life(byteCount: action.byteCount), at: version)
      if let vectors = try vectors(action.deletionVector) {
        let byteCount = try storage.status(vectors.text)?.byteCount ?? 0
        begin(vectors, Life(byteCount: byteCount, kind: .vectors), at: version)
      }
    }
    func note(_ entry: LogEntry) {
      versions.append(
        .init(
          version: entry.version, timestamp: entry.timestamp, fileCount: fileCount, byteCount: byteCount, fate: .kept,
          reasons: []))
    }
    if first > 0 {
      // Another engine took the entries before; what it left is a checkpoint.
      for action in try table.log.snapshot(at: first).entries { try add(action, at: first) }
      note(try table.log.entry(existing: first))
    }
    for version in (first > 0 ? first + 1 : first)...max(head, first) {
      let entry = try table.log.entry(existing: version)
      for remove in entry.removes {
        guard let path = LogPath.decode(remove.path).map(ExactText.init), live.remove(remove.key) != nil else {
          continue
        }
        end(path, at: version)
        if let vectors = try vectors(remove.deletionVector) { end(vectors, at: version) }
      }
      for action in entry.adds { try add(action, at: version) }
      note(entry)
    }
    return lives
  }

  /// The file of a vector that lies in one of the table.
  private func vectors(_ vector: DeletionVector?) throws -> ExactText? {
    try vector?.path(in: storage).map(ExactText.init)
  }

  /// Of how many of these files each version consists.
  private func count(_ lives: [Life], first: Int64, head: Int64) -> [Int] {
    var steps = [Int](repeating: 0, count: Int(head - first) + 2)
    for life in lives {
      for span in life.spans {
        steps[Int(span.lowerBound - first)] += 1
        steps[Int(span.upperBound - first) + 1] -= 1
      }
    }
    var sum = 0
    return steps.dropLast().map { step in
      sum += step
      return sum
    }
  }

  // MARK: Why a version is kept

  /// What holds whatever was asked for.
  private func strictReasons(_ versions: [VacuumPlan.Version], head: Int64) throws -> [Int64: [String]] {
    var reasons: [Int64: [String]] = [:]
    func note(_ version: Int64, _ reason: String) { reasons[version, default: []].append(reason) }
    note(head, "newest")
    if let proxy = try Proxy.read(storage), proxy.mode != .follow, proxy.version <= head {
      note(proxy.version, proxy.mode == .pinned ? "pinned" : "published")
    }
    if let shown = try table.publishedVersion(), shown < head, reasons[shown] == nil { note(shown, "published") }
    for version in try table.immutableVersions(at: now) { note(version, "immutable") }
    let tags = try Tags.read(storage)
    for (name, tag) in tags.tags.sorted(by: { $0.key < $1.key }) { note(tag.version, "tag \(name)") }
    for (version, hold) in tags.holds where hold.until ?? .max > now {
      note(version, "held" + (hold.until.map { " until \(VacuumPlanning.day($0))" } ?? ""))
    }
    for (version, more) in needs { for reason in more { note(version, reason) } }
    return reasons
  }

  private func lenientReasons(_ versions: [VacuumPlan.Version]) throws -> [Int64: [String]] {
    var reasons: [Int64: [String]] = [:]
    func note(_ version: Int64, _ reason: String) { reasons[version, default: []].append(reason) }
    var milliseconds = retention.milliseconds
    if retention.versions == nil, milliseconds == nil { milliseconds = Retention.standardMilliseconds }
    if let count = retention.versions {
      for version in versions.suffix(count).dropLast() { note(version.version, "newest \(count)") }
    }
    if let milliseconds {
      for (version, next) in zip(versions, versions.dropFirst()) where next.timestamp > now - milliseconds {
        note(version.version, "newest within \(VacuumPlanning.duration(milliseconds))")
      }
    }
    for run in try runs() {
      note(run.base, "base of execution \(run.key)")
      note(run.record.version, "result of execution \(run.key)")
    }
    return reasons
  }

  /// The executions that must be able to run again.
  func runs() throws -> [ExecutionState.Run] {
    let current = try ExecutionState(table.history()).current
    return Array(current.suffix(retention.executions ?? current.count))
  }

  static func duration(_ milliseconds: Int64) -> String {
    milliseconds % 86_400_000 == 0
      ? "\(milliseconds / 86_400_000) \(milliseconds == 86_400_000 ? "day" : "days")" : "\(milliseconds / 1000) s"
  }

  static func day(_ milliseconds: Int64) -> String {
    Value.timestamp(milliseconds &* 1000).text ?? "\(milliseconds)"
  }
}

extension [Int64] {
  /// Whether one of these sorted numbers lies in the range.
  fileprivate func hasMember(in range: ClosedRange<Int64>) -> Bool {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < range.lowerBound { low = middle + 1 } else { high = middle }
    }
    return low < count && self[low] <= range.upperBound
  }
}
