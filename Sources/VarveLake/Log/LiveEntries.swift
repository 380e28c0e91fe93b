internal import Synchronization

/// The live files of a version: those of a checkpoint, which need not have been read yet, but for what later entries
/// added and removed. So a commit into a table of many files need not look at all of them.
final class LiveEntries: Sendable {
  /// Files before the entries after it; shared by the snapshots that build on it.
  final class Base: Sendable {
    private let state: Mutex<[AddAction]?>
    private let read: @Sendable () throws -> [AddAction]

    init(_ files: [AddAction]) {
      state = Mutex(files)
      read = { files }
    }

    init(_ read: @escaping @Sendable () throws -> [AddAction]) {
      state = Mutex(nil)
      self.read = read
    }

    func all() throws -> [AddAction] {
      try state.withLock { state in
        if let state { return state }
        let files = try read()
        state = files
        return files
      }
    }
  }

  let base: Base
  /// Files that entries after the base added, or removed.
  let touched: Set<FileKey>
  /// Of those, the ones that are live, in the order in which they were added.
  let added: [AddAction]
  private let merged = Mutex<[AddAction]?>(nil)

  init(base: Base, touched: Set<FileKey>, added: [AddAction]) {
    self.base = base
    self.touched = touched
    self.added = added
  }

  func all() throws -> [AddAction] {
    try merged.withLock { merged in
      if let merged { return merged }
      let before = try base.all()
      let files = (touched.isEmpty ? before : before.filter { !touched.contains($0.key) }) + added
      merged = files
      return files
    }
  }
}
