package import VarveSQLite
package import VarveTables

/// A table's rows over time: each state that a row was in, and from which version to which, computed from the versions.
///
/// A file that is live from one version to another holds rows that are valid from the one to the other. So every file
/// that was ever live is read once, its rows are sorted by key and version in bounded memory, and neighbours that are
/// equal and touch become one: a file that was written anew, or a column that was added, ends no row's validity.
///
/// It reaches back to the version since which the table has the key that it has, and every file is there (a vacuum takes
/// files away), and up to the version that readers are shown. A row that the first of these versions has is valid from
/// there.
package struct RowHistory: QueryTable, Sendable {
  /// The columns of the newest version, then those that only older ones have, of several types the widest; then
  /// `HistoryColumn.allCases`.
  package let schema: Schema
  let name: String
  let dataFields: [Field]
  /// Positions in the schema.
  let keyColumns: [Int]
  let versions: ClosedRange<Int64>
  let pieces: [Piece]
  let moments: [Int64: Moment]
  let limits: EngineLimits
  let scratch: @Sendable () throws -> ScratchFile
  /// Keeps the versions from being vacuumed while their rows are read.
  private let lease: ReadLease?

  /// A file while it was live under one schema.
  struct Piece: Sendable {
    var file: LiveFile
    var contents: TableContents
    var from: Int64
    /// The version that it is no longer in; nil while it is live.
    var to: Int64?
  }

  /// When and by which execution a version was made.
  struct Moment: Sendable {
    /// Microseconds since 1970.
    var time: Int64
    var execution: String?
  }

  package init(
    _ table: Table, limits: EngineLimits, scratch: @escaping @Sendable () throws -> ScratchFile
  ) throws {
    let last = try table.snapshot()
    let key = last.metadata.key
    guard !key.isEmpty else {
      throw Problem(
        .failed, at: [table.name], "has no key, so nothing tells which rows of two versions are one row over time",
        advice: "a table gets its key with its first feed: varve ingest … --key COLUMNS")
    }
    // All of them: which it reaches back to is not known before.
    lease = ReadLease.take(0...last.version, in: table.storage)
    var walk = PieceWalk(table: table, key: key)
    try walk.run(to: last.version)
    try walk.clipToWhatIsThere()
    name = table.name
    self.limits = limits
    self.scratch = scratch
    pieces = walk.pieces
    versions = walk.first...last.version
    moments = try RowHistory.moments(table, versions)

    var fields = last.schema.fields
    for contents in walk.shapes.reversed() {
      for field in contents.schema.fields {
        if let index = fields.firstIndex(where: { $0.lineage == field.lineage }) {
          fields[index].type = DataType.wider(field.type, fields[index].type)
        } else {
          fields.append(field.unlike(fields.map(\.name)))
        }
      }
    }
    dataFields = fields
    for column in HistoryColumn.allCases {
      fields.append(Field(column.rawValue, column.type).unlike(fields.map(\.name)))
    }
    schema = Schema(fields)
    keyColumns = key.compactMap { name in fields.firstIndex { $0.name == name } }
  }

  /// A version never counts as older than the one before it.
  private static func moments(_ table: Table, _ versions: ClosedRange<Int64>) throws -> [Int64: Moment] {
    var moments: [Int64: Moment] = [:]
    var latest = Int64.min
    for record in try table.history().reversed() where record.version <= versions.upperBound {
      latest = max(latest, record.timestamp)
      guard record.version >= versions.lowerBound else { continue }
      moments[record.version] = Moment(time: latest &* 1000, execution: record.bookkeeping?.execution)
    }
    return moments
  }

  // MARK: As a table

  package var estimatedRowCount: Int {
    pieces.reduce(0) { $0 + TableContents.estimatedRowCount([$1.file]) }
  }

  package func scan(_ request: ScanRequest) -> any BatchStream { RowHistoryScan(self, request) }

  package func explain(_ request: ScanRequest) -> [String] {
    let read = pieces.filter { mayHold($0, request) }
    let bytes = read.reduce(0) { $0 + $1.file.byteCount }
    return [
      "versions: \(versions.lowerBound) to \(versions.upperBound)",
      "files: \(read.count) of \(pieces.count) read, \(bytes) bytes",
    ]
  }

  package func valueBounds(column: Int) -> (minimum: Value, maximum: Value)? {
    guard column < dataFields.count else { return nil }
    let field = dataFields[column]
    var bounds: (minimum: Value, maximum: Value)?
    for piece in pieces {
      guard let index = piece.contents.schema.fields.firstIndex(where: { $0.lineage == field.lineage }) else {
        continue
      }
      var contents = piece.contents
      contents.files = [piece.file]
      guard contents.schema.fields[index].type == field.type, let found = contents.valueBounds(column: index) else {
        return nil
      }
      bounds = bounds.map { (min($0.minimum, found.minimum), max($0.maximum, found.maximum)) } ?? found
    }
    return bounds
  }

  /// False only if no row of the piece has a key that is wanted. What else is asked for says nothing about the other
  /// states of a row, which are needed to tell how long one was valid.
  func mayHold(_ piece: Piece, _ request: ScanRequest) -> Bool {
    request.constraints.allSatisfy { constraint in
      guard keyColumns.contains(constraint.column) else { return true }
      let field = dataFields[constraint.column]
      guard let own = piece.contents.schema.fields.first(where: { $0.lineage == field.lineage }), own.type == field.type
      else { return true }
      return piece.contents.mayHold(piece.file, own, constraint.condition)
    }
  }
}

/// What a history adds to the columns of its table. A row is valid in the versions from `_from_version` on, up to the one
/// before `_to_version`, which is null while the row is valid.
package enum HistoryColumn: String, CaseIterable, Sendable {
  case fromVersion = "_from_version"
  case toVersion = "_to_version"
  case fromTime = "_valid_from"
  case toTime = "_valid_to"
  case fromExecution = "_from_execution"
  case toExecution = "_to_execution"

  var type: DataType {
    switch self {
    case .fromVersion, .toVersion: .int64
    case .fromTime, .toTime: .timestamp
    case .fromExecution, .toExecution: .text
    }
  }
}

/// Goes through the log from the oldest version on, and notes which file was live from when to when.
private struct PieceWalk {
  let table: Table
  let key: [String]
  private(set) var first: Int64 = 0
  private(set) var pieces: [RowHistory.Piece] = []
  /// The schemas that there were, oldest first.
  private(set) var shapes: [TableContents] = []
  private var live: [FileKey: (add: AddAction, from: Int64)] = [:]
  private var snapshot: Snapshot?

  init(table: Table, key: [String]) {
    self.table = table
    self.key = key
  }

  mutating func run(to last: Int64) throws {
    let oldest = try oldestReadable(last)
    for version in oldest...last {
      let entry = try table.log.entry(existing: version)
      if version == oldest || entry.metadata != nil {
        let snapshot = try table.log.snapshot(at: version, known: self.snapshot)
        try take(snapshot, entry)
      } else {
        try apply(entry)
      }
    }
    try close(at: nil)
    if shapes.isEmpty { first = last }
  }

  /// Where the log was cleaned, the versions before the oldest checkpoint are gone.
  private func oldestReadable(_ last: Int64) throws -> Int64 {
    if try table.log.entry(0) != nil { return 0 }
    var version = last
    while version > 0, try table.log.entry(version - 1) != nil { version -= 1 }
    while version < last, (try? table.log.snapshot(at: version)) == nil { version += 1 }
    return version
  }

  /// A version that begins the history, or that may have changed what the table is.
  private mutating func take(_ snapshot: Snapshot, _ entry: LogEntry) throws {
    let before = self.snapshot
    let hadKey = before?.metadata.key == key
    if before?.schema != snapshot.schema || before?.partitionColumns != snapshot.partitionColumns
      || hadKey != (snapshot.metadata.key == key)
    {
      if hadKey { try close(at: entry.version) } else { pieces = [] }
      if snapshot.metadata.key != key {
        pieces = []
        shapes = []
      } else {
        if !hadKey { first = entry.version }
        // Also of a version that was vacuumed: what of it is there is seen at the end of the walk.
        shapes.append(
          TableContents(
            storage: snapshot.storage, schema: snapshot.schema, partitionColumns: snapshot.partitionColumns, files: []))
      }
      live = Dictionary(try snapshot.entries.map { ($0.key, ($0, entry.version)) }) { $1 }
    } else {
      try apply(entry)
    }
    self.snapshot = snapshot
  }

  private mutating func apply(_ entry: LogEntry) throws {
    for remove in entry.removes { try end(remove.key, at: entry.version) }
    for add in entry.adds {
      try end(add.key, at: entry.version)
      live[add.key] = (add, entry.version)
    }
  }

  private mutating func end(_ key: FileKey, at version: Int64) throws {
    guard let old = live.removeValue(forKey: key), let shape = shapes.last, old.from < version else { return }
    try note(old.add, shape, old.from, version)
  }

  private mutating func note(_ add: AddAction, _ shape: TableContents, _ from: Int64, _ to: Int64?) throws {
    guard let snapshot else { return }
    let file = try snapshot.liveFile(add, partition: snapshot.partition(of: add))
    pieces.append(RowHistory.Piece(file: file, contents: shape, from: from, to: to))
  }

  /// Ends what is live, where another schema begins or the walk ends.
  private mutating func close(at version: Int64?) throws {
    guard let shape = shapes.last else { return }
    // Pieces have an order of their own, so that rows have the same numbers whenever they are read.
    for old in live.values.sorted(by: { ExactText($0.add.path) < ExactText($1.add.path) }) {
      try note(old.add, shape, old.from, version)
    }
    live = [:]
  }

  /// Leaves out the versions before the last one of which a vacuum took a file.
  mutating func clipToWhatIsThere() throws {
    let removed = try Vacuums.removed(in: table.storage)
    guard !removed.isEmpty else { return }
    var begin = first
    for piece in pieces where try removed[ExactText(piece.file.path)] != nil && !table.storage.exists(piece.file.path) {
      guard let to = piece.to else { continue }
      begin = max(begin, to)
    }
    first = begin
    pieces = pieces.compactMap { piece in
      guard piece.to.map({ $0 > begin }) ?? true else { return nil }
      var piece = piece
      piece.from = max(piece.from, begin)
      return piece
    }
  }
}

extension Field {
  /// The same column under a name that none of these is.
  fileprivate func unlike(_ names: [String]) -> Field {
    var field = self
    field.identity = lineage
    var number = 2
    while names.contains(where: { $0.lowercased() == field.name.lowercased() }) {
      field.name = "\(name)_\(number)"
      field.identity = lineage
      number += 1
    }
    return field
  }
}
