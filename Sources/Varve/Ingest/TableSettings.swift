internal import VarveFeeds
internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// What an ingestion goes by: what was asked for, and where nothing was, what the table remembers.
struct TableSettings: Sendable {
  var mode: IngestMode
  var key: [String]
  /// What the key is computed from; nil where it is of columns as they are.
  var recordKey: RecordKey?
  var partitionBy: [PartitionBy]
  var deleteWhen: String?
  /// Whether it was asked for, and is not just remembered.
  var deletesByRequest: Bool
  var newestBy: String?
  var timezone: String
  var absentIsNull: Bool
  var withOrigin: Bool
  /// What a new table is to be.
  var immutability: Immutability?
  var zstdLevel: Int
  /// That of a schema file, which a table that is made takes over.
  private var contract: ColumnContract?
  var updates: UpdateMethod
  private var expectations: JSONValue?

  /// `schema`: that of a schema file, if one was given. `defaults`: what tables of the warehouse remember when they are
  /// made.
  init(
    _ request: IngestRequest, schema: SchemaFile?, table: TableMetadata?, defaults: () throws -> TableDefaults
  ) throws {
    let asked = try request.partitionBy.map { try PartitionBy($0) }
    let remembered = try table?.columns(.partitionBy).map { try PartitionBy($0) }
    key = try TableSettings.settle("key", asked: request.key, remembered: table?.key) { $0 }
    recordKey = try TableSettings.recordKey(request, table)
    if recordKey != nil { key = [RecordKey.columnName] }
    // A table of somebody else remembers its partition columns alone.
    let known = remembered.flatMap { $0.isEmpty ? nil : $0 } ?? table?.partitionColumns.map(PartitionBy.column)
    partitionBy = try TableSettings.settle("partition-by", asked: asked, remembered: known) { $0.map(\.text) }
    mode = request.mode ?? table?[.mode].flatMap(IngestMode.init(rawValue:)) ?? .append
    deleteWhen = request.deleteWhen ?? table?[.deleteWhen]
    deletesByRequest = request.deleteWhen != nil
    newestBy = request.newestBy ?? table?[.newestBy]
    withOrigin = request.withOrigin || table?[.withOrigin] == "true"
    zstdLevel = try request.zstdLevel ?? table?.zstdLevel ?? defaults().zstdLevel
    guard TableDefaults.zstdLevels.contains(zstdLevel) else {
      throw Problem(
        .usage, "--zstd-level \(zstdLevel) is no level of compression", advice: "name one from 1 (fast) to 22 (small)")
    }
    immutability = try TableSettings.immutability(request, table)
    let knownUpdates = table.map { $0.strikesRows ? UpdateMethod.mergeOnRead : .copyOnWrite }
    updates = request.updates ?? knownUpdates ?? .copyOnWrite
    if let knownUpdates, knownUpdates != updates {
      throw Problem(
        .refused, "--updates \(updates.rawValue): the table has \(knownUpdates.rawValue)",
        advice: "leave the option out, or change it first: varve alter \(request.table) --updates \(updates.rawValue)")
    }
    absentIsNull = schema?.absentIsNull ?? (table?[.absent] == "null")
    contract = schema?.contract
    expectations = schema?.expectations
    if let expectations { _ = try Expectations(expectations, place: [request.feeds[0].schemaPath ?? ""]) }

    let zones = Set(request.feeds.compactMap(\.timezone) + (schema?.timezone.map { [$0] } ?? []))
    guard zones.count <= 1 else {
      throw Problem(.usage, "the feeds name several time zones: \(zones.sorted().joined(separator: ", "))")
    }
    timezone = zones.first ?? table?[.timezone] ?? "UTC"

    if Set(key).count < key.count { throw Problem(.usage, "--key names a column twice: \(key.joined(separator: ","))") }
    if mode == .merge || mode == .insert || mode == .statefulMerge, key.isEmpty {
      throw Problem(
        .usage, at: [request.table], "--mode \(mode.rawValue) needs a key, and the table has none",
        advice: "name its columns with --key, or what to make it from with --key-from")
    }
    if let option = [deleteWhen.map { _ in "--delete-when" }].compactMap({ $0 }).first, request.deleteWhen != nil,
      mode != .merge, mode != .statefulMerge
    {
      throw Problem(.usage, "\(option) goes with --mode merge", advice: "leave it out, or merge")
    }
    if !request.partitions.isEmpty, mode != .overwrite {
      throw Problem(.usage, "--partition goes with --mode overwrite", advice: "leave it out, or overwrite")
    }
    if request.dynamicPartitionsMax != nil {
      guard mode == .overwrite, request.partitions.isEmpty else {
        throw Problem(.usage, "--dynamic goes with --mode overwrite, without --partition")
      }
      guard !partitionBy.isEmpty else {
        throw Problem(
          .usage, at: [request.table], "--dynamic: the table has no partitions", advice: "overwrite it as a whole")
      }
    }
  }

  private static func recordKey(_ request: IngestRequest, _ table: TableMetadata?) throws -> RecordKey? {
    if let text = table?[.keyEncoding], text != String(RecordKey.encoding) {
      throw Problem(
        .refused, at: [request.table], "its keys are in encoding \(text), which this Varve does not know",
        advice: "use a newer Varve")
    }
    let columns = try settle("key-from", asked: request.keyFrom, remembered: table?.columns(.keyFrom)) { $0 }
    guard !columns.isEmpty else { return nil }
    if !request.key.isEmpty {
      throw Problem(.usage, "--key and --key-from are two ways to a key", advice: "leave one of them out")
    }
    guard Set(columns).count == columns.count, !columns.contains(RecordKey.columnName) else {
      throw Problem(.usage, "--key-from \(columns.joined(separator: ",")): names a column twice, or the key itself")
    }
    return RecordKey(columns)
  }

  private static func immutability(_ request: IngestRequest, _ table: TableMetadata?) throws -> Immutability? {
    guard request.isImmutable else {
      if request.immutableDays != nil { throw Problem(.usage, "--immutable-days goes with --immutable") }
      return table?.immutability
    }
    let asked = try Immutability(checking: request.immutableDays)
    guard let table, table.immutability != asked else { return asked }
    throw Problem(
      .refused, at: [request.table],
      table.immutability == nil ? "--immutable: the table is not" : "--immutable: the table is for other days",
      advice: "leave the option out; `varve immutable \(request.table)` makes tables immutable that are there")
  }

  /// What a schema file expects of the rows of a table that is made.
  func expected() throws -> Expectations? {
    guard let expectations else { return nil }
    let parsed = try Expectations(expectations, place: ["the schema file"])
    return parsed.rules.isEmpty ? nil : parsed
  }

  private static func settle<Wanted: Equatable>(
    _ option: String, asked: [Wanted], remembered: [Wanted]?, text: ([Wanted]) -> [String]
  ) throws -> [Wanted] {
    guard let remembered, !asked.isEmpty else { return asked.isEmpty ? remembered ?? [] : asked }
    guard asked == remembered else {
      let has = remembered.isEmpty ? "none" : text(remembered).joined(separator: ",")
      throw Problem(
        .refused, "--\(option) \(text(asked).joined(separator: ",")): the table has \(has), since it was made",
        advice: "leave the option out, or ingest into a new table")
    }
    return asked
  }

  /// The properties of a table that is made with these settings.
  func metadata(id: String, schema: Schema, createdTime: Int64) -> TableMetadata {
    var metadata = TableMetadata(
      id: id, schema: schema, partitionColumns: partitionBy.map(\.name), createdTime: createdTime)
    metadata.key = key
    metadata.recordKey = recordKey
    metadata.immutability = immutability
    metadata[.mode] = mode.rawValue
    metadata.setColumns(.partitionBy, partitionBy.map(\.text))
    metadata[.deleteWhen] = deleteWhen
    metadata[.newestBy] = newestBy
    if timezone != "UTC" { metadata[.timezone] = timezone }
    if absentIsNull { metadata[.absent] = "null" }
    if withOrigin { metadata[.withOrigin] = "true" }
    if zstdLevel != EngineLimits.zstdLevelStandard { metadata[.zstdLevel] = String(zstdLevel) }
    if let contract, contract != .evolve { metadata[.contract] = contract.rawValue }
    metadata.strikesRows = updates == .mergeOnRead
    metadata[.expectations] = expectations?.text()
    return metadata
  }
}
