// timespec: which C module is taken to define it depends on what else is imported, so both are named.
internal import CCrypto
internal import CSystem
internal import Glibc
internal import VarveTables

extension Storage {
  /// What is known of a file without opening it.
  package struct Status: Hashable, Sendable {
    package var byteCount: Int
    package var modificationNanoseconds: Int64
    package var isDirectory: Bool
    package var isRegular: Bool
    /// Whether its owner may change it.
    package var isWritable: Bool

    package var modificationMilliseconds: Int64 { modificationNanoseconds / 1_000_000 }
  }

  /// All bytes of a regular file, or nil where nothing lies.
  package func read(_ path: String) throws -> [UInt8]? {
    guard let file = try openToRead(path) else { return nil }
    return try file.read(at: 0, count: file.byteCount)
  }

  /// A regular file, or nil where nothing lies. Pipes and devices are refused, and never waited for.
  package func openToRead(_ path: String) throws -> FileByteSource? {
    let file = varve_open_beneath(descriptor, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0)
    guard file >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw problem("open", path)
    }
    return try FileByteSource(descriptor: file, path: Layout.join(self.path, path))
  }

  /// Nil where nothing lies. A symbolic link is reported as neither directory nor regular file.
  package func status(_ path: String) throws -> Status? {
    let parent = Layout.parent(path)
    let directory =
      parent.isEmpty ? dup(descriptor) : varve_open_beneath(descriptor, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
    guard directory >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw problem("look at", path)
    }
    defer { close(directory) }
    var status = stat()
    guard fstatat(directory, Layout.name(path), &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw problem("look at", path)
    }
    return Status(status)
  }

  /// Nil where no directory lies.
  package func isSealed(directory path: String) throws -> Bool? {
    guard let status = try status(path), status.isDirectory else { return nil }
    return !status.isWritable
  }

  package func exists(_ path: String) throws -> Bool { try status(path) != nil }

  /// The names in a directory, by code point; none where the directory is missing.
  package func list(_ path: String) throws -> [String] {
    try names(in: path, countMax: .max).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Whether nothing lies in a directory, or it is missing; told at the first name, however many there are.
  package func isEmpty(_ path: String) throws -> Bool { try names(in: path, countMax: 1).isEmpty }

  private func names(in path: String, countMax: Int) throws -> [String] {
    let directory = varve_open_beneath(descriptor, path.isEmpty ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
    guard directory >= 0 else {
      if errno == ENOENT { return [] }
      throw problem("list", path)
    }
    guard let stream = fdopendir(directory) else {
      close(directory)
      throw problem("list", path)
    }
    defer { closedir(stream) }
    var names: [String] = []
    errno = 0
    while names.count < countMax, let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      // A name that is no UTF-8 is none of ours.
      if let name, name != ".", name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw problem("list", path) }
    return names
  }

  /// An exclusive `flock` on a file or directory, made where missing when it is a file and `creates`. Nil when another
  /// holds it and `waits` is false, or when nothing lies there. It ends with the value, or with the process.
  package func lock(
    _ path: String, isDirectory: Bool = false, waits: Bool, creates: Bool = true
  ) throws -> FileLock? {
    let isMade = creates && !isDirectory
    let flags = isMade ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC | (isDirectory ? O_DIRECTORY : 0)
    let file = varve_open_beneath(descriptor, path, flags, Storage.fileMode)
    guard file >= 0 else {
      if !isMade, errno == ENOENT { return nil }
      throw problem("open", path)
    }
    while flock(file, waits ? LOCK_EX : LOCK_EX | LOCK_NB) != 0 {
      if errno == EINTR { continue }
      let problem = problem("lock", path)
      let isHeld = errno == EWOULDBLOCK
      close(file)
      if isHeld { return nil }
      throw problem
    }
    return FileLock(descriptor: file)
  }
}

extension Storage.Status {
  init(_ status: stat) {
    var status = status
    byteCount = Int(status.st_size)
    modificationNanoseconds = varve_status_modified_nanoseconds(&status)
    isDirectory = status.st_mode & S_IFMT == S_IFDIR
    isRegular = status.st_mode & S_IFMT == S_IFREG
    isWritable = status.st_mode & S_IWUSR != 0
  }
}

/// A `flock` that is held until this value goes.
package final class FileLock: Sendable {
  private let descriptor: Int32

  init(descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Whether what is locked still has a name; a directory that was swept in between has none.
  var isLinked: Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_nlink > 0
  }
}
