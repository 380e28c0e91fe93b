import CArchive
import VarveTables

/// zstd, bzip2 and xz by libarchive, with the one filter that the file asks for and no archive format but "raw".
final class ArchiveDecoder: ByteDecoder {
  private let file: StoredBytes
  private let compression: Compression
  private let archive: OpaquePointer
  /// What libarchive decoded and was not handed out yet; its own memory, good until the next block.
  private var pending = UnsafeRawBufferPointer(start: nil, count: 0)
  private var isAtEnd = false
  /// A `Problem` of reading the file, which has to pass through libarchive.
  private var readingProblem: (any Error)?

  init(_ file: StoredBytes, _ compression: Compression) throws {
    self.file = file
    self.compression = compression
    guard let archive = archive_read_new() else { preconditionFailure("libarchive has memory") }
    self.archive = archive
    switch compression {
    case .zstd: archive_read_support_filter_zstd(archive)
    case .bzip2: archive_read_support_filter_bzip2(archive)
    case .xz: archive_read_support_filter_xz(archive)
    case .gzip: preconditionFailure("gzip has a decoder of its own")
    }
    archive_read_support_format_raw(archive)
    archive_read_support_format_empty(archive)
    // Unretained: the archive lives no longer than self, which frees it.
    let status = archive_read_open(
      archive, Unmanaged.passUnretained(self).toOpaque(), nil,
      { _, context, bytes in
        guard let context, let bytes else { return -1 }
        return Unmanaged<ArchiveDecoder>.fromOpaque(context).takeUnretainedValue().read(bytes)
      }, nil)
    try check(status)
    guard archive_filter_count(archive) == 2 else {
      // Its filter asks for more bytes than there are, so that libarchive took the data for plain.
      throw Problem(.failed, at: [file.name], "the \(compression.rawValue) data is cut off")
    }
    var entry: OpaquePointer?
    let header = archive_read_next_header(archive, &entry)
    if header == ARCHIVE_EOF { isAtEnd = true } else { try check(header) }
  }

  deinit { archive_read_free(archive) }

  func decode(into chunk: UnsafeMutableBufferPointer<UInt8>) throws -> Int {
    var count = 0
    while count < chunk.count {
      if pending.isEmpty, try !readBlock() { break }
      let taken = min(pending.count, chunk.count - count)
      UnsafeMutableRawBufferPointer(chunk).baseAddress?.advanced(by: count)
        .copyMemory(from: pending.baseAddress!, byteCount: taken)
      pending = UnsafeRawBufferPointer(rebasing: pending[taken...])
      count += taken
    }
    return count
  }

  private func readBlock() throws -> Bool {
    while !isAtEnd {
      var block: UnsafeRawPointer?
      var size = 0
      var offset: la_int64_t = 0
      let status = archive_read_data_block(archive, &block, &size, &offset)
      if status == ARCHIVE_EOF {
        isAtEnd = true
        try checkNothingFollows()
      } else {
        try check(status)
        pending = UnsafeRawBufferPointer(start: block, count: size)
        if size > 0 { return true }
      }
    }
    return false
  }

  /// libarchive stops without a word where compressed data is followed by bytes of another kind.
  private func checkNothingFollows() throws {
    let used = Int(archive_filter_bytes(archive, -1))
    if used < file.size {
      throw Problem(.failed, at: [file.name], "the \(compression.rawValue) data is followed by others at byte \(used)")
    }
  }

  private func check(_ status: Int32) throws {
    if let readingProblem { throw readingProblem }
    guard status != ARCHIVE_OK else { return }
    let reason = archive_error_string(archive).map { String(cString: $0) } ?? "no reason given"
    throw Problem(.failed, at: [file.name], "the \(compression.rawValue) data is cut off or damaged (\(reason))")
  }

  private func read(_ bytes: UnsafeMutablePointer<UnsafeRawPointer?>) -> Int {
    do {
      let next = try file.next()
      bytes.pointee = UnsafeRawPointer(next.baseAddress)
      return next.count
    } catch {
      readingProblem = error
      return -1
    }
  }
}
