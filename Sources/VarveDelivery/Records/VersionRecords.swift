package import VarveLake
internal import VarveSQLite
internal import VarveTables

/// The rows of one version of a table, in its row order, as records.
package final class VersionRecords: RecordSource {
  private let scan: TableScan
  private let encoder: RecordEncoder
  /// Rows to be passed over before the first that is wanted.
  private var skipped: Int
  private var nextRecord: Int

  /// From record `firstRecord` on; whole files before it are not read. `kind`, where given, is what is said to have become
  /// of each row.
  package init(
    _ contents: TableContents, _ mapping: RecordMapping, firstRecord: Int, kind: RecordKind? = nil, place: [String]
  ) throws {
    var contents = contents
    var skipped = firstRecord
    while let file = contents.files.first, let count = file.rowCount, count <= skipped {
      contents.files.removeFirst()
      skipped -= count
    }
    self.skipped = skipped
    nextRecord = firstRecord
    let columns = try mapping.resolved(contents.schema, place: place).map(\.index)
    scan = TableScan(contents, ScanRequest(columns: columns))
    let schema = Schema(columns.map { contents.schema.fields[$0] })
    encoder = try RecordEncoder(schema, mapping, kindField: kind == nil ? nil : RecordKind.field, place: place)
    self.kind = kind
  }

  private let kind: RecordKind?

  package func next() throws -> RecordEncoder.Records? {
    while let batch = try scan.next()?.batch {
      if skipped >= batch.rowCount {
        skipped -= batch.rowCount
        continue
      }
      let wanted = skipped == 0 ? batch : batch.slice(skipped..<batch.rowCount)
      skipped = 0
      let kinds = kind.map { Array(repeating: $0.rawValue, count: wanted.rowCount) } ?? []
      let records = try encoder.encode(wanted, firstRecord: nextRecord, kinds: kinds)
      nextRecord += wanted.rowCount
      return records
    }
    return nil
  }
}

/// What became of a row, as a record says it.
package enum RecordKind: String, Sendable {
  case insert, update, delete

  /// The field that says so.
  package static let field = "_change_type"

  init(_ kind: ChangeKind) {
    switch kind {
    case .inserted: self = .insert
    case .updated: self = .update
    case .deleted: self = .delete
    }
  }
}
