import Glibc
import VarveTables

/// A regular file as it lies on disk, read once from start to end.
final class StoredBytes {
  let name: String
  let size: Int
  private(set) var bytesRead = 0
  private let descriptor: Int32
  private let closesDescriptor: Bool
  private let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: StoredBytes.bufferBytes)
  /// What is in the buffer and was not handed out yet.
  private var pending = 0..<0

  private static let bufferBytes = 256 << 10

  init(descriptor: Int32, path: String, closesDescriptor: Bool) throws {
    self.descriptor = descriptor
    self.closesDescriptor = closesDescriptor
    name = path.split(separator: "/").last.map(String.init) ?? path
    var status = stat()
    let failed = fstat(descriptor, &status) != 0
    size = Int(status.st_size)
    if failed { throw Problem(.failed, at: [path], StoredBytes.reason(errno)) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw Problem(.failed, at: [path], "a directory", advice: "name a file in it")
    default: throw Problem(.failed, at: [path], "no regular file", advice: "copy what it yields into a file")
    }
  }

  deinit {
    buffer.deallocate()
    if closesDescriptor { close(descriptor) }
  }

  /// The first bytes, fewer than asked for only if the file has no more. They are handed out again by `next`.
  func peek() throws -> UnsafeBufferPointer<UInt8> {
    try fill()
    return UnsafeBufferPointer(rebasing: buffer[pending])
  }

  /// The next bytes, good until the next call; none at the end.
  func next() throws -> UnsafeBufferPointer<UInt8> {
    if pending.isEmpty { try fill() }
    let bytes = UnsafeBufferPointer(rebasing: buffer[pending])
    bytesRead += bytes.count
    pending = 0..<0
    return bytes
  }

  private func fill() throws {
    var count = 0
    while count < buffer.count {
      let read = pread(descriptor, buffer.baseAddress! + count, buffer.count - count, off_t(bytesRead + count))
      if read < 0, errno == EINTR { continue }
      guard read >= 0 else { throw Problem(.failed, at: [name], "reading failed: \(StoredBytes.reason(errno))") }
      if read == 0 { break }
      count += read
    }
    pending = 0..<count
  }

  /// The system's words for an error number, in lower case as the rest of a sentence.
  static func reason(_ number: Int32) -> String {
    switch number {
    case ENOENT: "no such file"
    case EACCES: "permission denied"
    default: String(cString: strerror(number))
    }
  }
}
