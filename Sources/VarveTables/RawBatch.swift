/// What a feed says a cell is, before typing.
package enum RawKind: UInt8, Sendable, BitwiseCopyable {
  /// The record has no such key, or the row ends before it.
  case absent
  /// An explicit null, an empty cell, an unquoted empty CSV field.
  case null
  /// Text that says nothing about its type: every CSV field.
  case untyped
  /// Text that its feed calls text: a JSON string, a workbook's string cell.
  case text
  /// A number as spelled, in the JSON grammar (RFC 8259, section 6).
  case number
  /// `true` or `false`.
  case boolean
  /// `2024-01-31`.
  case date
  /// `2024-01-31T08:30:00`, at most six digits of a second's fraction, trailing zeros cut; no zone,
  /// or `Z` where the feed says that it is UTC.
  case dateTime
  /// `08:30:00`, fraction as above.
  case time
  /// ISO 8601: `PT36H`.
  case duration
  /// A workbook's error cell, as it prints: `#N/A`; or a formula of which it keeps no value: `=1.5*2`.
  case error
  /// A JSON object or array, canonical.
  case json
}

/// One column of raw cells: row i has `kinds[i]` and the UTF-8 bytes up to `ends[i]`.
///
/// Fields are open so that a feed appends cell by cell inside its own module.
package struct RawColumn: Sendable {
  /// The header or key as the feed spells it.
  package var name: String
  package var kinds: [RawKind]
  package var ends: [Int]
  package var bytes: [UInt8]

  package init(name: String, kinds: [RawKind] = [], ends: [Int] = [], bytes: [UInt8] = []) {
    self.name = name
    self.kinds = kinds
    self.ends = ends
    self.bytes = bytes
  }

  package var count: Int { kinds.count }

  package func range(_ row: Int) -> Range<Int> { (row == 0 ? 0 : ends[row - 1])..<ends[row] }
}

/// Rows as a feed hands them on. Every column has `rowCount` cells.
///
/// Columns keep their place through a feed: a later batch has the columns of the one before, and perhaps more behind.
/// A batch never spans two sheets.
package struct RawBatch: Sendable {
  package var columns: [RawColumn]
  package var rowCount: Int
  package var origins: Origins

  package init(columns: [RawColumn], rowCount: Int, origins: Origins) {
    self.columns = columns
    self.rowCount = rowCount
    self.origins = origins
  }
}

/// Where the rows of a batch came from.
package struct Origins: Sendable {
  package enum Unit: String, Sendable {
    /// A worksheet's row, or a record of a Parquet file, from 1.
    case row
    /// A line of text, from 1, on which the record starts.
    case line
    /// The offset, from 0, of the record's first byte in the decompressed feed.
    case byte
  }

  /// The file's last path component.
  package var file: String
  package var sheet: String?
  package var unit: Unit
  /// One per row of the batch.
  package var positions: [Int]

  package init(file: String, sheet: String? = nil, unit: Unit, positions: [Int] = []) {
    self.file = file
    self.sheet = sheet
    self.unit = unit
    self.positions = positions
  }

  package subscript(_ row: Int) -> Origin { Origin(file: file, sheet: sheet, unit: unit, position: positions[row]) }
}

/// Where one row came from.
package struct Origin: Hashable, Sendable {
  package var file: String
  package var sheet: String?
  package var unit: Origins.Unit
  package var position: Int

  package init(file: String, sheet: String? = nil, unit: Origins.Unit, position: Int) {
    self.file = file
    self.sheet = sheet
    self.unit = unit
    self.position = position
  }

  /// For `Problem.place`: `["p.xlsx", "sheet \"Prices\"", "row 7"]`.
  package var place: [String] { [file] + (sheet.map { ["sheet \"\($0)\""] } ?? []) + ["\(unit.rawValue) \(position)"] }
}

/// A cell that does not fit its column.
package struct Rejection: Hashable, Sendable {
  package var origin: Origin
  /// The column's name in the table.
  package var column: String
  /// The cell as the feed spelled it.
  package var raw: String
  /// Why it does not fit, without a full stop: `"n/a" is no double`.
  package var reason: String
  /// What it does not fit: `type`, `column` where the table has none, or an expectation's name.
  package var rule: String

  package init(origin: Origin, column: String, raw: String, reason: String, rule: String = "type") {
    self.rule = rule
    self.origin = origin
    self.column = column
    self.raw = raw
    self.reason = reason
  }

  package var place: [String] { origin.place + ["column \"\(column)\""] }
}
