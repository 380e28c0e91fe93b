package import VarveTables

/// The values of one leaf, as Dremel's levels have them (Parquet, "Nested Encoding").
///
/// For each entry there is a definition level: how many of the optional and repeated nodes on its path are there. And a
/// repetition level: at which of the repeated nodes it goes on; 0 starts a row. An entry whose definition level is the
/// leaf's greatest has a value, the next of `values`.
package struct ParquetLeafValues: Sendable {
  /// Without nulls. Leaves of type int32 are int64 columns.
  package var values: Column
  /// Empty when nothing on the path is optional or repeated.
  package var definitionLevels: [UInt8]
  /// Empty when nothing on the path is repeated.
  package var repetitionLevels: [UInt8]

  package init(values: Column, definitionLevels: [UInt8] = [], repetitionLevels: [UInt8] = []) {
    self.values = values
    self.definitionLevels = definitionLevels
    self.repetitionLevels = repetitionLevels
  }

  /// Values, and entries without one.
  package var entryCount: Int { definitionLevels.isEmpty ? values.count : definitionLevels.count }
}

/// A whole file of one row group whose columns may be nested. `leaves` are in the order of the tree, depth first.
package func parquetFile(
  _ nodes: [ParquetNode], rowCount: Int, leaves: [ParquetLeafValues], keyValues: [(String, String)] = [],
  options: ParquetOptions = ParquetOptions()
) -> [UInt8] {
  let elements = SchemaElement.elements(of: nodes)
  guard let described = try? ParquetLeaf.leaves(of: elements) else {
    preconditionFailure("a schema of ours is well formed")
  }
  let types = nodes.flatMap(\.leafTypes)
  precondition(described.count == leaves.count && types.count == leaves.count, "a file has one set of values per leaf")
  var bytes = parquetMagic
  var chunks: [LeafChunkMetadata] = []
  for ((leaf, type), values) in zip(zip(described, types), leaves) {
    precondition(values.values.validity.isEmpty, "a leaf's values are those that are not null")
    precondition(
      values.definitionLevels.isEmpty == (leaf.maxDefinition == 0 || rowCount == 0)
        && (leaf.maxRepetition == 0 ? values.entryCount == rowCount : true),
      "leaf \(leaf.path.joined(separator: ".")) has one definition level per entry, and one entry per row at least")
    precondition(
      leaf.maxRepetition == 0
        || values.repetitionLevels.count == values.entryCount && values.repetitionLevels.count { $0 == 0 } == rowCount,
      "leaf \(leaf.path.joined(separator: ".")) has one repetition level per entry, 0 once per row")
    chunks.append(encode(values, leaf, type, options, to: &bytes))
  }
  let group = RowGroupMetadata(
    chunks: chunks, byteCountUncompressed: chunks.reduce(0) { $0 + $1.byteCountUncompressed }, rowCount: rowCount)
  return bytes + footer(nodes, rowCount: rowCount, rowCount == 0 ? [] : [group], keyValues)
}

extension ParquetNode {
  fileprivate var leafTypes: [LeafType] {
    switch kind {
    case .leaf(let type): return [type]
    case .group(let fields, _):
      precondition(!fields.isEmpty, "a group has at least one field")
      return fields.flatMap(\.leafTypes)
    }
  }
}

/// Appends the leaf's chunk to the file so far.
private func encode(
  _ leaf: ParquetLeafValues, _ described: ParquetLeaf, _ type: ParquetNode.LeafType, _ options: ParquetOptions,
  to bytes: inout [UInt8]
) -> LeafChunkMetadata {
  let values = pageValues(of: type, options)
  let pages = PageWriter(options.compression)
  let maxDefinition = UInt8(described.maxDefinition)
  var entry = 0
  var value = 0
  while entry < leaf.entryCount {
    let end = pageEnd(leaf, from: entry, value: value, maxDefinition, options)
    let wanted =
      leaf.definitionLevels.isEmpty ? end - entry : leaf.definitionLevels[entry..<end].count { $0 == maxDefinition }
    let taken = values.add(leaf.values.values, validity: nil, value..<value + wanted)
    var pageEnd = end
    if taken < wanted {
      // The dictionary is full: the page ends where it was, within a row perhaps.
      pageEnd = entryOfValue(leaf, from: entry, taken, maxDefinition)
      guard pageEnd > entry else {
        values.leaveDictionary()
        continue
      }
    }
    pages.dataPage(valueCount: pageEnd - entry) { body in
      if described.maxRepetition > 0 {
        appendLevels(leaf.repetitionLevels[entry..<pageEnd], described.maxRepetition, to: body)
      }
      if described.maxDefinition > 0 {
        appendLevels(leaf.definitionLevels[entry..<pageEnd], described.maxDefinition, to: body)
      }
      return values.encodePage(into: body, isLast: pageEnd == leaf.entryCount)
    }
    entry = pageEnd
    value += taken
  }
  let offset = bytes.count
  let dictionary = values.dictionaryPage()
  if let dictionary { bytes += pages.dictionaryPage(dictionary.page, valueCount: dictionary.valueCount) }
  let dataPageOffset = bytes.count
  pages.appendPages(to: &bytes)
  return LeafChunkMetadata(
    physical: described.element.physical, path: described.path, encodings: pages.encodings, codec: pages.codec,
    valueCount: leaf.entryCount, byteCountUncompressed: pages.byteCountUncompressed, byteCount: bytes.count - offset,
    dataPageOffset: dataPageOffset, dictionaryPageOffset: dictionary == nil ? nil : offset,
    statistics: Statistics(nullCount: leaf.entryCount - leaf.values.count), pageCounts: pages.pageCounts)
}

/// Where the page that starts at an entry ends: at a row's start, and within the bounds of a page if it can.
private func pageEnd(
  _ leaf: ParquetLeafValues, from start: Int, value: Int, _ maxDefinition: UInt8, _ options: ParquetOptions
) -> Int {
  var byteCount = 0
  var value = value
  for entry in start..<leaf.entryCount {
    let startsRow = leaf.repetitionLevels.isEmpty || leaf.repetitionLevels[entry] == 0
    if entry > start, startsRow, entry - start >= options.pageRowsMax || byteCount >= options.pageBytesMax {
      return entry
    }
    if leaf.definitionLevels.isEmpty || leaf.definitionLevels[entry] == maxDefinition {
      if case .bytes(let strings) = leaf.values.values {
        byteCount += 4 + strings.range(value).count
      } else {
        byteCount += 8
      }
      value += 1
    }
  }
  return leaf.entryCount
}

/// The entry that has the value `number` after those before `start`.
private func entryOfValue(_ leaf: ParquetLeafValues, from start: Int, _ number: Int, _ maxDefinition: UInt8) -> Int {
  guard !leaf.definitionLevels.isEmpty else { return start + number }
  var left = number
  var entry = start
  while leaf.definitionLevels[entry] != maxDefinition || left > 0 {
    left -= leaf.definitionLevels[entry] == maxDefinition ? 1 : 0
    entry += 1
  }
  return entry
}

/// Levels stand behind their length (page version 1).
private func appendLevels(_ levels: ArraySlice<UInt8>, _ maximum: Int, to body: ByteBuffer) {
  let start = body.count
  body.append(UInt32(0))
  levels.withUnsafeBufferPointer {
    HybridRuns.encode($0, bitWidth: HybridRuns.bitWidth(of: maximum), into: body)
  }
  let length = UInt32(body.count - start - 4).littleEndian
  body.base.storeBytes(of: length, toByteOffset: start, as: UInt32.self)
}

extension ParquetFile {
  /// Bounds on what is decoded at once: a damaged file may claim anything.
  private static let leafEntriesMax = 1 << 27
  private static let leafBytesMax = 1 << 30

  /// The leaf of that path, of a nested or a flat column.
  package func leafIndex(path: [String]) -> Int? { leaves.firstIndex { $0.path == path } }

  /// The values of one leaf in one row group, all at once.
  package func readLeaf(_ index: Int, rowGroup: Int) throws -> ParquetLeafValues {
    let leaf = leaves[index]
    let reader = try reader(rowGroup: rowGroup, leaf: index)
    let values = ValueBuffer(reader.reading.type.storage)
    let definitions = ByteBuffer()
    let repetitions = ByteBuffer()
    do {
      guard reader.valuesLeft <= ParquetFile.leafEntriesMax else {
        throw Damage("has \(reader.valuesLeft) entries in a row group, more than are read at once")
      }
      while reader.valuesLeft > 0 {
        _ = try reader.read(
          1 << 16, into: values, bytesMax: values.text.count + 64 << 20, isSpread: false, definitions: definitions,
          repetitions: leaf.maxRepetition > 0 ? repetitions : nil)
        guard values.text.count <= ParquetFile.leafBytesMax else {
          throw Damage("has more than 1 GiB of text in a row group, more than is read at once")
        }
      }
      let rows = rowGroups[rowGroup].rowCount
      let levels = repetitions.values(of: UInt8.self)
      guard leaf.maxRepetition == 0 || (levels.count(where: { $0 == 0 }) == rows && levels.first ?? 0 == 0) else {
        throw Damage("has other rows than its row group")
      }
    } catch let damage as Damage {
      throw damage.problem(at: [name, "column \"\(leaf.path.joined(separator: "."))\""])
    }
    return ParquetLeafValues(
      values: Column(reader.reading.type, values.columnValues()), definitionLevels: definitions.array(),
      repetitionLevels: repetitions.array())
  }
}

/// The values of one leaf in one row group, a stretch at a time. One page is in memory, and the stretch.
package final class ParquetLeafReader {
  private let reader: LeafChunkReader
  private let isRepeated: Bool
  private let place: [String]

  init(_ reader: LeafChunkReader, isRepeated: Bool, place: [String]) {
    (self.reader, self.isRepeated, self.place) = (reader, isRepeated, place)
  }

  /// The next entries, nil behind the last. Fewer, but at least one, when their strings would take more than `bytesMax`
  /// bytes. A stretch may end within a row.
  package func next(entriesMax: Int, bytesMax: Int) throws -> ParquetLeafValues? {
    let values = ValueBuffer(reader.reading.type.storage)
    let (definitions, repetitions) = (ByteBuffer(), ByteBuffer())
    do {
      let read = try reader.read(
        entriesMax, into: values, bytesMax: bytesMax, isSpread: false, definitions: definitions,
        repetitions: isRepeated ? repetitions : nil)
      guard read.values > 0 else { return nil }
    } catch let damage as Damage {
      throw damage.problem(at: place)
    }
    return ParquetLeafValues(
      values: Column(reader.reading.type, values.columnValues()), definitionLevels: definitions.array(),
      repetitionLevels: repetitions.array())
  }
}

extension ParquetFile {
  /// Reads one leaf of a row group from its start.
  package func leafReader(_ index: Int, rowGroup: Int) throws -> ParquetLeafReader {
    let leaf = leaves[index]
    return ParquetLeafReader(
      try reader(rowGroup: rowGroup, leaf: index), isRepeated: leaf.maxRepetition > 0,
      place: [name, "column \"\(leaf.path.joined(separator: "."))\""])
  }
}
