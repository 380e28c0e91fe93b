/// Why bytes are no JSON text, and where.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Bytes before the one that is wrong, from 0.
  package var offset: Int
  /// What is wrong there, without a full stop.
  package var what: String
  package var kind: Kind

  /// What the reader can be advised about.
  package enum Kind: Hashable, Sendable {
    case invalid
    /// A record, or a value beside the records, is longer than memory should hold.
    case tooLong
    /// A text of one record goes on with another one.
    case secondRecord
    /// The way to the records leads nowhere.
    case noRecords
  }

  package init(offset: Int, _ what: String, kind: Kind = .invalid) {
    self.offset = offset
    self.what = what
    self.kind = kind
  }

  package var description: String { "byte \(offset): \(what)" }

  /// The line and, in code points, the column of the wrong byte, both from 1, in the text that was parsed.
  package func place(in bytes: [UInt8]) -> (line: Int, column: Int) {
    var line = 1
    var column = 1
    for byte in bytes.prefix(offset) {
      if byte == UInt8(ascii: "\n") {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80 {
        column += 1
      }
    }
    return (line, column)
  }
}

/// What to do with a key that an object has twice, also when spelled with different escapes.
package enum JSONDuplicateKeys: Hashable, Sendable {
  case refused
  /// The last value counts, at the place of the first.
  case lastWins
}

/// Bounds on what a JSON text may ask of its reader.
package enum JSONLimits {
  /// Arrays and objects within each other.
  package static let depthMax = 512
  /// Bytes of one record, or of one value beside the records.
  package static let recordBytesMax = 64 << 20
  /// Keys that the open objects around the records may have together.
  package static let envelopeKeysMax = 1 << 20
}
