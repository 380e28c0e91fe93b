/// Parquet, both ways: column batches to bytes, and bytes to column batches. No files: bytes go to a `ByteSink` and
/// come from a `ByteSource`.
///
/// Writing: one `ColumnChunkEncoder` per column turns batches into a `ColumnChunk`, whose bytes do not depend on where
/// they will lie; chunks side by side are a row group; `parquetFooter` says where each lies. `ParquetFileWriter` does
/// the common case.
///
/// Reading: a `ParquetFile` knows the footer, and `scan` delivers batches page by page. Nothing in a file is believed:
/// damage is a `Problem` that names the file, what is wrong and the byte at which it was seen.
///
/// Format: https://github.com/apache/parquet-format (parquet.thrift, Encodings.md, LogicalTypes.md).

/// What a file starts and ends with.
package let parquetMagic: [UInt8] = Array("PAR1".utf8)

/// How column chunks are written.
package struct ParquetOptions: Hashable, Sendable {
  package enum Compression: Hashable, Sendable {
    case none
    /// 1 (fast) to 22 (small).
    case zstd(level: Int)
  }

  package var compression: Compression
  /// A page is closed at this many rows.
  package var pageRowsMax: Int
  /// A page is closed when its values take this many bytes, before compression.
  package var pageBytesMax: Int
  /// A column whose distinct values take more than this is written without dictionary from there on.
  package var dictionaryBytesMax: Int
  /// Longer bounds of text are cut, the upper one rounded up.
  package var statisticsBytesMax: Int

  package init(
    compression: Compression = .zstd(level: 3), pageRowsMax: Int = 20_000, pageBytesMax: Int = 1 << 20,
    dictionaryBytesMax: Int = 1 << 20, statisticsBytesMax: Int = 64
  ) {
    precondition(pageRowsMax > 0 && pageBytesMax > 0, "a page holds at least one row")
    self.compression = compression
    self.pageRowsMax = pageRowsMax
    self.pageBytesMax = pageBytesMax
    self.dictionaryBytesMax = dictionaryBytesMax
    self.statisticsBytesMax = statisticsBytesMax
  }
}

/// Where a file's bytes go, in order.
package protocol ByteSink {
  mutating func write(_ bytes: [UInt8]) throws
}

/// A file's bytes, in any order and from any thread.
package protocol ByteSource: Sendable {
  var byteCount: Int { get }
  /// Exactly `count` bytes from `offset`, or an error. The range lies within the file.
  func read(at offset: Int, count: Int) throws -> [UInt8]
}

/// Bytes in memory, as sink or source.
package struct ByteArray: ByteSink, ByteSource {
  package var bytes: [UInt8]

  package init(_ bytes: [UInt8] = []) { self.bytes = bytes }

  package var byteCount: Int { bytes.count }

  package func read(at offset: Int, count: Int) throws -> [UInt8] { Array(bytes[offset..<offset + count]) }

  package mutating func write(_ bytes: [UInt8]) { self.bytes += bytes }
}
