import Glibc
import VarveTables

/// A file's bytes from first to last in chunks of at most `ByteLimits.chunkBytesMax`, decompressed if it is compressed.
///
/// gzip, zstd, bzip2 and xz are known by their first bytes, never by a file name. Compressed data that is damaged, cut
/// off or followed by something else is an error.
package final class ByteInput {
  /// The file's last path component.
  package let name: String
  /// Nil for a plain file.
  package let compression: Compression?
  private let file: StoredBytes
  private let decoder: (any ByteDecoder)?
  private let chunk: UnsafeMutableBufferPointer<UInt8>
  private var bytesOut = 0

  /// Opens a regular file; anything else at that path is a `Problem`. `name`: what it is called, where that is not the
  /// last component of its path.
  package convenience init(path: String, name: String? = nil) throws {
    // Without O_NONBLOCK opening a FIFO waits for its other end.
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Problem(.failed, at: [path], StoredBytes.reason(errno)) }
    try self.init(descriptor: descriptor, path: name ?? path, closesDescriptor: true)
  }

  /// Reads an open file from its start, whatever the descriptor's own offset is, which stays as it is.
  package convenience init(descriptor: Int32, path: String) throws {
    try self.init(descriptor: descriptor, path: path, closesDescriptor: false)
  }

  private init(descriptor: Int32, path: String, closesDescriptor: Bool) throws {
    file = try StoredBytes(descriptor: descriptor, path: path, closesDescriptor: closesDescriptor)
    name = file.name
    compression = Compression(firstBytes: try file.peek())
    switch compression {
    case nil: decoder = nil
    case .gzip: decoder = try GzipDecoder(file)
    case .zstd, .bzip2, .xz: decoder = try ArchiveDecoder(file, compression ?? .zstd)
    }
    chunk = .allocate(capacity: decoder == nil ? 0 : ByteLimits.chunkBytesMax)
  }

  deinit { chunk.deallocate() }

  /// How far reading is in the file as it lies on disk.
  package var bytesRead: Int { file.bytesRead }

  /// Hands the next bytes to `body`, whose pointer is good only within it; false at the end, without calling it.
  package func next(_ body: (UnsafeBufferPointer<UInt8>) throws -> Void) throws -> Bool {
    guard let decoder else {
      let bytes = try file.next()
      if bytes.isEmpty { return false }
      try body(bytes)
      return true
    }
    let count = try decoder.decode(into: chunk)
    if count == 0 { return false }
    bytesOut += count
    if bytesOut > ByteLimits.ratioCheckedFrom, bytesOut / ByteLimits.ratioMax > max(bytesRead, 1) {
      throw Problem(
        .failed, at: [name],
        "more than \(ByteLimits.ratioMax) times as large decompressed as it is, which no feed is but a bomb",
        advice: "decompress it yourself if you trust it")
    }
    try body(UnsafeBufferPointer(rebasing: chunk[..<count]))
    return true
  }

  /// All of the bytes, for files known to be small; more than `bytesMax` is a `Problem`.
  package func all(bytesMax: Int) throws -> [UInt8] {
    var all: [UInt8] = []
    while try next({ all.append(contentsOf: $0) }) {
      if all.count > bytesMax { throw Problem(.failed, at: [name], "larger than \(bytesMax) bytes") }
    }
    return all
  }
}

/// Bounds on reading files, plain and compressed.
package enum ByteLimits {
  package static let chunkBytesMax = 1 << 20
  /// Decompressed bytes for each byte on disk; looked at once more than `ratioCheckedFrom` came out.
  package static let ratioMax = 1_000
  package static let ratioCheckedFrom = 1 << 30
}

/// A compression of a whole file.
package enum Compression: String, Sendable {
  case gzip, zstd, bzip2, xz

  /// Recognises the magic bytes; nil if there are none.
  init?(firstBytes bytes: UnsafeBufferPointer<UInt8>) {
    func starts(_ magic: UInt8...) -> Bool { bytes.starts(with: magic) }
    if starts(0x1F, 0x8B) {
      self = .gzip
    } else if starts(0x28, 0xB5, 0x2F, 0xFD) {
      self = .zstd
    } else if starts(0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00) {
      self = .xz
    } else if starts(0x42, 0x5A, 0x68), bytes.count >= 10, (0x31...0x39).contains(bytes[3]),
      // A block, or the end of a stream without one.
      bytes[4..<10].elementsEqual([0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
        || bytes[4..<10].elementsEqual([0x17, 0x72, 0x45, 0x38, 0x50, 0x90])
    {
      self = .bzip2
    } else {
      return nil
    }
  }
}

/// Turns the bytes of a file into those that were compressed.
protocol ByteDecoder: AnyObject {
  /// The next bytes, at least one; 0 at the end, once it is clear that the compressed data is whole.
  func decode(into: UnsafeMutableBufferPointer<UInt8>) throws -> Int
}
