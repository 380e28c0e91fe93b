internal import VarveTables

/// A manifest made again from the log entry that names it and from the data files themselves.
///
/// What comes out is believed only where its digest is the one in the log, so nothing of it is guessed.
struct ManifestRebuilding {
  let reference: ManifestReference
  let entry: LogEntry
  /// As of the entry.
  let metadata: TableMetadata
  let bookkeeping: Bookkeeping
  /// The partition's manifest before.
  let predecessor: ManifestReference?
  let baseSHA256: String?
  let storage: Storage

  private var directory: String { Layout.parent(reference.path) }

  /// Nil where what is left does not lead to what was committed.
  func bytes() throws -> [UInt8]? {
    guard var manifest = try bare() else { return nil }
    for files in try candidates() {
      manifest.files = files
      for way in predecessors(manifest.dropped) {
        manifest.predecessor = way.predecessor
        manifest.depth = way.depth
        manifest.kept = way.kept
        manifest.changed = way.kept == nil ? changes : []
        let bytes = manifest.bytes
        if Digest.sha256(bytes) == reference.sha256 { return bytes }
      }
    }
    return nil
  }

  private var partitionKey: String { ManifestIndex.key(ofDirectory: Layout.parent(directory)) }

  private func bare() throws -> Manifest? {
    let columns = metadata.partitionColumns
    func isHere(_ path: String, _ values: [(column: String, value: String?)]?) -> Bool {
      ManifestChanges.key(path, values, columns) == partitionKey
    }
    let added = Set(entry.adds.map { ExactText($0.path) })
    let removes = entry.removes.filter { isHere($0.path, $0.partitionValues) }
    let dropped = removes.filter { !added.contains(ExactText($0.path)) }
    let adds = entry.adds.filter { isHere($0.path, $0.partitionValues) }
    guard let values = adds.first?.partitionValues ?? removes.first?.partitionValues else { return nil }
    return Manifest(
      partition: columns.map { column in
        .init(column: column, value: values.first { ExactText($0.column) == ExactText(column) }?.value)
      },
      files: [], predecessor: .nothing, dropped: dropped.compactMap { LogPath.decode($0.path) }, kept: nil, depth: 0,
      schema: metadata.schema, ingestion: bookkeeping.ingestion, execution: bookkeeping.execution,
      sources: bookkeeping.sources)
  }

  /// The own files, with and without the key's bounds: these stood in the engine's statistics, of which the log may
  /// keep less.
  private func candidates() throws -> [[Manifest.File]] {
    var bounded: [Manifest.File] = []
    var bare: [Manifest.File] = []
    for add in entry.adds {
      guard let path = LogPath.decode(add.path), ExactText(Layout.parent(path)) == ExactText(directory) else {
        continue
      }
      guard let bytes = try storage.read(path) else { return [] }
      let statistics = add.statistics.flatMap { StatisticsText.parse($0, metadata.schema) }
      var file = Manifest.File(
        path: Layout.name(path), rows: statistics?.rowCount, bytes: add.byteCount, sha256: Digest.sha256(bytes))
      bare.append(file)
      let bounds = metadata.key.map { statistics?.columns[$0] }
      if !bounds.isEmpty, bounds.allSatisfy({ $0 != nil }) {
        file.keyMinimum = bounds.map { $0?.minimum?.text }
        file.keyMaximum = bounds.map { $0?.maximum?.text }
      }
      bounded.append(file)
    }
    return bounded == bare ? [bare] : [bounded, bare]
  }

  /// Files of this partition that the entry made live and did not write.
  private var others: [Manifest.File] {
    entry.adds.compactMap { add in
      guard let path = LogPath.decode(add.path), ExactText(Layout.parent(path)) != ExactText(directory),
        ManifestChanges.key(add.path, add.partitionValues, metadata.partitionColumns) == partitionKey
      else { return nil }
      let rows = add.statistics.flatMap { StatisticsText.parse($0, metadata.schema) }?.rowCount
      var file = Manifest.File(path: path, rows: rows, bytes: add.byteCount)
      file.struck = add.deletionVector.map(Manifest.Struck.init)
      return file
    }
  }

  /// Those of them that were live before, with other rows struck out.
  private var changes: [Manifest.Change] {
    let removed = Set(entry.removes.compactMap { LogPath.decode($0.path).map(ExactText.init) })
    return others.filter { removed.contains(ExactText($0.path)) }.map {
      Manifest.Change(path: $0.path, struck: $0.struck)
    }
    .sorted { ExactText($0.path) < ExactText($1.path) }
  }

  /// Each way in which a manifest can stand on what was before.
  private func predecessors(
    _ dropped: [String]
  ) -> [(predecessor: Manifest.Predecessor, depth: Int, kept: [Manifest.File]?)] {
    var ways: [(predecessor: Manifest.Predecessor, depth: Int, kept: [Manifest.File]?)] = []
    let gone = Set(dropped.map(ExactText.init))
    let changes = changes
    let changed = Set(changes.map { ExactText($0.path) })
    let restored = others.filter { !changed.contains(ExactText($0.path)) }
    if let predecessor, let before = try? Manifest.read(predecessor, storage) {
      if restored.isEmpty, before.depth + 1 < Manifest.chainMax {
        ways.append((.manifest(predecessor), before.depth + 1, nil))
      }
      if let files = try? Manifest.files(of: predecessor, storage) {
        let kept = Manifest.files(files.filter { !gone.contains(ExactText($0.path)) }, with: changes) + restored
        ways.append((.manifest(predecessor), 0, kept.sorted { ExactText($0.path) < ExactText($1.path) }))
      }
    } else if predecessor == nil {
      ways.append((.nothing, 0, restored.sorted { ExactText($0.path) < ExactText($1.path) }))
    }
    return ways
  }
}
