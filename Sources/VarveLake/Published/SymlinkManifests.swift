internal import VarveJSON
internal import VarveTables

/// `_symlink_format_manifest/<partition>/manifest`: the files that readers are shown, a `file://` URI per line, for engines
/// that know Hive's SymlinkTextInputFormat and no Delta log (Delta, "Presto, Trino, and Athena integration").
///
/// They follow the proxy: each partition's list is replaced as a whole, one partition after the other. Which version they
/// show, and where the table lay then, stands in `_varve/symlinks.json`, replaced after them: a crash in between leaves lists
/// of two versions, and the next writer lists anew what differs between the version noted and the one that is shown.
struct SymlinkManifests {
  static let format = 1
  /// Over more versions than these all partitions are listed anew.
  private static let versionsMax = 100

  let storage: Storage
  let log: DeltaLog

  init(_ table: Table) {
    storage = table.storage
    log = table.log
  }

  init(storage: Storage, log: DeltaLog) {
    self.storage = storage
    self.log = log
  }

  /// What the lists show.
  struct Mark: Hashable {
    /// -1: nothing yet.
    var version: Int64
    /// The table's absolute path.
    var root: String

    var bytes: [UInt8] {
      JSONValue.object([
        "format": JSONValue(SymlinkManifests.format), "version": JSONValue(version), "root": .string(root),
      ]).bytes()
    }
  }

  /// Nil where the table has no lists; one that cannot be read counts as "nothing yet".
  func mark() throws -> Mark? {
    guard let bytes = try storage.read(Layout.symlinks) else { return nil }
    guard let json = try? JSONValue(parsing: bytes), let format = json["format"]?.int,
      let version = json["version"]?.int64, let root = json["root"]?.string
    else { return Mark(version: -1, root: "") }
    guard format <= SymlinkManifests.format else {
      throw Problem(
        .refused, at: [storage.path, Layout.symlinks], "was written by a newer Varve (format \(format))",
        advice: "use that Varve")
    }
    return Mark(version: version, root: root)
  }

  /// Before the first version that wants lists is recorded, so that a writer that dies right after it is made up for.
  func announce() throws {
    guard try mark() == nil else { return }
    try write(Mark(version: -1, root: ""))
  }

  private func write(_ mark: Mark) throws {
    try storage.replace(Layout.symlinks, mark.bytes, draft: Layout.symlinksDraft)
  }

  /// Brings the lists to what readers are shown, or takes them away where the table wants none. Under the table's lock.
  func settle() throws {
    guard let mark = try mark() else { return }
    let proxy = try Proxy.read(storage)
    guard let head = try log.head(hint: proxy?.version), let shown = proxy?.version else { return }
    let root = try storage.absolutePath()
    if mark.version == shown, mark.root == root, head == shown { return }
    guard try log.snapshot(at: head).metadata.listsSymlinks else {
      try storage.removeTree(Layout.symlinkManifests)
      return try storage.removeIfPresent(Layout.symlinks)
    }
    if mark.version == shown, mark.root == root { return }
    // Lists may lag behind the proxy, which the mark tells, and must never be ahead of it.
    try storage.sync()
    try list(log.snapshot(at: shown), root: root, only: mark.root == root ? changed(since: mark.version, shown) : nil)
    try write(Mark(version: shown, root: root))
  }

  /// Directories of the partitions that these versions touched; nil for all.
  private func changed(since version: Int64, _ shown: Int64) throws -> Set<String>? {
    guard version >= 0, version < shown, shown - version <= SymlinkManifests.versionsMax else { return nil }
    let columns = try log.snapshot(at: shown).partitionColumns
    var changed: Set<String> = []
    for number in (version + 1)...shown {
      guard let entry = try log.entry(number) else { return nil }
      changed.formUnion(ManifestChanges.of(entry, partitionColumns: columns).keys)
    }
    return changed
  }

  private func list(_ snapshot: Snapshot, root: String, only: Set<String>?) throws {
    let lists = try SymlinkManifests.lists(of: snapshot, root: root)
    func isMeant(_ directory: String) -> Bool { only?.contains(ManifestIndex.key(ofDirectory: directory)) ?? true }
    let wanted = lists.filter { isMeant($0.key) }
    let isSynced = wanted.count <= Storage.syncsSingleMax
    var directories = Set<String>()
    for (directory, bytes) in wanted.sorted(by: { $0.key < $1.key }) {
      let path = Layout.symlinkManifest(partition: directory)
      directories.formUnion(try storage.makeDirectories(Layout.parent(path)))
      directories.insert(Layout.parent(path))
      if try storage.read(path) == bytes { continue }
      try storage.replace(
        path, bytes, draft: Layout.symlinkManifestDraft(partition: directory), isDurable: false, isSynced: isSynced)
    }
    for directory in try present() where lists[directory] == nil && isMeant(directory) {
      try storage.removeIfPresent(Layout.symlinkManifest(partition: directory))
      var emptied = Layout.parent(Layout.symlinkManifest(partition: directory))
      while emptied != Layout.symlinkManifests {
        try storage.removeEmptyDirectory(emptied)
        emptied = Layout.parent(emptied)
      }
    }
    if isSynced { try storage.sync(directories: directories.sorted()) } else { try storage.syncFileSystem() }
  }

  /// Directories of the partitions that have a list.
  func present() throws -> [String] {
    var found: [String] = []
    func look(_ path: String, _ partition: String) throws {
      for name in try storage.list(path) {
        if name == Layout.symlinkManifestName {
          found.append(partition)
        } else if try storage.status(Layout.join(path, name))?.isDirectory == true {
          try look(Layout.join(path, name), Layout.join(partition, name))
        }
      }
    }
    try look(Layout.symlinkManifests, "")
    return found
  }

  /// By partition directory, what its list must be. A table without partitions has one, though it be empty.
  static func lists(of snapshot: Snapshot, root: String) throws -> [String: [UInt8]] {
    var lists: [String: [UInt8]] = snapshot.partitionColumns.isEmpty ? ["": []] : [:]
    let start = Array("file://\(root)/".utf8)
    var directories: [PartitionText: String] = [:]
    for file in try snapshot.files() {
      guard file.deletionVectorID == nil else {
        throw Problem(
          .refused, at: snapshot.place + [file.path], "has rows that are struck out, which a list of files cannot say",
          advice: "compact the table, or take its symlink manifests away (varve symlinks --off)")
      }
      let text = PartitionText(file.partition)
      let directory =
        try directories[text] ?? PartitionDirectory.path(columns: snapshot.partitionColumns, values: file.partition)
      directories[text] = directory
      lists[directory, default: []] += start + Array(file.path.utf8) + [UInt8(ascii: "\n")]
    }
    return lists
  }
}

extension TableMetadata {
  /// Whether `_symlink_format_manifest` is kept (Delta's own name for the property).
  package static let symlinksProperty = "delta.compatibility.symlinkFormatManifest.enabled"

  package var listsSymlinks: Bool { properties[TableMetadata.symlinksProperty] == "true" }
}
