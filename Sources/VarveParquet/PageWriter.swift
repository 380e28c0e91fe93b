internal import Synchronization

/// Compresses pages, puts headers with checksums before them, and keeps them end to end.
final class PageWriter {
  let codec: Codec
  private let compression: ParquetOptions.Compression
  private let pages = ByteBuffer()
  /// Headers count, as the footer wants it.
  private(set) var byteCountUncompressed = 0
  private(set) var pageCounts: [PageCount] = []

  init(_ compression: ParquetOptions.Compression) {
    self.compression = compression
    codec = compression == .none ? .uncompressed : .zstd
  }

  var byteCount: Int { pages.count }

  /// Those of the pages, and that of the levels.
  var encodings: [Encoding] {
    let used = Set(pageCounts.map(\.encoding) + [.rle])
    return used.sorted { $0.rawValue < $1.rawValue }
  }

  /// `body` is filled with the page's levels and values; returns the values' encoding.
  func dataPage(valueCount: Int, _ fill: (_ body: ByteBuffer) -> Encoding) {
    ScratchBuffers.withBuffer { body in
      var header = PageHeader()
      header.valueCount = valueCount
      header.encoding = fill(body)
      append(header, body, to: pages)
    }
  }

  /// A dictionary stands before all data pages, but is known after them: so it is not kept here.
  func dictionaryPage(_ body: ByteBuffer, valueCount: Int) -> [UInt8] {
    var header = PageHeader()
    header.type = PageType.dictionary
    header.valueCount = valueCount
    let page = ByteBuffer()
    append(header, body, to: page)
    return page.array()
  }

  func appendPages(to bytes: inout [UInt8]) { bytes.append(contentsOf: pages.bytes) }

  private func append(_ header: PageHeader, _ body: ByteBuffer, to target: ByteBuffer) {
    precondition(body.count <= Int(Int32.max), "a page of Parquet takes at most 2 GiB")
    ScratchBuffers.withBuffer { compressed in
      var stored = body
      if case .zstd(let level) = compression {
        ZstdContexts.compress(body.bytes, level: level, into: compressed)
        stored = compressed
      }
      var header = header
      header.byteCountUncompressed = body.count
      header.byteCount = stored.count
      header.checksum = Checksum.crc32(stored.bytes)
      let head = header.encoded()
      target.append(head)
      target.append(stored)
      byteCountUncompressed += head.count + body.count
    }
    if let index = pageCounts.firstIndex(where: { $0.pageType == header.type && $0.encoding == header.encoding }) {
      pageCounts[index].count += 1
    } else {
      pageCounts.append(PageCount(pageType: header.type, encoding: header.encoding, count: 1))
    }
  }
}

/// Memory for one page's work, kept for the next: columns by the hundred need a few of them at a time.
enum ScratchBuffers {
  private static let free = Mutex<[Held]>([])

  /// A buffer belongs to whoever popped it from the pool.
  private struct Held: @unchecked Sendable {
    var buffer: ByteBuffer
  }

  static func withBuffer<Result>(_ body: (ByteBuffer) throws -> Result) rethrows -> Result {
    let held = free.withLock { $0.popLast() } ?? Held(buffer: ByteBuffer())
    held.buffer.removeAll()
    defer { free.withLock { $0.append(held) } }
    return try body(held.buffer)
  }
}
