package import VarveTables

/// A feed being read, from its first record to its last, in bounded memory.
///
/// Any error is a `Problem` of kind `failed` that names the place; after one the reader is done.
package protocol FeedReader: AnyObject {
  /// The next rows, or nil when the feed has been read to its end and everything that can be checked was.
  func next() throws -> RawBatch?

  /// Types that the feed declares (a Parquet file does); they come before inference and after a schema file.
  var declaredFields: [Field]? { get }

  /// What a person should know that is no error: a hidden sheet was read, a title row was passed over.
  var remarks: [String] { get }

  /// How far reading is, for progress: bytes of the file as it lies on disk.
  var bytesRead: Int { get }
}

/// Bounds on what one batch holds, so that memory does not grow with the feed.
package enum FeedLimits {
  package static let batchRowsMax = 8_192
  package static let batchBytesMax = 4 << 20
  package static let columnsMax = 16_384
}
