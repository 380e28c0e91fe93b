internal import VarveFeeds
internal import VarveJSON
internal import VarveLake
internal import VarveParquet
internal import VarveTables

/// From the feeds into the spool.
extension Ingestion {
  enum Reading {
    /// How many there are in the feeds.
    case rows(Int)
    /// The table has the feeds already.
    case repeated(IngestReport)
  }

  func spool(_ staging: StagingArea) throws -> Spool {
    try Spool(
      staging: staging, known: knownSchema(), fixed: Set(schemaFile?.schema.fields.map(\.name) ?? []),
      options: spoolOptions(staging), limits: limits)
  }

  /// Spools the feeds, or what the transformation makes of them.
  func read(into spool: Spool, _ staging: StagingArea) throws -> Reading {
    guard let transformation else { return try readFeeds(into: spool) }
    let typed = try typedSpool(staging)
    let reading = try readFeeds(into: typed)
    guard case .rows = reading else { return reading }
    let booleans = spool.known.fields.filter { $0.type == .boolean }.map(\.name)
    try transformation.run(
      finish(typed), booleans: Set(booleans), needsPlaces: settings.withOrigin, surroundings: warehouse.surroundings
    ) { [settings, request] batch in
      let origins = OriginColumns(file: batch.origins.file, execution: request.execution)
      try spool.append(settings.withOrigin ? origins.extend(batch) : batch)
    }
    return reading
  }

  /// Spools all feeds, up to where it turns out that the table has them already.
  private func readFeeds(into spool: Spool) throws -> Reading {
    let byteCount = files.reduce(0) { $0 + $1.byteCount }
    var bytesBefore = 0
    for (index, feed) in request.feeds.enumerated() {
      spool.beginFeed()
      let format = formats[index]
      let ahead = ReadAhead { try feed.open(format) }
      let origin =
        settings.withOrigin && transformation == nil && replayed == nil
        ? OriginColumns(file: files[index].name, execution: request.execution) : nil
      reading: while true {
        try warehouse.surroundings.checkInterrupted()
        switch ahead.next() {
        case .batch(let batch, let bytesRead, _):
          try spool.append(origin?.extend(batch) ?? batch)
          onEvent(.progress(bytesRead: bytesBefore + bytesRead, byteCount: byteCount, rows: spool.rowsRead))
          if let report = try reportIfIngested(waits: false) { return .repeated(report) }
        case .end(_, let found):
          for remark in found { note(remark) }
          break reading
        case .failure(let error): throw error
        }
      }
      bytesBefore += files[index].byteCount
    }
    for remark in spool.remarks.sorted() { note(remark) }
    onEvent(.progress(bytesRead: byteCount, byteCount: byteCount, rows: spool.rowsRead))
    return try reportIfIngested(waits: true).map { .repeated($0) } ?? .rows(spool.rowsRead)
  }

  // MARK: How the table reads

  private func knownSchema() -> Schema {
    var known = base?.schema ?? Schema([])
    for field in schemaFile?.schema.fields ?? [] {
      guard let index = known.index(of: field.name) else {
        known.fields.append(field)
        continue
      }
      var field = field
      field.contract = field.contract ?? known.fields[index].contract
      known.fields[index] = field
    }
    if let decimal = request.feeds[0].csv.decimal { known.setDecimal(decimal) }
    return known
  }

  private func spoolOptions(_ staging: StagingArea) throws -> Spool.Options {
    var options = Spool.Options()
    let isWhole = settings.mode == .append || (settings.mode == .overwrite && request.partitions.isEmpty)
    if isWhole, settings.key.isEmpty, settings.partitionBy.isEmpty {
      options.directory = try staging.makePartition()
      options.parquet = ParquetOptions(compression: .zstd(level: settings.zstdLevel))
    }
    options.keepsAbsent = settings.mode == .merge || settings.mode == .statefulMerge
    options.keepsOrigins = options.directory == nil || base != nil
    options.quarantines = request.badRows == .quarantine
    if let expectations = try base?.metadata.expectations ?? settings.expected() { options.rules = expectations.ofRows }
    options.contract = base?.metadata.contract ?? schemaFile?.contract ?? .evolve
    options.instructions = instructions.union(settings.withOrigin ? OriginColumns.names : [])
    options.typing = try typing()
    return options
  }

  private func typing() throws -> TypingOptions {
    TypingOptions(
      zone: try Zone(named: settings.timezone),
      errorCells: TypingOptions.ErrorCells(rawValue: request.feeds[0].errorCells.rawValue) ?? .reject,
      absentIsNull: settings.absentIsNull, decimal: request.feeds[0].csv.decimal ?? ".",
      canonicalJSON: { (try? JSONValue(parsing: $0))?.bytes(.canonical) })
  }

  /// Columns that say what to do with a row, and are in the table only if it has them anyway.
  var instructions: Set<String> {
    guard let deleteWhen = settings.deleteWhen, base?.schema.index(of: deleteWhen) == nil else { return [] }
    return [deleteWhen]
  }

  // MARK: For a transformation

  /// Takes the feeds typed by themselves.
  private func typedSpool(_ staging: StagingArea) throws -> Spool {
    // Text of the table is text here, however it looks: nothing else gives its spelling back.
    let texts = knownSchema().fields.filter { $0.type == .text || $0.type == .json }
    var options = Spool.Options()
    options.keepsAbsent = true
    options.keepsOrigins = true
    options.typing = try typing()
    return try Spool(
      staging: staging, known: Schema(texts.map { Field($0.name, $0.type) }), fixed: [], options: options,
      limits: limits)
  }

  private func finish(_ typed: Spool) throws -> Feed {
    let columns = typed.spooledColumns()
    let fields = try ColumnName.fields(forHeaders: columns.map(\.header), place: [files[0].name])
    let decisions = zip(columns, fields).map { column, field in
      // A column without values is one that a SELECT may name.
      ColumnDecision(Field(field.name, column.type ?? .text))
    }
    guard let feed = try typed.finish(decisions)?.feed else { throw rejected(typed) }
    return feed
  }

  // MARK: Rows that do not fit

  func tell(_ rejections: RejectionSummary) {
    for rejection in rejections.first {
      onEvent(.rejected(place: rejection.place.joined(separator: ", "), reason: rejection.reason))
    }
  }

  /// Why nothing is committed of a feed with such rows.
  func rejected(_ spool: Spool) -> Problem {
    let summary = spool.rejections
    tell(summary)
    guard let first = spool.failure else {
      return Problem(.failed, at: [files[0].name], "\(summary.rowCount) rows were rejected")
    }
    let others = summary.cellCount - 1
    let more = others == 0 ? "" : " (and \(others) more cell\(others == 1 ? "" : "s"))"
    let contract = base?.schema[first.column]?.contract ?? base?.metadata.contract ?? .evolve
    guard contract != .freeze else {
      return Problem(
        .refused, at: first.place, first.reason + more,
        advice: "mend the feed, or change the column or its contract, freeze, with varve alter")
    }
    return Problem(
      .failed, at: first.place, first.reason + more,
      advice: "mend the feed, or lay such rows aside with --on-bad-row quarantine")
  }
}
