// timespec: which C module is taken to define it depends on what else is imported, so both are named.
internal import CCrypto
internal import CSystem
internal import Glibc
internal import VarveTables

extension Storage {
  /// A new file, open for writing. Fails where the name is taken.
  package func create(_ path: String) throws -> FileWriter {
    let file = varve_open_beneath(descriptor, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, Storage.fileMode)
    guard file >= 0 else { throw problem("create", path) }
    return FileWriter(descriptor: file, path: Layout.join(self.path, path))
  }

  /// Writes and syncs a new file. Its directory is not synced.
  ///
  /// `modificationMilliseconds` is set before the sync, so that the two are durable together.
  package func write(
    _ path: String, _ bytes: [UInt8], isSealed: Bool = false, modificationMilliseconds: Int64? = nil,
    isSynced: Bool = true
  ) throws {
    let file = try create(path)
    try file.write(bytes)
    if isSealed { try file.seal() }
    if let modificationMilliseconds { try file.setModificationTime(modificationMilliseconds) }
    if isSynced { try file.sync() }
  }

  /// Puts a file in the place of another (or of none): write aside, sync, rename, sync the directory.
  ///
  /// `draft` is the name aside, in the same directory; a file of that name left by a crash is written over. Without
  /// `isDurable` the old file may be back after a power cut, but never half a file; without `isSynced`, for many files
  /// whose caller syncs all of them at once, it may be empty.
  package func replace(
    _ path: String, _ bytes: [UInt8], draft: String, isSealed: Bool = false, modificationMilliseconds: Int64? = nil,
    isDurable: Bool = true, isSynced: Bool = true
  ) throws {
    try removeIfPresent(draft)
    try write(
      draft, bytes, isSealed: isSealed, modificationMilliseconds: modificationMilliseconds, isSynced: isSynced)
    try inParent(of: draft) { directory, from in
      guard renameat(directory, from, directory, Layout.name(path)) == 0 else { throw problem("replace", path) }
      guard !isDurable || fsync(directory) == 0 else { throw problem("sync", Layout.parent(path)) }
    }
  }

  /// Renames a file over another of the same directory (or none), and syncs the directory.
  package func renameOver(_ path: String, to newPath: String) throws {
    precondition(ExactText(Layout.parent(path)) == ExactText(Layout.parent(newPath)), "both lie in one directory")
    try inParent(of: path) { directory, from in
      guard renameat(directory, from, directory, Layout.name(newPath)) == 0 else { throw problem("replace", newPath) }
      // Two names of one file stay as they are.
      guard unlinkat(directory, from, 0) == 0 || errno == ENOENT else { throw problem("remove", path) }
      guard fsync(directory) == 0 else { throw problem("sync", Layout.parent(path)) }
    }
  }

  /// Gives the file a second name. False where that name is taken.
  package func link(_ path: String, as newPath: String) throws -> Bool {
    try inParent(of: path) { from, name in
      try inParent(of: newPath) { to, newName in
        if linkat(from, name, to, newName, 0) == 0 { return true }
        guard errno == EEXIST else { throw problem("link", newPath) }
        return false
      }
    }
  }

  /// Renames, never over something that is there. False where the new name is taken.
  package func rename(_ path: String, to newPath: String) throws -> Bool {
    try inParent(of: path) { from, name in
      try inParent(of: newPath) { to, newName in
        if varve_rename_exclusive(from, name, to, newName) == 0 { return true }
        guard errno == EEXIST || errno == ENOTEMPTY else { throw problem("rename", newPath) }
        return false
      }
    }
  }

  /// Makes the directory and those above it. Returns the directories that hold a new one, from the top down: they
  /// must be synced before anything below is relied on.
  @discardableResult
  package func makeDirectories(_ path: String) throws -> [String] {
    guard !path.isEmpty, try !exists(path) else { return [] }
    let parent = Layout.parent(path)
    var changed = try makeDirectories(parent)
    try inParent(of: path) { directory, name in
      if mkdirat(directory, name, Storage.directoryMode) == 0 {
        changed.append(parent)
      } else if errno != EEXIST {
        throw problem("make the directory", path)
      }
    }
    return changed
  }

  /// As `makeDirectories`, with names that last: each is synced before anything comes into it, so that one that is empty
  /// may be of a process that died before that, and is synced again.
  package func makeDurableDirectories(_ path: String) throws {
    guard !path.isEmpty, try !exists(path) || isEmpty(path) else { return }
    let parent = Layout.parent(path)
    try makeDurableDirectories(parent)
    _ = try makeDirectory(path)
    try sync(parent)
  }

  /// Makes one directory. False where the name is taken.
  package func makeDirectory(_ path: String) throws -> Bool {
    try inParent(of: path) { directory, name in
      if mkdirat(directory, name, Storage.directoryMode) == 0 { return true }
      guard errno == EEXIST else { throw problem("make the directory", path) }
      return false
    }
  }

  package func removeIfPresent(_ path: String) throws {
    try inParent(of: path) { directory, name in
      guard unlinkat(directory, name, 0) == 0 || errno == ENOENT else { throw problem("remove", path) }
    }
  }

  /// Removes a directory if it is there and empty.
  package func removeEmptyDirectory(_ path: String) throws {
    try inParent(of: path) { directory, name in
      let isGone = unlinkat(directory, name, AT_REMOVEDIR) == 0 || [ENOENT, ENOTEMPTY, EEXIST].contains(errno)
      guard isGone else { throw problem("remove", path) }
    }
  }

  /// Removes what lies there and all below it. Symbolic links are removed, not followed.
  package func removeTree(_ path: String) throws {
    guard let status = try status(path) else { return }
    guard status.isDirectory else { return try removeIfPresent(path) }
    for name in try list(path) { try removeTree(Layout.join(path, name)) }
    try removeEmptyDirectory(path)
  }

  /// Sets the time of a file that is there, and syncs it.
  package func setModificationTime(_ path: String, _ milliseconds: Int64) throws {
    let file = varve_open_beneath(descriptor, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0)
    guard file >= 0 else { throw problem("open", path) }
    defer { close(file) }
    guard varve_set_modified_milliseconds(file, milliseconds) == 0, fsync(file) == 0 else {
      throw problem("set the time of", path)
    }
  }

  /// Makes a directory read-only for everybody, so that nothing is added to it, taken from it or renamed in it.
  package func seal(directory path: String) throws { try setMode(Storage.sealedDirectoryMode, ofDirectory: path) }

  /// Runs `body`, which changes what lies in the directory. One that is sealed is so again afterwards.
  package func unsealing<Result>(_ directory: String, _ body: () throws -> Result) throws -> Result {
    guard try isSealed(directory: directory) == true else { return try body() }
    try setMode(Storage.directoryMode, ofDirectory: directory)
    defer { try? seal(directory: directory) }
    return try body()
  }

  private func setMode(_ mode: mode_t, ofDirectory path: String) throws {
    let directory = varve_open_beneath(descriptor, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
    guard directory >= 0 else { throw problem("open the directory", path) }
    defer { close(directory) }
    guard fchmod(directory, mode) == 0 else { throw problem("change the mode of", path) }
  }

  /// Syncs a directory: the names in it, not the files behind them. The root is the empty path.
  package func sync(_ path: String = "") throws {
    if path.isEmpty {
      guard fsync(descriptor) == 0 else { throw problem("sync", path) }
      return
    }
    let directory = varve_open_beneath(descriptor, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
    guard directory >= 0 else { throw problem("open the directory", path) }
    defer { close(directory) }
    guard fsync(directory) == 0 else { throw problem("sync", path) }
  }

  /// Syncs directories: each by itself when they are few, the whole file system at once when they are many.
  package func sync(directories: some Collection<String>) throws {
    if directories.count > Storage.syncsSingleMax { return try syncFileSystem() }
    for directory in directories { try sync(directory) }
  }

  /// Syncs all that is written to the file system that holds this directory.
  package func syncFileSystem() throws {
    guard varve_sync_file_system(descriptor) == 0 else { throw problem("sync the file system of", "") }
  }

  /// More single syncs than this cost more than one of the whole file system.
  package static let syncsSingleMax = 32

  /// Whether this process may write here as the owner; a directory of somebody else's is not written to.
  package func checkOwner() throws {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw problem("look at", "") }
    guard status.st_uid == geteuid() else {
      throw Problem(
        .refused, at: [path], "belongs to another user",
        advice: "run as the user who owns it, or copy it to a directory of your own")
    }
  }
}

/// A file being written, from its creation to its sync.
package final class FileWriter {
  let descriptor: Int32
  private let path: String
  package private(set) var byteCount = 0

  init(descriptor: Int32, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  deinit { close(descriptor) }

  package func write(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { buffer in
      var done = 0
      while done < buffer.count {
        let count = Glibc.write(descriptor, buffer.baseAddress! + done, buffer.count - done)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw storageProblem("write", path) }
        done += count
      }
    }
    byteCount += bytes.count
  }

  /// Writes over what was written before.
  package func write(_ bytes: [UInt8], at offset: Int) throws {
    precondition(offset + bytes.count <= byteCount, "only what is there is written over")
    try bytes.withUnsafeBytes { buffer in
      var done = 0
      while done < buffer.count {
        let count = pwrite(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw storageProblem("write", path) }
        done += count
      }
    }
  }

  /// Fills `bytes` from `offset` on; for spills, which are read back while they are written.
  package func read(at offset: Int, count: Int) throws -> [UInt8] {
    try readExactly(descriptor, path: path, at: offset, count: count)
  }

  /// Makes the file read-only for everybody.
  package func seal() throws {
    guard fchmod(descriptor, Storage.sealedMode) == 0 else { throw storageProblem("seal", path) }
  }

  package func setModificationTime(_ milliseconds: Int64) throws {
    guard varve_set_modified_milliseconds(descriptor, milliseconds) == 0 else {
      throw storageProblem("set the time of", path)
    }
  }

  package func sync() throws {
    guard fsync(descriptor) == 0 else { throw storageProblem("sync", path) }
  }
}
