internal import CSystem
internal import Glibc
internal import VarveTables

/// A file of the user's that appears under its name whole or not at all, with the mode that the umask leaves.
///
/// Where the file system lets a file be without a name (O_TMPFILE), a kill leaves nothing; only what replaces another
/// file has a name aside, `.NAME.part`, between a link and a rename. Elsewhere it has that name from the start. What
/// has it is locked as long as its writer lives, so the next draft of the same file removes what a killed one left.
package final class FileDraft {
  package let file: FileWriter
  private let directory: Storage
  private let name: String
  private let aside: String
  /// Whether it is written under the name aside.
  private let isNamed: Bool

  /// A draft of the file `name` in `directory`.
  package init(of name: String, in directory: Storage) throws {
    (self.directory, self.name) = (directory, name)
    // A name of 255 bytes leaves no room for more.
    aside = name.utf8.count <= 200 ? ".\(name).part" : ".\(Digest.sha256(Array(name.utf8))).part"
    if let file = try directory.createUnnamed(mode: FileDraft.mode) {
      (self.file, isNamed) = (file, false)
      _ = try directory.sweep(aside, waits: false)
    } else {
      (file, isNamed) = (try directory.createLocked(aside, mode: FileDraft.mode), true)
    }
  }

  /// Syncs the file and gives it its name. False where that is taken and not to be replaced.
  ///
  /// A file that is replaced leaves its mode to the new one.
  package func publish(replacing: Bool) throws -> Bool {
    try file.sync()
    if replacing, let mode = try directory.mode(of: name), fchmod(file.descriptor, mode) != 0 {
      throw directory.problem("change the mode of", name)
    }
    if try isNamed ? directory.rename(aside, to: name) : directory.link(file, as: name) {
      try directory.sync()
      return true
    }
    guard replacing else { return false }
    if !isNamed {
      guard flock(file.descriptor, LOCK_EX | LOCK_NB) == 0 else { throw directory.problem("lock", aside) }
      while try !directory.link(file, as: aside) { _ = try directory.sweep(aside, waits: true) }
    }
    // After the rename the name aside may be another's already, so nothing more is done to it.
    guard renameat(directory.descriptor, aside, directory.descriptor, name) == 0 else {
      throw directory.problem("replace", name)
    }
    try directory.sync()
    return true
  }

  /// Leaves nothing behind.
  package func discard() {
    if isNamed { try? directory.removeIfPresent(aside) }
  }

  /// Before the umask takes from it.
  private static let mode: UInt32 = 0o666
}

extension Storage {
  /// A file to be linked later; nil where the file system has none without a name.
  fileprivate func createUnnamed(mode: UInt32) throws -> FileWriter? {
    // It is linked from there.
    guard access("/proc/self/fd", X_OK) == 0 else { return nil }
    let file = varve_open_unnamed(descriptor, mode)
    if file >= 0 { return FileWriter(descriptor: file, path: path) }
    guard [EOPNOTSUPP, EISDIR, EINVAL].contains(errno) else { throw problem("write to", "") }
    return nil
  }

  /// A new file of that name, locked. One that nobody holds is removed first.
  fileprivate func createLocked(_ name: String, mode: UInt32) throws -> FileWriter {
    while true {
      let file = varve_open_beneath(descriptor, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode)
      if file >= 0 {
        let writer = FileWriter(descriptor: file, path: Layout.join(path, name))
        // Before it was locked, another may have swept it.
        if flock(file, LOCK_EX | LOCK_NB) == 0, leads(name, to: file) { return writer }
        continue
      }
      guard errno == EEXIST else { throw problem("create", name) }
      guard try sweep(name, waits: false) else {
        throw Problem(
          .refused, at: [Layout.join(path, name)], "is being written by another process",
          advice: "wait for its end and try again")
      }
    }
  }

  /// Removes a draft whose writer is dead. False where it lives and is not waited for.
  fileprivate func sweep(_ name: String, waits: Bool) throws -> Bool {
    let file = varve_open_beneath(descriptor, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0)
    guard file >= 0 else {
      guard errno == ENOENT else { throw problem("open", name) }
      return true
    }
    defer { close(file) }
    while flock(file, waits ? LOCK_EX : LOCK_EX | LOCK_NB) != 0 {
      if errno == EWOULDBLOCK { return false }
      guard errno == EINTR else { throw problem("lock", name) }
    }
    // By now it may have been removed or renamed, and the name be another's.
    if leads(name, to: file) { try removeIfPresent(name) }
    return true
  }

  private func leads(_ name: String, to file: Int32) -> Bool {
    var (here, there) = (stat(), stat())
    return fstat(file, &here) == 0 && fstatat(descriptor, name, &there, AT_SYMLINK_NOFOLLOW) == 0
      && here.st_ino == there.st_ino && here.st_dev == there.st_dev
  }

  /// Nil where nothing lies.
  fileprivate func mode(of name: String) throws -> mode_t? {
    var status = stat()
    if fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 { return status.st_mode & 0o777 }
    guard errno == ENOENT else { throw problem("look at", name) }
    return nil
  }

  /// Gives a file without a name this one. False where it is taken.
  fileprivate func link(_ file: FileWriter, as name: String) throws -> Bool {
    if linkat(AT_FDCWD, "/proc/self/fd/\(file.descriptor)", descriptor, name, AT_SYMLINK_FOLLOW) == 0 { return true }
    guard errno == EEXIST else { throw problem("link", name) }
    return false
  }
}
