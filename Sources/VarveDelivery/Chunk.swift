/// Some consecutive records of a delivery. The same plan gives chunk n the same bytes for ever.
package struct Chunk: Hashable, Sendable {
  /// From 0.
  package var number: Int
  /// The number, from 0, of its first record in the delivery.
  package var firstRecord: Int
  package var recordCount: Int
  /// The records as a JSON array.
  package var records: [UInt8]
  /// SHA-256 of `records`, in hexadecimal.
  package var sha256: String
  package var isLast: Bool

  package init(number: Int, firstRecord: Int, recordCount: Int, records: [UInt8], sha256: String, isLast: Bool) {
    self.number = number
    self.firstRecord = firstRecord
    self.recordCount = recordCount
    self.records = records
    self.sha256 = sha256
    self.isLast = isLast
  }
}

/// Where one chunk ends and the next begins.
public enum Chunking: Hashable, Sendable, CustomStringConvertible {
  /// So many records, fewer in the last chunk.
  case records(Int)
  /// As many records as fit so many bytes of their JSON array; one that is longer is a chunk of its own.
  case bytes(Int)

  /// `records=1000`, `bytes=1000000`.
  public var description: String {
    switch self {
    case .records(let count): "records=\(count)"
    case .bytes(let count): "bytes=\(count)"
    }
  }

  /// Reads a `description`.
  package init?(_ text: String) {
    let parts = text.split(separator: "=")
    guard parts.count == 2, let count = Int(parts[1]), count > 0 else { return nil }
    switch parts[0] {
    case "records": self = .records(count)
    case "bytes": self = .bytes(count)
    default: return nil
    }
  }

  /// What holds where nothing is said: a thousand records a chunk.
  public static let standard = Chunking.records(1000)
}
