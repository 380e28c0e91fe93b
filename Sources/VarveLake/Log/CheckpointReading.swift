internal import VarveParquet
internal import VarveTables

/// Reading checkpoints, ours and others' (Delta protocol, "Checkpoints", classic form): one row per action, of whose
/// columns exactly one is set.
extension DeltaLog {
  /// The actions of a checkpoint but for those on files, the live files, which are read when they are asked for, and
  /// how many rows it has.
  func readCheckpoint(
    _ checkpoint: Checkpoint
  ) throws -> (actions: [Action], files: LiveEntries.Base, rowCount: Int) {
    var actions: [Action] = []
    var rowCount = 0
    for path in checkpoint.paths {
      let file = try openCheckpoint(path)
      rowCount += file.rowCount
      for rowGroup in file.rowGroups.indices {
        let rows = CheckpointRows(file, rowGroup: rowGroup, place: place + [path])
        actions += try rows.protocols().map(Action.protocol)
        actions += try rows.metadata().map(Action.metadata)
        actions += try rows.transactions().map(Action.transaction)
      }
    }
    return (actions, LiveEntries.Base { try readFiles(checkpoint) }, rowCount)
  }

  private func readFiles(_ checkpoint: Checkpoint) throws -> [AddAction] {
    try checkpoint.paths.flatMap { path in
      let file = try openCheckpoint(path)
      return try file.rowGroups.indices.flatMap { rowGroup in
        try CheckpointRows(file, rowGroup: rowGroup, place: place + [path]).adds()
      }
    }
  }

  /// The `remove` actions of a checkpoint.
  func readTombstones(_ checkpoint: Checkpoint) throws -> [RemoveAction] {
    try checkpoint.paths.flatMap { path in
      let file = try openCheckpoint(path)
      return try file.rowGroups.indices.flatMap { rowGroup in
        try CheckpointRows(file, rowGroup: rowGroup, place: place + [path]).removes()
      }
    }
  }

  private func openCheckpoint(_ path: String) throws -> ParquetFile {
    guard let source = try storage.openToRead(path) else {
      throw Problem(.damaged, at: place + [path], "the checkpoint is missing")
    }
    return try ParquetFile(source, name: path)
  }
}

/// The rows of one row group of a checkpoint, column by column. A column that is not there is null in every row.
private struct CheckpointRows {
  let file: ParquetFile
  let rowGroup: Int
  let place: [String]
  private var rowCount: Int { file.rowGroups[rowGroup].rowCount }

  init(_ file: ParquetFile, rowGroup: Int, place: [String]) {
    self.file = file
    self.rowGroup = rowGroup
    self.place = place
  }

  func adds() throws -> [AddAction] {
    let paths = try texts("add", "path")
    let sizes = try numbers("add", "size")
    let times = try numbers("add", "modificationTime")
    let partitionValues = try maps("add", "partitionValues")
    let statistics = try texts("add", "stats")
    let deletionVectors = try deletionVectors("add")
    var adds: [AddAction] = []
    for (row, path) in paths.enumerated() {
      guard let path else { continue }
      guard let size = sizes[row], size >= 0 else { throw damaged("a file has no size") }
      adds.append(
        AddAction(
          path: path, partitionValues: pairs(partitionValues[row]), byteCount: Int(size),
          modificationTime: times[row] ?? 0, dataChange: false, statistics: statistics[row],
          deletionVector: deletionVectors[row]))
    }
    return adds
  }

  func removes() throws -> [RemoveAction] {
    let paths = try texts("remove", "path")
    let sizes = try numbers("remove", "size")
    let times = try numbers("remove", "deletionTimestamp")
    let partitionValues = try maps("remove", "partitionValues")
    let deletionVectors = try deletionVectors("remove")
    return paths.enumerated().compactMap { row, path in
      guard let path else { return nil }
      return RemoveAction(
        path: path, deletionTimestamp: times[row], dataChange: false,
        partitionValues: partitionValues[row].map { pairs($0) }, byteCount: sizes[row].map(Int.init),
        deletionVector: deletionVectors[row])
    }
  }

  func protocols() throws -> [TableProtocol] {
    let readers = try numbers("protocol", "minReaderVersion")
    let writers = try numbers("protocol", "minWriterVersion")
    let readerFeatures = try lists("protocol", "readerFeatures")
    let writerFeatures = try lists("protocol", "writerFeatures")
    return readers.indices.compactMap { row in
      guard let reader = readers[row], let writer = writers[row] else { return nil }
      return TableProtocol(
        minReaderVersion: Int(reader), minWriterVersion: Int(writer), readerFeatures: readerFeatures[row],
        writerFeatures: writerFeatures[row])
    }
  }

  func metadata() throws -> [TableMetadata] {
    let ids = try texts("metaData", "id")
    guard ids.contains(where: { $0 != nil }) else { return [] }
    let names = try texts("metaData", "name")
    let formats = try texts("metaData", "format", "provider")
    let schemas = try texts("metaData", "schemaString")
    let partitionColumns = try lists("metaData", "partitionColumns")
    let properties = try maps("metaData", "configuration")
    let times = try numbers("metaData", "createdTime")
    return try ids.indices.compactMap { row in
      guard let id = ids[row] else { return nil }
      guard let schema = schemas[row] else { throw damaged("the table has no schema") }
      return try TableMetadata(
        id: id, name: names[row], format: formats[row] ?? "parquet", schemaText: schema,
        partitionColumns: partitionColumns[row] ?? [],
        properties: Dictionary(
          (properties[row] ?? []).compactMap { pair in pair.1.map { (pair.0, $0) } }, uniquingKeysWith: { $1 }),
        createdTime: times[row], place: place)
    }
  }

  func transactions() throws -> [TransactionAction] {
    let ids = try texts("txn", "appId")
    let versions = try numbers("txn", "version")
    let times = try numbers("txn", "lastUpdated")
    return ids.indices.compactMap { row in
      guard let id = ids[row], let version = versions[row] else { return nil }
      return TransactionAction(appID: id, version: version, lastUpdated: times[row])
    }
  }

  private func deletionVectors(_ action: String) throws -> [DeletionVector?] {
    let kinds = try texts(action, "deletionVector", "storageType")
    guard kinds.contains(where: { $0 != nil }) else { return kinds.map { _ in nil } }
    let names = try texts(action, "deletionVector", "pathOrInlineDv")
    let offsets = try numbers(action, "deletionVector", "offset")
    let sizes = try numbers(action, "deletionVector", "sizeInBytes")
    let rowCounts = try numbers(action, "deletionVector", "cardinality")
    return try kinds.indices.map { row in
      try DeletionVector(
        storage: kinds[row], text: names[row], offset: offsets[row], byteCount: sizes[row], rowCount: rowCounts[row],
        place: place)
    }
  }

  private func pairs(_ map: [(String, String?)]?) -> [(column: String, value: String?)] {
    (map ?? []).map { (column: $0.0, value: $0.1.flatMap { $0.isEmpty ? nil : $0 }) }
  }

  private func damaged(_ what: String) -> Problem { Problem(.damaged, at: place, what) }

  // MARK: Columns

  /// A value per row of a column without lists; nil where any part of the path is null.
  private func scalars<Value>(_ path: [String], _ value: (ParquetLeafValues, Int) throws -> Value) throws -> [Value?] {
    guard let index = file.leafIndex(path: path) else { return Array(repeating: nil, count: rowCount) }
    let leaf = file.leaves[index]
    guard leaf.maxRepetition == 0 else { throw damaged("the column \(path.joined(separator: ".")) is a list") }
    let values = try file.readLeaf(index, rowGroup: rowGroup)
    guard values.entryCount == rowCount else { throw damaged("the column \(path.joined(separator: ".")) is cut off") }
    var next = 0
    return try (0..<rowCount).map { row in
      guard values.definitionLevels.isEmpty || Int(values.definitionLevels[row]) == leaf.maxDefinition else {
        return nil
      }
      defer { next += 1 }
      return try value(values, next)
    }
  }

  private func texts(_ path: String...) throws -> [String?] { try scalars(path, text) }

  private func numbers(_ path: String...) throws -> [Int64?] {
    try scalars(path) { values, index in
      guard case .int64(let numbers) = values.values.values else {
        throw damaged("the column \(path.joined(separator: ".")) holds no whole numbers")
      }
      return numbers[index]
    }
  }

  private func text(_ values: ParquetLeafValues, _ index: Int) throws -> String {
    guard case .bytes(let texts) = values.values.values else { throw damaged("a column of texts holds something else") }
    return String(decoding: texts[index], as: UTF8.self)
  }

  /// The entries of one leaf below a list or map: for each row nil, or for each element the index of its value, nil
  /// where it is null.
  private func elements(_ index: Int, _ values: ParquetLeafValues) throws -> [[Int?]?] {
    let leaf = file.leaves[index]
    guard leaf.maxRepetition == 1, let repeated = leaf.repetitions.firstIndex(of: .repeated), repeated > 0,
      values.repetitionLevels.count == values.definitionLevels.count
    else { throw damaged("the column \(leaf.path.joined(separator: ".")) is nested otherwise") }
    let listLevel = leaf.definitionLevel(depth: repeated - 1)
    let elementLevel = leaf.definitionLevel(depth: repeated)
    var rows: [[Int?]?] = []
    var next = 0
    for (entry, repetition) in values.repetitionLevels.enumerated() {
      let definition = Int(values.definitionLevels[entry])
      if repetition == 0 { rows.append(definition >= listLevel ? [] : nil) }
      guard definition >= elementLevel else { continue }
      let isThere = definition == leaf.maxDefinition
      rows[rows.count - 1]?.append(isThere ? next : nil)
      if isThere { next += 1 }
    }
    return rows
  }

  private func leaves(below path: [String]) -> [Int] {
    file.leaves.indices.filter { file.leaves[$0].path.starts(with: path) }
  }

  private func lists(_ path: String...) throws -> [[String]?] {
    guard let index = leaves(below: path).first else { return Array(repeating: nil, count: rowCount) }
    let values = try file.readLeaf(index, rowGroup: rowGroup)
    return try elements(index, values).map { try $0?.compactMap { $0 }.map { try text(values, $0) } }
  }

  private func maps(_ path: String...) throws -> [[(String, String?)]?] {
    let indices = leaves(below: path)
    guard let keyIndex = indices.first(where: { file.leaves[$0].path.last == "key" }),
      let valueIndex = indices.first(where: { file.leaves[$0].path.last == "value" })
    else { return Array(repeating: nil, count: rowCount) }
    let (keys, values) = (
      try file.readLeaf(keyIndex, rowGroup: rowGroup), try file.readLeaf(valueIndex, rowGroup: rowGroup)
    )
    let (keyRows, valueRows) = (try elements(keyIndex, keys), try elements(valueIndex, values))
    guard keyRows.count == rowCount, valueRows.count == rowCount else { throw damaged("a map is cut off") }
    return try zip(keyRows, valueRows).map { keyRow, valueRow in
      guard let keyRow, let valueRow else { return nil }
      guard keyRow.count == valueRow.count else { throw damaged("a map has keys without values") }
      return try zip(keyRow, valueRow).map { key, value in
        guard let key else { throw damaged("a map has a null key") }
        return (try text(keys, key), try value.map { try text(values, $0) })
      }
    }
  }
}
