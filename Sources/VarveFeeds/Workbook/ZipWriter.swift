import CZlib
import VarveTables

/// Where an archive is written: behind what is there, and over what was written before.
package protocol ArchiveSink: AnyObject {
  var byteCount: Int { get }
  func write(_ bytes: [UInt8]) throws
  func write(_ bytes: [UInt8], at offset: Int) throws
}

/// A zip archive, part after part, in bounded memory (APPNOTE 6.3, without ZIP64).
///
/// Sizes and checksums are written into a part's header when it ends, so that readers which do not know data descriptors
/// find them where they look. The archive has no clock time in it: equal parts make equal bytes.
final class ZipWriter {
  private let sink: any ArchiveSink
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
  private var entries: [Entry] = []
  private var pending: [UInt8] = []

  private struct Entry {
    var name: String
    var offset: Int
    var checksum: UInt = 0
    var compressedBytes = 0
    var bytes = 0
  }

  /// Of the archive, and of a part before it is compressed.
  static let bytesMax = Int(UInt32.max)
  private static let bufferBytes = 1 << 18

  init(_ sink: any ArchiveSink) {
    self.sink = sink
    stream.initialize(to: z_stream())
    // Minus 15: 15 bits of window, and no header of zlib's around the data.
    let status = deflateInit2_(
      stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib is there and has memory")
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  /// Begins a part; the one before it must have ended.
  func begin(_ name: String) throws {
    deflateReset(stream)
    let entry = Entry(name: name, offset: sink.byteCount)
    try sink.write(header(entry) + Array(name.utf8))
    entries.append(entry)
  }

  func write(_ bytes: [UInt8]) throws {
    pending += bytes
    if pending.count >= Self.bufferBytes { try compress(Z_NO_FLUSH) }
  }

  /// Ends the part.
  func end() throws {
    try compress(Z_FINISH)
    guard let entry = entries.last else { preconditionFailure("a part ends that began") }
    try sink.write(header(entry), at: entry.offset)
  }

  /// The bytes of the part so far, before they are compressed.
  var partBytes: Int { (entries.last?.bytes ?? 0) + pending.count }

  /// Writes the directory; nothing can be written after.
  func finish() throws {
    let start = sink.byteCount
    var directory: [UInt8] = []
    for entry in entries {
      append(0x0201_4B50, 4, to: &directory)
      append(20, 2, to: &directory)
      appendFacts(entry, to: &directory)
      // No comment, first disk, no attributes.
      for size in [2, 2, 2, 4] { append(0, size, to: &directory) }
      append(entry.offset, 4, to: &directory)
      directory += entry.name.utf8
    }
    var end: [UInt8] = []
    append(0x0605_4B50, 4, to: &end)
    append(0, 4, to: &end)
    append(entries.count, 2, to: &end)
    append(entries.count, 2, to: &end)
    append(directory.count, 4, to: &end)
    append(start, 4, to: &end)
    append(0, 2, to: &end)
    guard start + directory.count <= Self.bytesMax else { throw tooLarge() }
    try sink.write(directory + end)
  }

  private func compress(_ flush: Int32) throws {
    var out = [UInt8](repeating: 0, count: Self.bufferBytes)
    var bytes = pending
    pending = []
    entries[entries.count - 1].bytes += bytes.count
    entries[entries.count - 1].checksum = crc32(entries[entries.count - 1].checksum, bytes, UInt32(bytes.count))
    let count = bytes.count
    try bytes.withUnsafeMutableBufferPointer { input in
      stream.pointee.next_in = input.baseAddress
      stream.pointee.avail_in = UInt32(count)
      while true {
        let (status, made) = out.withUnsafeMutableBufferPointer { buffer in
          stream.pointee.next_out = buffer.baseAddress
          stream.pointee.avail_out = UInt32(buffer.count)
          let status = deflate(stream, flush)
          return (status, buffer.count - Int(stream.pointee.avail_out))
        }
        precondition(status != Z_STREAM_ERROR, "the compressor is used as it should be")
        if made > 0 { try sink.write(Array(out[..<made])) }
        entries[entries.count - 1].compressedBytes += made
        if status == Z_STREAM_END || (flush == Z_NO_FLUSH && stream.pointee.avail_out > 0) { break }
      }
    }
    guard sink.byteCount <= Self.bytesMax, entries[entries.count - 1].bytes <= Self.bytesMax else { throw tooLarge() }
  }

  private func tooLarge() -> Problem {
    Problem(
      .failed, "a workbook holds at most 4 GiB, and this one would be larger", advice: "export it as CSV or NDJSON")
  }

  /// The local file header, without the name.
  private func header(_ entry: Entry) -> [UInt8] {
    var bytes: [UInt8] = []
    append(0x0403_4B50, 4, to: &bytes)
    appendFacts(entry, to: &bytes)
    return bytes
  }

  /// What the header and the directory say alike: version 2.0, names in UTF-8, deflated, 1980-01-01.
  private func appendFacts(_ entry: Entry, to bytes: inout [UInt8]) {
    for value in [20, 0x0800, 8, 0, 0x21] { append(value, 2, to: &bytes) }
    append(Int(entry.checksum), 4, to: &bytes)
    append(entry.compressedBytes, 4, to: &bytes)
    append(entry.bytes, 4, to: &bytes)
    append(entry.name.utf8.count, 2, to: &bytes)
    append(0, 2, to: &bytes)
  }

  private func append(_ value: Int, _ size: Int, to bytes: inout [UInt8]) {
    for place in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * place))) }
  }
}
