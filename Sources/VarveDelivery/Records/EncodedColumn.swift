internal import VarveJSON
internal import VarveTables

/// One field of a batch's records, encoded for all of its rows.
final class EncodedColumn {
  enum Source {
    /// A column of the batch, and the one that is true where a row lacks it.
    case column(Int, absence: Int?)
    /// What became of the row.
    case kind
  }

  let mapping: RecordMapping.Column
  private let source: Source
  private var bytes: FieldBytes

  init(source: Source, _ mapping: RecordMapping.Column) {
    self.source = source
    self.mapping = mapping
    bytes = FieldBytes(mapping)
  }

  /// What the last batch came to, for as long as there is no other.
  var view: FieldBytes.View { bytes.view }

  func encode(_ batch: Batch, _ kinds: [String], place: [String], firstRecord: Int) throws {
    bytes.begin(batch.rowCount)
    switch source {
    case .kind:
      precondition(kinds.count == batch.rowCount, "every row has a kind of change")
      bytes.encode(kinds: kinds)
    case .column(let index, let absence):
      do throws(FieldBytes.Unsendable) {
        try bytes.encode(batch.columns[index], absence.map { batch.columns[$0] }, rowCount: batch.rowCount)
      } catch {
        throw Problem(
          .failed,
          at: place + ["record \(firstRecord + error.row + 1)", "column \"\(mapping.column)\""] + error.path,
          error.what, advice: error.advice)
      }
    }
  }
}
