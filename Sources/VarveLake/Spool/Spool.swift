package import VarveParquet
package import VarveTables

/// Feeds on their way to becoming a version: typed column by column as they are read, and laid down in staging as one
/// Parquet file in feed order, decoded once.
///
/// Types are found while reading. A column is encoded under the narrowest type that holds what has come so far; when a
/// later value widens it, the chunks before keep their type, and with it the spellings that give their source texts back.
/// `finish` encodes just those chunks again. Where nothing widened, the file needs only its footer, and for a plain
/// append it is the data file itself.
package final class Spool {
  package struct Options: Sendable {
    /// Becomes part files of this staged directory; nil keeps the rows in a scratch file for the engine.
    package var directory: String?
    /// Keeps which rows lack which columns: a merge leaves those values alone.
    package var keepsAbsent = false
    /// Keeps where each row came from, for messages about rows and for `_row` and `_source`.
    package var keepsOrigins = false
    /// Rows with a cell that does not fit are laid aside, instead of failing the feed.
    package var quarantines = false
    /// What the feeds may do to columns that say nothing about it, and to the set of columns.
    package var contract = ColumnContract.evolve
    /// What is expected of each row; rows that break it are laid aside.
    package var rules: [Expectation] = []
    /// Headers that may come whatever the contract.
    package var instructions: Set<String> = []
    package var typing = TypingOptions()
    package var parquet = ParquetOptions()

    package init() {}
  }

  let staging: StagingArea
  let options: Options
  let limits: EngineLimits
  let file: SpoolFile
  /// A part holds the table's columns alone.
  let originFile: SpoolFile
  /// Fields whose type is fixed beforehand, and those whose columns exist already but may widen.
  package let known: Schema
  private let fixed: Set<String>

  private(set) var columns: [SpoolColumn] = []
  private var columnOfHeader: [String: Int] = [:]
  /// Of the feed being read: which column each of its positions is.
  private var mapping: [Int] = []
  private(set) var groupRows: [Int] = []
  private var openRows = 0
  private var openBytes = 0

  private(set) var originColumns = SpoolOrigins()
  package internal(set) var rejections = RejectionSummary()
  /// The first cell for which nothing is to be committed.
  package internal(set) var failure: Rejection?
  package let quarantine: QuarantineDraft

  /// What a person should know of how headers were taken.
  package private(set) var remarks: Set<String> = []
  /// Rows that were read, laid aside ones included.
  package private(set) var rowsRead = 0
  package var rowCount: Int { groupRows.reduce(openRows, +) }

  /// `known`: the table's columns or those of a schema file; `fixed`: the names among them that never widen.
  package init(
    staging: StagingArea, known: Schema, fixed: Set<String>, options: Options, limits: EngineLimits
  ) throws {
    self.staging = staging
    self.known = known
    self.fixed = fixed
    self.options = options
    self.limits = limits
    file = try SpoolFile(staging, directory: options.directory)
    originFile = options.directory == nil ? file : try SpoolFile(staging, directory: nil)
    quarantine = QuarantineDraft(staging)
    for field in known.fields where !field.isNullable { _ = try column(forHeader: field.name) }
  }

  /// The columns that follow are those of another feed.
  package func beginFeed() { mapping = [] }

  /// Types and lays down the rows of a batch.
  package func append(_ raw: RawBatch) throws {
    guard raw.rowCount > 0 else { return }
    rowsRead += raw.rowCount
    while mapping.count < raw.columns.count {
      mapping.append(try column(forHeader: raw.columns[mapping.count].name))
    }
    let positions = try positionsByColumn(raw)
    let columns = columns
    var typed = try concurrently(columns.count, parallelism: limits.parallelism) { index in
      if let position = positions[index] { return columns[index].type(raw.columns[position], origins: raw.origins) }
      return columns[index].typeMissing(rowCount: raw.rowCount, origins: raw.origins)
    }

    var kept: [Int]?
    let rejectedRows = Set(typed.flatMap(\.rejectedRows))
    if !rejectedRows.isEmpty {
      let all = typed.flatMap(\.rejections)
      rejections.add(all, rows: rejectedRows.count)
      note(zip(columns, typed).flatMap { $0.layAside(options) ? [] : $1.rejections })
      if failure != nil { return }
      try quarantine.add(raw, rows: rejectedRows.sorted(), rejections: typed)
      kept = (0..<raw.rowCount).filter { !rejectedRows.contains($0) }
    }
    if failure != nil { return }
    var origins = raw.origins
    if let kept {
      typed = typed.map { $0.gather(rows: kept) }
      origins.positions = kept.map { origins.positions[$0] }
    }
    try lay(typed, rowCount: kept?.count ?? raw.rowCount, origins: origins)
    openBytes += raw.columns.reduce(0) { $0 + $1.bytes.count + 8 * $1.count }
    if openRows >= limits.rowGroupRowsMax || openBytes >= limits.rowGroupBytesMax { try closeGroup() }
  }

  /// Of cells for which nothing is to be committed, the first in the feed is the one to tell of.
  func note(_ failures: [Rejection]) {
    failure = failure ?? failures.min { $0.origin.position < $1.origin.position }
  }

  private func lay(_ typed: [TypedColumn], rowCount: Int, origins: Origins) throws {
    guard rowCount > 0 else { return }
    let columns = columns
    _ = try concurrently(columns.count, parallelism: limits.parallelism) { index in
      columns[index].append(typed[index], rowCount: rowCount)
    }
    if options.keepsOrigins { originColumns.append(origins, options: options.parquet) }
    openRows += rowCount
  }

  /// Which column of the batch, if any, each of the spool's columns takes.
  private func positionsByColumn(_ raw: RawBatch) throws -> [Int?] {
    var positions = [Int?](repeating: nil, count: columns.count)
    for (position, index) in mapping.prefix(raw.columns.count).enumerated() {
      if let other = positions[index] {
        throw Problem(
          .failed, at: [raw.origins.file],
          "\"\(raw.columns[other].name)\" and \"\(raw.columns[position].name)\" both mean the column "
            + "\"\(columns[index].header)\"",
          advice: "leave one of them out, or change the aliases")
      }
      positions[index] = position
    }
    return positions
  }

  /// The column that a header means, made when it is new.
  private func column(forHeader header: String) throws -> Int {
    let field = ColumnName.index(ofHeader: header, in: known).map { known.fields[$0] }
    let name = field?.name ?? header
    if let field, !fixed.contains(name), ![name, field.header].contains(header), !field.aliases.contains(header) {
      remarks.insert(
        "\"\(header)\" was taken for the column \"\(name)\", as a new column of that header would be called")
    }
    if let index = columnOfHeader[name] { return index }
    let contract = field?.contract ?? options.contract
    let isForeign = field == nil && contract != .evolve && !options.instructions.contains(name)
    let typer: ColumnTyper
    let declared: Field?
    if let field, isFixed(field) {
      declared = field
      typer = try ColumnTyper(declared: field, options: options.typing)
    } else if let field, contract != .evolve {
      declared = field
      var typing = options.typing
      // Nobody but the table says that it is a number.
      typing.keepsIdentifiers = true
      typer = try ColumnTyper(declared: field, options: typing)
    } else {
      declared = nil
      typer = ColumnTyper(inferring: name, options: options.typing)
    }
    let column = SpoolColumn(
      header: name, declared: declared, isForeign: isForeign, contract: contract,
      rules: (contract.laysAside(options) ? rules(name) : [], field?.type), typer: typer, options: options.parquet,
      keepsAbsent: options.keepsAbsent)
    try column.startBehind(closedGroups: groupRows, place: file.append)
    column.appendAbsent(openRows)
    columns.append(column)
    columnOfHeader[name] = columns.count - 1
    return columns.count - 1
  }

  private func rules(_ column: String) -> [Expectation] {
    let name = known[column] == nil ? ColumnName.columnName(fromHeader: column) : column
    return options.rules.filter { $0.column == name }
  }

  /// Text and JSON take whatever comes; a format says how to read a type that inference would not find.
  private func isFixed(_ field: Field) -> Bool {
    fixed.contains(field.name) || field.type == .text || field.type == .json || field.format != nil
      || !field.nulls.isEmpty || field.decimal != "." || field.grouping != nil || !field.isNullable
  }

  /// Encodes the open row group and writes it.
  func closeGroup() throws {
    guard openRows > 0 else { return }
    let columns = columns
    _ = try concurrently(columns.count, parallelism: limits.parallelism) { columns[$0].closeGroup() }
    for column in columns { try column.write(place: file.append) }
    if options.keepsOrigins { try originColumns.closeGroup(place: originFile.append) }
    groupRows.append(openRows)
    openRows = 0
    openBytes = 0
  }
}

extension ColumnContract {
  fileprivate func laysAside(_ options: Spool.Options) -> Bool {
    switch self {
    case .evolve: options.quarantines
    case .freeze: false
    case .quarantine: true
    }
  }
}

extension SpoolColumn {
  /// Whether rows whose cell does not fit are laid aside, and the rest committed.
  func layAside(_ options: Spool.Options) -> Bool { contract.laysAside(options) }

  /// A batch whose feed has no such column: absent cells, which a column that must not be null rejects.
  func typeMissing(rowCount: Int, origins: Origins) -> TypedColumn {
    guard let declared, !declared.isNullable else {
      return TypedColumn(absent: [Bool](repeating: true, count: rowCount))
    }
    let raw = RawColumn(
      name: header, kinds: [RawKind](repeating: .absent, count: rowCount), ends: [Int](repeating: 0, count: rowCount))
    return type(raw, origins: origins)
  }
}

extension TypedColumn {
  /// The rows of these numbers, ascending; rejections are left behind.
  func gather(rows: [Int]) -> TypedColumn {
    TypedColumn(
      column: column?.gather(rows: rows), absent: absent.isEmpty ? [] : rows.map { absent[$0] },
      spellings: spellings.gather(rows: rows))
  }
}

/// The cells that did not fit: how many, and the first of them.
package struct RejectionSummary: Sendable {
  package static let keptMax = 20
  package private(set) var cellCount = 0
  package private(set) var rowCount = 0
  package private(set) var first: [Rejection] = []

  package init() {}

  mutating func add(_ rejections: [Rejection], rows: Int) {
    cellCount += rejections.count
    rowCount += rows
    let room = RejectionSummary.keptMax - first.count
    if room > 0 {
      first += rejections.sorted { $0.origin.position < $1.origin.position }.prefix(room)
    }
  }
}
