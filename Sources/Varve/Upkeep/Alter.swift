internal import VarveJSON
internal import VarveLake
public import VarveTables

/// Other columns for a table, as one new version. The parts are carried out in the order in which they stand here, so that
/// `drops` and the left sides of `renames` are names as they were, and all others names as they become.
public struct AlterRequest: Sendable {
  /// The table's name.
  public var table: String
  /// Columns that go. Their files are written anew; older versions keep theirs.
  public var drops: [String] = []
  /// Feeds may go on using the old name.
  public var renames: [(from: String, to: String)] = []
  /// Columns that come, null in every row there is, even where a column of that name was dropped before.
  public var adds: [Field] = []
  /// Types that hold every value that is there exactly.
  public var widenings: [(column: String, type: DataType)] = []
  /// A schema file: what it names is added or widened, and takes its aliases, formats and contract from it; what it does
  /// not name stays.
  public var schemaPath: String?
  /// What feeds may do to single columns; nil: as the table says.
  public var contracts: [(column: String, contract: ColumnContract?)] = []
  /// What feeds may do to the columns that say nothing about it, and to the set of columns.
  public var contract: ColumnContract?
  /// How rows that change are written from now on; no file is touched.
  public var updates: UpdateMethod?
  /// Columns that come first, in this order; the others follow as they stand.
  public var order: [String] = []
  /// Plans, and commits nothing.
  public var isDryRun = false

  /// Of a table.
  public init(_ table: String) { self.table = table }
}

extension Warehouse {
  /// Changes a table's columns. Older versions keep theirs. Doing it again changes nothing.
  ///
  /// - Throws: a `Problem` of kind `refused` for what the table's key, partitions or stored values do not allow.
  public func alter(_ request: AlterRequest) throws -> ChangeReport {
    _ = try writable()
    let table = try table(request.table)
    let base = try table.snapshot(at: .settled)
    let altered = try AlteredTable(request, base.metadata)
    guard altered.metadata != base.metadata else {
      try table.sync()
      return ChangeReport(table: request.table, base.version, .unchanged)
    }
    var limits = limits
    limits.zstdLevel = base.metadata.zstdLevel
    let alteration = Alteration(try base.contents(), to: altered.metadata.schema)
    if request.isDryRun {
      let files = try alteration.staleFileCount()
      var report = ChangeReport(table: request.table, base.version, .planned)
      report.remarks = altered.acts + ["\(files) \(files == 1 ? "file" : "files") to be written anew"]
      return report
    }
    try altered.checkNulls(base, limits)
    try table.prepare()
    let staging = try StagingArea(
      table.storage, transaction: surroundings.random.identifier(),
      checkInterrupted: { [surroundings] in try surroundings.checkInterrupted() })
    do {
      let limits = limits
      let change = try alteration.stage(staging, limits)
      try surroundings.checkInterrupted()
      var bookkeeping = Bookkeeping(
        ingestion: surroundings.random.identifier(), operation: change.removed.isEmpty ? .setProperties : .write,
        mode: Bookkeeping.alterMode)
      bookkeeping.details["acts"] = .array(altered.acts.map(JSONValue.string))
      let commit = Commit(
        change, to: table, base: base, staging: staging, bookkeeping: bookkeeping, properties: altered.properties(base),
        refusesRepeat: false
      ) { head in
        guard head.metadata == base.metadata else {
          throw Problem(
            .refused, at: [request.table], "its schema or properties were changed meanwhile", advice: "try again")
        }
        try altered.checkNulls(head, limits)
        return try Alteration(head.contents(), to: altered.metadata.schema).stage(staging, limits)
      }
      switch try committer.commit(commit) {
      case .committed(let committed):
        var report = ChangeReport(table: request.table, committed.version, .committed)
        report.remarks = committed.remarks.map { "\($0)" }
        return report
      case .alreadyIngested(let version), .unchanged(let version):
        return ChangeReport(table: request.table, version, .unchanged)
      }
    } catch {
      if !table.isInDoubt { try? staging.abandon() }
      throw error
    }
  }
}

extension ChangeReport {
  fileprivate init(table: String, _ version: Int64, _ outcome: Outcome) {
    self.init(table: table, version: Int(version), outcome: outcome, rows: IngestReport.Rows(), remarks: [])
  }
}
