import Glibc

/// What shared strings leave in memory when they are many: appended to an unnamed file in `TMPDIR` (else `/tmp`), then
/// mapped.
///
/// What was looked at is let go from time to time (`release`), so that memory does not grow with the workbook; the
/// system keeps in its cache what is looked at again.
struct StringSpill: BitwiseCopyable {
  /// Fewer bytes than this stay in memory.
  static let bytesMin = 4 << 20

  private let descriptor: Int32
  private(set) var count = 0

  /// Nil where no file can be made: then the strings stay in memory.
  init?() {
    let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(directory)/varve-\(String(repeating: "X", count: 6))".utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else { return nil }
    unlink(template)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }

  /// False when the disk is full or fails.
  mutating func append<Element: BitwiseCopyable>(_ elements: UnsafeBufferPointer<Element>) -> Bool {
    let bytes = UnsafeRawBufferPointer(elements)
    var done = 0
    while done < bytes.count {
      let written = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return false }
      done += written
    }
    count += bytes.count
    return true
  }

  /// The file's bytes; the descriptor is closed. Nil when they cannot be mapped.
  func map() -> Mapped? {
    defer { close(descriptor) }
    let mapped = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0)
    return mapped == MAP_FAILED ? nil : mapped.map { Mapped(start: $0, count: count) }
  }

  func discard() { close(descriptor) }

  struct Mapped: BitwiseCopyable {
    let start: UnsafeMutableRawPointer
    let count: Int

    func unmap() { munmap(start, count) }

    /// Lets go of the memory behind it. Pointers stay good.
    func release() { madvise(start, count, MADV_DONTNEED) }
  }
}
