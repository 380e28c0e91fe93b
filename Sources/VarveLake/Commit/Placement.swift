internal import VarveTables

/// The step that gives staged directories their place, and takes it back when the version went to somebody else.
struct Placement {
  let storage: Storage
  let version: Int64
  private var placed: [(staged: String, target: String)] = []
  private var made: [String] = []

  init(storage: Storage, version: Int64) {
    self.storage = storage
    self.version = version
  }

  /// Renames each staged directory to `<partition>/v<version>` and syncs all directories that changed above.
  mutating func place(_ directories: [(staged: String, partition: String)]) throws {
    var changed = Set<ExactText>()
    for (staged, partition) in directories {
      let parents = try storage.makeDirectories(partition)
      if !parents.isEmpty { made.append(partition) }
      changed.formUnion(parents.map(ExactText.init))
      changed.insert(ExactText(partition))
      let target = Layout.versionDirectory(partition: partition, version: version)
      if try !storage.rename(staged, to: target) {
        // No entry of that version exists and we hold the lock: a dead writer left it.
        try storage.removeTree(target)
        guard try storage.rename(staged, to: target) else {
          throw Problem(.failed, at: [storage.path, target], "was made by somebody else", advice: "try again")
        }
      }
      placed.append((staged, target))
    }
    try storage.sync(directories: changed.sorted().map(\.text))
  }

  /// Undoes what `place` did, as far as it came.
  mutating func takeBack() throws {
    while let (staged, target) = placed.popLast() {
      guard try storage.rename(target, to: staged) else {
        throw Problem(.failed, at: [storage.path, staged], "is taken")
      }
    }
    for partition in made.reversed() {
      var directory = partition
      while !directory.isEmpty {
        try storage.removeEmptyDirectory(directory)
        directory = Layout.parent(directory)
      }
    }
    made = []
  }
}
