package import VarveLake
internal import VarveTables

/// What differs between two versions of a table, in key order, as records that say what became of each row. A deleted
/// row is sent as it was.
package final class ChangeRecords: RecordSource {
  private let diff: Diff
  private let old: RecordEncoder
  private let new: RecordEncoder
  private var skipped: Int
  private var nextRecord: Int

  package init(_ diff: Diff, _ mapping: RecordMapping, firstRecord: Int, place: [String]) throws {
    self.diff = diff
    skipped = firstRecord
    nextRecord = firstRecord
    old = try RecordEncoder(diff.schema, mapping, kindField: RecordKind.field, place: place)
    new = try RecordEncoder(diff.schema, mapping, kindField: RecordKind.field, place: place)
  }

  package func next() throws -> RecordEncoder.Records? {
    while let changes = try diff.next() {
      if skipped >= changes.count {
        skipped -= changes.count
        continue
      }
      let wanted = Array(skipped..<changes.count)
      skipped = 0
      let records = try encode(changes, wanted)
      nextRecord += wanted.count
      return records
    }
    return nil
  }

  private func encode(_ changes: ChangeBatch, _ rows: [Int]) throws -> RecordEncoder.Records {
    let gone = rows.filter { changes.kinds[$0] == .deleted }
    let kept = rows.filter { changes.kinds[$0] != .deleted }
    let kinds = kept.map { RecordKind(changes.kinds[$0]).rawValue }
    let keptRecords = try new.encode(changes.new.gather(rows: kept), firstRecord: nextRecord, kinds: kinds)
    if gone.isEmpty { return keptRecords }
    let goneRecords = try old.encode(
      changes.old.gather(rows: gone), firstRecord: nextRecord,
      kinds: Array(repeating: RecordKind.delete.rawValue, count: gone.count))
    // Back into the order of the changes.
    var records = RecordEncoder.Records()
    records.bytes.reserveCapacity(keptRecords.bytes.count + goneRecords.bytes.count)
    var nextKept = 0
    var nextGone = 0
    for row in rows {
      if changes.kinds[row] == .deleted {
        records.append(goneRecords, nextGone)
        nextGone += 1
      } else {
        records.append(keptRecords, nextKept)
        nextKept += 1
      }
    }
    return records
  }
}

extension RecordEncoder.Records {
  fileprivate mutating func append(_ other: RecordEncoder.Records, _ record: Int) {
    bytes += other.bytes[other.range(record)]
    ends.append(bytes.count)
  }
}
