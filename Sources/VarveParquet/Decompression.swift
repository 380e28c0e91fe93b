internal import CZlib

extension Codec {
  /// Appends exactly `count` decompressed bytes to `target`.
  func decompress(_ source: UnsafeRawBufferPointer, count: Int, into target: ByteBuffer) throws(Damage) {
    let destination = UnsafeMutableRawBufferPointer(start: target.reserve(count), count: count)
    switch self {
    case .uncompressed:
      guard source.count == count else { throw Damage("a page holds \(source.count) bytes, not \(count) as declared") }
      destination.copyMemory(from: source)
    case .zstd: try ZstdContexts.decompress(source, into: destination)
    case .snappy: try Snappy.decompress(source, into: destination)
    case .gzip: try Codec.inflate(source, into: destination)
    default: throw Damage("is compressed with \(self), which is not supported")
    }
    target.advance(count)
  }

  /// gzip members end to end, or a zlib stream, as some writers have it.
  private static func inflate(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) throws(Damage) {
    var stream = z_stream()
    // 15 bits of window, and 32: detect gzip or zlib by the header.
    guard inflateInit2_(&stream, 15 + 32, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw Damage("zlib cannot start")
    }
    defer { inflateEnd(&stream) }
    stream.next_in = UnsafeMutablePointer(
      mutating: source.baseAddress?.assumingMemoryBound(to: UInt8.self))
    stream.avail_in = UInt32(source.count)
    stream.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.avail_out = UInt32(target.count)
    while true {
      let status = CZlib.inflate(&stream, Z_FINISH)
      guard status == Z_STREAM_END else { throw Damage("zlib cannot decompress a page (code \(status))") }
      if stream.avail_out == 0 { return }
      guard stream.avail_in > 0, inflateReset(&stream) == Z_OK else {
        throw Damage("a page holds \(target.count - Int(stream.avail_out)) bytes, not \(target.count) as declared")
      }
    }
  }
}

enum Checksum {
  /// CRC-32 as gzip has it (Parquet, "Checksumming").
  static func crc32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var checksum: UInt = 0
    var rest = bytes
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
      checksum = CZlib.crc32(checksum, piece.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(piece.count))
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(piece.count))
    }
    return UInt32(truncatingIfNeeded: checksum)
  }
}
