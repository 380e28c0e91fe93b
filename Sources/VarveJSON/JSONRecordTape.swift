/// What a member's value is.
package enum JSONKind: UInt8, BitwiseCopyable, Sendable {
  /// Of no bytes.
  case null
  /// `true` or `false`.
  case boolean
  /// As spelled.
  case number
  /// Its text without quotes and escapes, UTF-8.
  case string
  /// An object or array, canonical.
  case nested
}

/// One member of a record: a key, and where the bytes of its value are.
package struct JSONMember: BitwiseCopyable, Sendable {
  /// The number of the key, in order of first appearance in the feed.
  package var key: UInt32
  package var start: UInt32
  package var length: UInt32
  package var kind: JSONKind
  /// Whether the bytes are in `JSONRecordTape.rewritten`; else they are in `source`, just as they came.
  package var isRewritten: Bool
}

/// One record: the members from the end of the record before (0 for the first) to its own.
package struct JSONRecord: BitwiseCopyable, Sendable {
  /// The byte of its opening brace, from 0, in the whole feed.
  package var offset: Int
  /// The line it is on, from 1; counted only in NDJSON.
  package var line: Int
  package var membersEnd: Int
}

/// Whole records, as a scan leaves them: good until the scanner is used again.
///
/// Behind any value in `source` and `rewritten` at least 16 more bytes can be read.
package struct JSONRecordTape {
  package var records: UnsafeBufferPointer<JSONRecord>
  package var members: UnsafePointer<JSONMember>
  package var source: UnsafePointer<UInt8>
  package var rewritten: UnsafePointer<UInt8>
}

/// What a record scanner takes for a record, and what it does about doubled keys.
package struct JSONRecordOptions: Sendable {
  /// Records are lines (NDJSON), each with one object; else one array holds them all, or one object is the only one.
  package var isLines: Bool
  /// The keys that lead to the array, from the top; none for the top itself.
  package var path: [String]
  package var duplicateKeys: JSONDuplicateKeys
  /// Different keys that all records together may have.
  package var keysMax: Int
  /// Bytes of one record, or of one value beside the records.
  package var recordBytesMax: Int
  /// Keys that the open objects around the records may have together.
  package var envelopeKeysMax: Int

  package init(
    isLines: Bool = false, path: [String] = [], duplicateKeys: JSONDuplicateKeys = .refused, keysMax: Int = 16_384,
    recordBytesMax: Int = JSONLimits.recordBytesMax, envelopeKeysMax: Int = JSONLimits.envelopeKeysMax
  ) {
    precondition(!isLines || path.isEmpty, "lines are records at the top")
    self.isLines = isLines
    self.path = path
    self.duplicateKeys = duplicateKeys
    self.keysMax = keysMax
    self.recordBytesMax = recordBytesMax
    self.envelopeKeysMax = envelopeKeysMax
  }
}
