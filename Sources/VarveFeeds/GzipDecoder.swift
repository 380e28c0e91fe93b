import CZlib
import VarveTables

/// gzip (RFC 1952), one member or several, by zlib itself: libarchive's gzip filter does not look at the checksum.
final class GzipDecoder: ByteDecoder {
  private let file: StoredBytes
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
  /// Between members, where the file may end.
  private var isBetweenMembers = false

  init(_ file: StoredBytes) throws {
    self.file = file
    stream.initialize(to: z_stream())
    // 15 bits of window, and 16 to ask for gzip's header and trailer.
    let status = inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib is there and has memory")
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  func decode(into chunk: UnsafeMutableBufferPointer<UInt8>) throws -> Int {
    stream.pointee.next_out = chunk.baseAddress
    stream.pointee.avail_out = UInt32(chunk.count)
    while stream.pointee.avail_out > 0 {
      if stream.pointee.avail_in == 0 {
        let bytes = try file.next()
        if bytes.isEmpty {
          if isBetweenMembers { break }
          throw Problem(.failed, at: [file.name], "the gzip data is cut off at byte \(file.bytesRead)")
        }
        stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
        stream.pointee.avail_in = UInt32(bytes.count)
      }
      if isBetweenMembers {
        inflateReset(stream)
        isBetweenMembers = false
      }
      switch inflate(stream, Z_NO_FLUSH) {
      case Z_OK, Z_BUF_ERROR: break
      case Z_STREAM_END: isBetweenMembers = true
      default:
        let reason = stream.pointee.msg.map { String(cString: $0) } ?? "it needs a preset dictionary"
        let place = file.bytesRead - Int(stream.pointee.avail_in)
        throw Problem(.failed, at: [file.name], "the gzip data is damaged at byte \(place): \(reason)")
      }
    }
    return chunk.count - Int(stream.pointee.avail_out)
  }
}
