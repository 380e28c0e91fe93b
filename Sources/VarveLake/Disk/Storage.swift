internal import CSystem
internal import Glibc
internal import Synchronization
internal import VarveTables

/// A directory held open, and all that Varve does to files below it: the one place that writes.
///
/// Paths are relative to the directory. Every step of them is resolved below it and through no symbolic link
/// (openat2 with RESOLVE_BENEATH), so a planted link is refused wherever it lies. New directories have mode 0700, new
/// files 0600; data files become 0444 when they are finished. A sync that failed is final: the file system may have
/// dropped what it could not write, so the caller abandons the attempt and never syncs that file again.
package final class Storage: Sendable {
  /// As given by the user, for messages only.
  package let path: String
  let descriptor: Int32
  /// A table's proxy as it was last read or written: what has the same bytes is not parsed again.
  let knownProxy = Mutex<(bytes: [UInt8], proxy: Proxy)?>(nil)

  private init(path: String, descriptor: Int32) {
    self.path = path
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// The directory at a path of the user's choice, or nil where nothing lies.
  package static func open(_ path: String) throws -> Storage? {
    let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if descriptor >= 0 { return Storage(path: path, descriptor: descriptor) }
    if errno == ENOENT { return nil }
    throw storageProblem("open the directory", path, isReading: true)
  }

  /// As `open`, making the directory where it is missing. Its parent must exist, and is synced before anything comes in.
  package static func create(_ path: String) throws -> Storage {
    let present = try open(path)
    if let present, try !present.isEmpty("") { return present }
    guard present != nil || mkdir(path, directoryMode) == 0 || errno == EEXIST else {
      throw storageProblem("make the directory", path)
    }
    guard let storage = try open(path) else { throw storageProblem("open the directory", path) }
    if let parent = try open(path + "/..") { try parent.sync() }
    return storage
  }

  /// The directory of that name below this one, or nil where nothing lies.
  package func directory(_ name: String) throws -> Storage? {
    let child = varve_open_beneath(descriptor, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
    if child >= 0 { return Storage(path: Layout.join(path, name), descriptor: child) }
    if errno == ENOENT { return nil }
    throw problem("open the directory", name)
  }

  /// Whether the path that it was opened by still leads to this directory.
  func isInPlace() throws -> Bool {
    var (here, there) = (stat(), stat())
    guard fstat(descriptor, &here) == 0 else { throw problem("look at", "") }
    guard stat(path, &there) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return false }
      throw problem("look at", "")
    }
    return here.st_ino == there.st_ino && here.st_dev == there.st_dev
  }

  static let directoryMode: mode_t = 0o700
  static let fileMode: UInt32 = 0o600
  /// Of what must never change once it is complete.
  static let sealedMode: mode_t = 0o444
  /// Of a directory whose names must never change.
  static let sealedDirectoryMode: mode_t = 0o555

  /// Runs `body` on the open directory that holds `path`, and the path's last component.
  func inParent<Result>(of path: String, _ body: (Int32, String) throws -> Result) throws -> Result {
    let parent = Layout.parent(path)
    if parent.isEmpty { return try body(descriptor, path) }
    let directory = varve_open_beneath(descriptor, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
    guard directory >= 0 else { throw problem("open the directory", parent) }
    defer { close(directory) }
    return try body(directory, Layout.name(path))
  }

  func problem(_ verb: String, _ path: String) -> Problem { storageProblem(verb, Layout.join(self.path, path)) }
}

/// What the failed call that just set `errno` means.
func storageProblem(_ verb: String, _ path: String, isReading: Bool = false) -> Problem {
  let code = errno
  let advice: String? =
    switch code {
    case ELOOP: "a symbolic link lies on the way, and Varve follows none; replace it by what it points to"
    case ENOSPC, EDQUOT: "make room on the disk and try again"
    case EACCES where isReading: "check who may read it"
    case EROFS, EACCES, EPERM: "check who may write there"
    case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
    default: nil
    }
  return Problem(.failed, at: [path], "cannot \(verb): \(String(cString: strerror(code)))", advice: advice)
}
