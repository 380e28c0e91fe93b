/// The pages of one chunk, in order, one in memory at a time.
final class ChunkPages {
  /// A page that takes more than this when decompressed is refused.
  private static let pageBytesMax = 512 << 20
  private static let windowBytes = 16 << 10

  private let source: any ByteSource
  private let codec: Codec
  private let end: Int
  /// In the file: where the next header lies; after `nextHeader`, where that page's bytes lie.
  private(set) var position: Int
  /// Bytes of the file from `windowStart` on: mostly a header, and small pages whole.
  private var window: [UInt8] = []
  private var windowStart = 0
  private let compressed = ByteBuffer()

  init(_ source: any ByteSource, _ range: Range<Int>, _ codec: Codec) {
    self.source = source
    self.codec = codec
    position = range.lowerBound
    end = range.upperBound
  }

  /// The next page's header, or nil behind the last. The page itself must be read or passed over then.
  func nextHeader() throws -> PageHeader? {
    guard position < end else { return nil }
    var wanted = 256
    while true {
      let available = min(wanted, end - position)
      try fill(available)
      let start = position - windowStart
      var reader = CompactReader(window, from: start, to: window.count)
      do {
        let header = try PageHeader(&reader)
        guard header.byteCount <= end - position - (reader.position - start) else {
          throw Damage("a page of \(header.byteCount) bytes reaches beyond its column chunk", at: position)
        }
        position += reader.position - start
        return header
      } catch CompactError.ended {
        guard window.count - start < end - position else { throw Damage("a page header ends early", at: position) }
        wanted = (window.count - start) * 2
      } catch CompactError.malformed(let what, _) {
        throw Damage("a page header has \(what)", at: position)
      }
    }
  }

  func pass(_ header: PageHeader) { position += header.byteCount }

  /// Fills `body` with the page's levels and decompressed values.
  func read(_ header: PageHeader, into body: ByteBuffer) throws {
    let at = position
    body.removeAll()
    compressed.removeAll()
    guard header.byteCountUncompressed <= ChunkPages.pageBytesMax else {
      throw Damage("a page claims \(header.byteCountUncompressed) bytes; at most 512 MiB are read", at: at)
    }
    let start = position - windowStart
    if start >= 0 && start + header.byteCount <= window.count {
      window.withUnsafeBytes { compressed.append($0.baseAddress! + start, count: header.byteCount) }
    } else {
      compressed.append(try source.read(at: position, count: header.byteCount))
    }
    position += header.byteCount
    if let checksum = header.checksum, Checksum.crc32(compressed.bytes) != checksum {
      throw Damage("a page's checksum is wrong", at: at)
    }
    do {
      // Version 2: levels stand in front, uncompressed.
      var levels = 0
      if header.type == PageType.dataV2 {
        levels = header.definitionByteCount + header.repetitionByteCount
        guard levels <= header.byteCount, levels <= header.byteCountUncompressed else {
          throw Damage("a page's levels are longer than the page", at: at)
        }
        body.append(compressed.base, count: levels)
      }
      let values = UnsafeRawBufferPointer(rebasing: compressed.bytes[levels...])
      let count = header.byteCountUncompressed - levels
      // A page without a value may have no bytes at all.
      if values.isEmpty && count == 0 { return }
      let codec = header.isCompressed ? codec : .uncompressed
      try codec.decompress(values, count: count, into: body)
    } catch let damage as Damage {
      throw Damage(damage.what, at: damage.offset ?? at)
    }
  }

  /// Makes the window hold `count` bytes from `position` on.
  private func fill(_ count: Int) throws {
    let start = position - windowStart
    if start >= 0 && start + count <= window.count { return }
    window = try source.read(at: position, count: min(max(count, ChunkPages.windowBytes), end - position))
    windowStart = position
  }
}
