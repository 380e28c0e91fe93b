internal import VarveJSON
package import VarveTables

/// Rows as the records of a delivery: each a JSON object exactly as orjson writes it with `OPT_SORT_KEYS`, so that a
/// receiver which parses and writes it anew has the same bytes. Dates and times are strings in their canonical spelling.
///
/// Batches are encoded column by column and then put together row by row.
package final class RecordEncoder {
  private let columns: [EncodedColumn]
  private let place: [String]

  /// Some encoded rows: record i lies between the end of record i-1 (0 for the first) and `ends[i]`.
  package struct Records: Sendable {
    package var bytes: [UInt8] = []
    package var ends: [Int] = []

    package init() {}

    package var count: Int { ends.count }
  }

  /// `kindField` names a field that holds, per row, what became of it (`encode`'s `kinds`).
  package init(_ schema: Schema, _ mapping: RecordMapping, kindField: String? = nil, place: [String] = []) throws {
    self.place = place
    var columns: [EncodedColumn] = []
    for (index, column) in try mapping.resolved(schema, place: place) where !Self.isAbsenceMark(schema, index) {
      let absence = schema.index(of: Self.absenceMark + schema.fields[index].name)
      columns.append(EncodedColumn(source: .column(index, absence: absence), column))
    }
    if let kindField {
      guard !columns.contains(where: { $0.mapping.field == kindField }) else {
        throw Problem(
          .failed, at: place, "a column is sent as \"\(kindField)\", which says what became of a row",
          advice: "give that column another field in the target's \"columns\"")
      }
      columns.append(EncodedColumn(source: .kind, RecordMapping.Column(kindField)))
    }
    self.columns = columns.sorted { $0.mapping.field.utf8.lexicographicallyPrecedes($1.mapping.field.utf8) }
  }

  /// What stands before the name of a column that marks the rows which lack another: they are sent without that field.
  private static let absenceMark = "\u{1}absent:"

  private static func isAbsenceMark(_ schema: Schema, _ index: Int) -> Bool {
    schema.fields[index].name.hasPrefix(absenceMark)
  }

  /// `firstRecord` is the number, from 0, of the batch's first row, for messages. `kinds` has one text per row if the
  /// encoder was given a field for it.
  package func encode(_ batch: Batch, firstRecord: Int, kinds: [String] = []) throws -> Records {
    for column in columns { try column.encode(batch, kinds, place: place, firstRecord: firstRecord) }
    let fields = columns.map(\.view)
    var ends: [Int] = []
    ends.reserveCapacity(batch.rowCount)
    let byteCount = fields.reduce(2 * batch.rowCount) { $0 + $1.byteCount }
    var records = Records()
    records.bytes = [UInt8](unsafeUninitializedCapacity: byteCount + 1) { output, count in
      guard let start = output.baseAddress else { preconditionFailure("room was asked for") }
      var place = start
      for row in 0..<batch.rowCount {
        var separator = UInt8(ascii: "{")
        for field in fields {
          guard let written = field.copy(row, separator, to: place) else { continue }
          place = written
          separator = UInt8(ascii: ",")
        }
        if separator == UInt8(ascii: "{") {
          place.pointee = separator
          place += 1
        }
        place.pointee = UInt8(ascii: "}")
        place += 1
        ends.append(place - start)
      }
      count = place - start
    }
    withExtendedLifetime(columns) {}
    records.ends = ends
    return records
  }
}
