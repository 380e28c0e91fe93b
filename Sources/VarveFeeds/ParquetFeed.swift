import Glibc
package import VarveParquet
package import VarveTables

/// A Parquet file as a feed. Its columns declare their types; every value comes as the raw cell of its canonical text.
///
/// Times without a zone are cells without one. NaN, infinities, and dates and times outside the years 0001 to 9999 are
/// error cells. Nested columns come as JSON. Columns that Varve cannot read are left out, with a remark.
package final class ParquetFeed: FeedReader {
  package let declaredFields: [Field]?
  package let remarks: [String]
  package private(set) var bytesRead = 0

  private let file: ParquetFile
  private let scan: ParquetScan
  private let isLocalTime: [Bool]
  private let nested: [NestedColumn]
  /// For each column in the file's order: which of the flat ones it is, or behind them which of the nested.
  private let order: [Int]
  private var hasHandedOn = false

  private static let cellsMax = 1 << 20
  /// Of a file with nested columns, whose cells may be long.
  private static let nestedRowsMax = 1_024

  package convenience init(path: String) throws {
    let source = try StoredFile(path: path)
    if source.byteCount == 0 { throw Problem(.failed, at: [source.name], "the file is empty") }
    try self.init(ParquetFile(source, name: source.name))
  }

  package init(_ file: ParquetFile) throws {
    self.file = file
    let flat = file.schema.fields
    nested = NestedColumn.columns(of: file)
    let names = nested.map(\.name)
    remarks = file.unreadableColumns.filter { !names.contains($0.name) }.map {
      "column \"\($0.name)\" left out: it \($0.reason)"
    }
    let all = flat + names.map { Field($0, .json) }
    let places = Dictionary(file.leaves.enumerated().map { ($1.path[0], $0) }, uniquingKeysWith: { first, _ in first })
    order = all.indices.sorted { (places[all[$0].name] ?? 0, $0) < (places[all[$1].name] ?? 0, $1) }
    let fields = order.map { all[$0] }
    if fields.isEmpty {
      throw Problem(.failed, at: [file.name], "no column that can be read" + (remarks.first.map { " (\($0))" } ?? ""))
    }
    _ = try ColumnName.fields(forHeaders: fields.map(\.name), place: [file.name])
    // That a file has no nulls is no promise of the next one.
    declaredFields = fields.map { Field($0.name, $0.type) }
    isLocalTime = flat.map { field in file.leaves.first { $0.path == [field.name] }?.isLocalTime ?? false }
    scan = file.scan(
      batchRowsMax: min(
        nested.isEmpty ? FeedLimits.batchRowsMax : Self.nestedRowsMax, max(1, Self.cellsMax / fields.count)),
      batchColumnBytesMax: FeedLimits.batchBytesMax)
  }

  /// A file without rows gives one batch without rows.
  package func next() throws -> RawBatch? {
    guard let batch = try scan.next() else {
      bytesRead = file.byteCount
      if hasHandedOn { return nil }
      hasHandedOn = true
      return RawBatch(
        columns: (declaredFields ?? []).map { RawColumn(name: $0.name) }, rowCount: 0,
        origins: Origins(file: file.name, unit: .row))
    }
    hasHandedOn = true
    bytesRead = file.byteCount / max(1, file.rowCount) * scan.batchFirstRow
    if let group = file.rowGroups.lastIndex(where: { $0.firstRow == scan.batchFirstRow && $0.rowCount > 0 }) {
      for column in nested { try column.open(rowGroup: group) }
    }
    let cells =
      batch.columns.indices.map { index in
        Self.cells(batch.columns[index], name: file.schema.fields[index].name, isLocalTime: isLocalTime[index])
      } + (try nested.map { try $0.cells(batch.rowCount) })
    let columns = order.map { cells[$0] }
    let first = scan.batchFirstRow + 1
    return RawBatch(
      columns: columns, rowCount: batch.rowCount,
      origins: Origins(file: file.name, unit: .row, positions: Array(first..<first + batch.rowCount)))
  }

  private static func cells(_ column: Column, name: String, isLocalTime: Bool) -> RawColumn {
    let kind: RawKind =
      switch column.type {
      case .boolean: .boolean
      case .int64, .double, .decimal: .number
      case .date: .date
      case .timestamp: .dateTime
      case .text, .json: .text
      }
    var kinds = [RawKind](repeating: kind, count: column.count)
    for row in column.validity.indices where !column.validity[row] { kinds[row] = .null }
    switch column.values {
    case .double(let values):
      return texts(column, name, &kinds) { row in
        values[row].isFinite ? nil : (values[row].isNaN ? "NaN" : (values[row] < 0 ? "-Infinity" : "Infinity"))
      }
    case .int64(let values) where column.type == .date:
      return texts(column, name, &kinds) { row in
        CivilTime.days.contains(values[row]) ? nil : "day \(values[row]) of 1970"
      }
    case .int64(let values) where column.type == .timestamp:
      return texts(column, name, &kinds, cut: isLocalTime ? 1 : 0) { row in
        CivilTime.microseconds.contains(values[row]) ? nil : "microsecond \(values[row]) of 1970"
      }
    default:
      let texts = column.texts()
      return RawColumn(name: name, kinds: kinds, ends: texts.ends, bytes: texts.bytes)
    }
  }

  /// Canonical texts, without their last `cut` bytes; a cell for which `wrong` has a text is an error cell.
  private static func texts(
    _ column: Column, _ name: String, _ kinds: inout [RawKind], cut: Int = 0, wrong: (Int) -> String?
  ) -> RawColumn {
    let wrongs = kinds.indices.compactMap { row in kinds[row] == .null ? nil : wrong(row).map { (row, $0) } }
    if wrongs.isEmpty, cut == 0 {
      let texts = column.texts()
      return RawColumn(name: name, kinds: kinds, ends: texts.ends, bytes: texts.bytes)
    }
    var kept = column
    kept.setNull(rows: wrongs.map(\.0))
    let texts = kept.texts()
    var cells = RawColumn(name: name)
    cells.ends.reserveCapacity(kinds.count)
    var next = 0
    for row in kinds.indices {
      if next < wrongs.count, wrongs[next].0 == row {
        kinds[row] = .error
        cells.bytes.append(contentsOf: wrongs[next].1.utf8)
        next += 1
      } else if kinds[row] != .null {
        cells.bytes.append(contentsOf: texts[row].dropLast(cut))
      }
      cells.ends.append(cells.bytes.count)
    }
    cells.kinds = kinds
    return cells
  }
}

/// A regular file, read at any place.
private final class StoredFile: ByteSource {
  let name: String
  let byteCount: Int
  private let descriptor: Int32

  init(path: String) throws {
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Problem(.failed, at: [path], StoredBytes.reason(errno)) }
    do {
      // Refuses what is no regular file.
      let file = try StoredBytes(descriptor: descriptor, path: path, closesDescriptor: false)
      name = file.name
      byteCount = file.size
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  func read(at offset: Int, count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let got = pread(descriptor, buffer.baseAddress! + filled, count - filled, off_t(offset + filled))
        if got < 0, errno == EINTR { continue }
        guard got > 0 else {
          throw Problem(
            .failed, at: [name],
            got == 0 ? "the file became shorter while it was read" : "reading failed: \(StoredBytes.reason(errno))")
        }
        filled += got
      }
    }
  }
}
