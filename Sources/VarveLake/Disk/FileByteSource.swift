internal import CSystem
internal import Glibc
internal import VarveTables

/// A regular file open for reading at any place, by any thread.
package final class FileByteSource: Sendable {
  private let descriptor: Int32
  package let path: String
  package let byteCount: Int
  package let modificationMilliseconds: Int64

  /// Takes the descriptor over; anything but a regular file is refused.
  init(descriptor: Int32, path: String) throws {
    self.descriptor = descriptor
    self.path = path
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw storageProblem("look at", path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw Problem(.failed, at: [path], "is no regular file") }
    byteCount = Int(status.st_size)
    modificationMilliseconds = varve_status_modified_nanoseconds(&status) / 1_000_000
  }

  /// A file at a path of the user's choice, links followed.
  package convenience init(path: String) throws {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard file >= 0 else { throw storageProblem("open", path, isReading: true) }
    try self.init(descriptor: file, path: path)
  }

  deinit { close(descriptor) }

  /// Exactly `count` bytes from `offset`; fewer are a failure.
  package func read(at offset: Int, count: Int) throws -> [UInt8] {
    guard offset >= 0, count >= 0, offset <= byteCount, count <= byteCount - offset else {
      throw Problem(.damaged, at: [path], "ends before byte \(offset) + \(count)")
    }
    return try readExactly(descriptor, path: path, at: offset, count: count)
  }
}

func readExactly(_ descriptor: Int32, path: String, at offset: Int, count: Int) throws -> [UInt8] {
  try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
    while filled < count {
      let got = pread(descriptor, buffer.baseAddress! + filled, count - filled, off_t(offset + filled))
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw storageProblem("read", path) }
      guard got > 0 else { throw Problem(.damaged, at: [path], "ends before byte \(offset + count)") }
      filled += got
    }
  }
}
