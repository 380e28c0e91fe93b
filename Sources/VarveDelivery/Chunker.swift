internal import VarveLake

/// Cuts encoded records into chunks. Whether a chunk is the last is known only when another record follows or none does,
/// so a chunk comes out with the record behind it, or at the end.
package struct Chunker {
  private let chunking: Chunking
  private var number: Int
  private var firstRecord: Int
  private var recordCount = 0
  /// `[` and the records of the open chunk with commas between them.
  private var open: [UInt8] = [UInt8(ascii: "[")]
  private var bytesExpected = 1 << 12

  /// Goes on with chunk `number`, whose first record is number `firstRecord`.
  package init(_ chunking: Chunking, number: Int = 0, firstRecord: Int = 0) {
    self.chunking = chunking
    self.number = number
    self.firstRecord = firstRecord
  }

  /// Takes more records, from `first` on, and gives each chunk that they complete to `emit`.
  package mutating func append(
    _ records: RecordEncoder.Records, from first: Int = 0, emit: (Chunk) throws -> Void
  ) rethrows {
    var record = first
    while record < records.count {
      if recordCount > 0, !hasRoom(for: records.length(record)) { try emit(close(isLast: false)) }
      // As many as fit at once.
      let start = record
      var byteCount = 0
      repeat {
        byteCount += records.length(record) + 1
        record += 1
      } while record < records.count
        && hasRoom(for: records.length(record), behind: record - start, of: byteCount)
      append(records, start..<record, byteCount)
    }
  }

  /// The last chunk; nil where no record ever came.
  package mutating func finish() -> Chunk? { recordCount > 0 ? close(isLast: true) : nil }

  /// Whether the open chunk, with `count` more records that take `byteCount` bytes with their commas, has room for a
  /// record of that length.
  private func hasRoom(for length: Int, behind count: Int = 0, of byteCount: Int = 0) -> Bool {
    switch chunking {
    case .records(let countMax): recordCount + count < countMax
    case .bytes(let byteCountMax):
      // The first record of all has no comma, though `byteCount` counts one; the closing bracket comes on top.
      open.count + byteCount + (recordCount > 0 ? 1 : 0) + length + 1 <= byteCountMax
    }
  }

  private mutating func append(_ records: RecordEncoder.Records, _ range: Range<Int>, _ byteCount: Int) {
    open.reserveCapacity(max(open.count + byteCount + 1, bytesExpected))
    for record in range {
      if recordCount > 0 { open.append(UInt8(ascii: ",")) }
      records.bytes.withUnsafeBufferPointer {
        open.append(contentsOf: UnsafeBufferPointer(rebasing: $0[records.range(record)]))
      }
      recordCount += 1
    }
  }

  private mutating func close(isLast: Bool) -> Chunk {
    open.append(UInt8(ascii: "]"))
    let chunk = Chunk(
      number: number, firstRecord: firstRecord, recordCount: recordCount, records: open, sha256: Digest.sha256(open),
      isLast: isLast)
    bytesExpected = open.count + open.count / 16
    number += 1
    firstRecord += recordCount
    recordCount = 0
    open = [UInt8(ascii: "[")]
    return chunk
  }
}

extension RecordEncoder.Records {
  func range(_ record: Int) -> Range<Int> { (record == 0 ? 0 : ends[record - 1])..<ends[record] }

  func length(_ record: Int) -> Int { range(record).count }
}
