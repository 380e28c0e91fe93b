internal import VarveJSON
internal import VarveParquet
internal import VarveTables

/// A nested column of a Parquet file as JSON: structures and maps are objects, lists are arrays.
///
/// Its leaves are read side by side, a stretch of each at a time, and put together again by their levels (Parquet,
/// "Nested Encoding"). Lists and maps of older writers are understood (Parquet, LogicalTypes.md, "Nested Types").
final class NestedColumn {
  let name: String
  private let root: Node
  private let leafIndices: Range<Int>
  private let file: ParquetFile
  private var cursors: [LeafCursor] = []
  /// Of the row that is put together: its values and bytes. A few bytes of a damaged file may claim millions.
  private var rowSize = 0

  private static let rowSizeMax = 64 << 20

  /// `leafIndices` are all leaves of the column.
  init(_ file: ParquetFile, _ leafIndices: Range<Int>) {
    self.file = file
    self.leafIndices = leafIndices
    let leaves = Array(file.leaves[leafIndices])
    name = leaves[0].path[0]
    root = Node(leaves, leaves.indices, depth: 0, definition: 0, repetition: 0)
  }

  /// Those of a file, but for those with a field that cannot be read.
  static func columns(of file: ParquetFile) -> [NestedColumn] {
    let leaves = file.leaves
    var ranges: [Range<Int>] = []
    for index in leaves.indices {
      if let last = ranges.last, leaves[last.lowerBound].path[0] == leaves[index].path[0] {
        ranges[ranges.count - 1] = last.lowerBound..<index + 1
      } else {
        ranges.append(index..<index + 1)
      }
    }
    return ranges.filter { range in
      leaves[range].allSatisfy { $0.type != nil && ($0.path.count > 1 || $0.maxRepetition > 0) }
        && range.dropFirst().allSatisfy { isBeside(leaves[$0 - 1], leaves[$0]) }
    }.map { NestedColumn(file, $0) }
  }

  /// Whether both are leaves of one tree: neither below the other, and alike as far as they share their path.
  private static func isBeside(_ one: ParquetLeaf, _ other: ParquetLeaf) -> Bool {
    let shared = zip(one.path, other.path).prefix { $0 == $1 }.count
    return shared < min(one.path.count, other.path.count)
      && one.repetitions.prefix(shared) == other.repetitions.prefix(shared)
      && one.annotations.prefix(shared) == other.annotations.prefix(shared)
  }

  /// Starts with the first row of a row group.
  func open(rowGroup: Int) throws {
    cursors = try leafIndices.map { try LeafCursor(file, leaf: $0, rowGroup: rowGroup) }
  }

  /// The cells of the next rows of the open row group.
  func cells(_ rowCount: Int) throws -> RawColumn {
    var cells = RawColumn(name: name)
    for _ in 0..<rowCount {
      rowSize = 0
      do {
        let value = try assemble(root)
        for cursor in cursors {
          guard try cursor.repetition ?? 0 == 0 else { throw NestedDamage(what: "its fields have other rows") }
        }
        if value.isNull {
          cells.kinds.append(.null)
        } else {
          value.write(to: &cells.bytes, .canonical)
          cells.kinds.append(.json)
        }
      } catch let damage as NestedDamage {
        throw Problem(.failed, at: [file.name, "column \"\(name)\""], damage.what)
      }
      cells.ends.append(cells.bytes.count)
    }
    return cells
  }

  private func assemble(_ node: Node) throws -> JSONValue {
    let first = cursors[node.leaves.lowerBound]
    switch node.kind {
    case .leaf: return try take(first)
    case .structure(let fields):
      return .object(JSONObject(try fields.map { ($0.name, try assemble($0.node)) }))
    case .optional(let level, let inner):
      return try first.definition >= level ? assemble(inner) : passing(node)
    case .list(let level, let repetition, let element):
      guard try first.definition >= level else {
        _ = try passing(node)
        return .array([])
      }
      var values: [JSONValue] = []
      repeat { values.append(try assemble(element)) } while try first.repetition == repetition
      return .array(values)
    case .map(let level, let repetition, let key, let value):
      var members = JSONObject()
      guard try first.definition >= level else {
        _ = try passing(node)
        return .object(members)
      }
      repeat {
        let key = try assemble(key)
        members[key.string ?? key.text(.canonical)] = try assemble(value)
      } while try first.repetition == repetition
      return .object(members)
    }
  }

  /// Null, after the one entry that each leaf below a node has which is not there.
  private func passing(_ node: Node) throws -> JSONValue {
    for cursor in cursors[node.leaves] { _ = try take(cursor) }
    return .null
  }

  private func take(_ cursor: LeafCursor) throws -> JSONValue {
    let value = try cursor.take()
    rowSize += 32 + (value.string?.utf8.count ?? 0)
    guard rowSize <= NestedColumn.rowSizeMax else {
      throw NestedDamage(what: "a row of it is larger than \(NestedColumn.rowSizeMax >> 20) MiB")
    }
    return value
  }
}

/// What levels say that cannot be.
private struct NestedDamage: Error { let what: String }

/// A node of the column's schema, as it is put together.
private final class Node {
  enum Kind {
    case leaf
    case structure([(name: String, node: Node)])
    /// There from that definition level on.
    case optional(level: Int, Node)
    /// Has elements from that definition level on; one more follows at that repetition level.
    case list(level: Int, repetition: Int, Node)
    case map(level: Int, repetition: Int, key: Node, value: Node)
  }

  let kind: Kind
  /// Those below it, by their place in the column.
  let leaves: Range<Int>

  private init(_ kind: Kind, _ leaves: Range<Int>) { (self.kind, self.leaves) = (kind, leaves) }

  /// The node at that depth of the leaves' paths; `definition` and `repetition` are the levels above it.
  convenience init(_ all: [ParquetLeaf], _ leaves: Range<Int>, depth: Int, definition: Int, repetition: Int) {
    switch all[leaves.lowerBound].repetitions[depth] {
    case .required:
      self.init(content: all, leaves, depth: depth, definition: definition, repetition: repetition)
    case .optional:
      let inner = Node(content: all, leaves, depth: depth, definition: definition + 1, repetition: repetition)
      self.init(.optional(level: definition + 1, inner), leaves)
    case .repeated:
      let inner = Node(content: all, leaves, depth: depth, definition: definition + 1, repetition: repetition + 1)
      self.init(.list(level: definition + 1, repetition: repetition + 1, inner), leaves)
    }
  }

  /// The same, once it is there.
  private convenience init(
    content all: [ParquetLeaf], _ leaves: Range<Int>, depth: Int, definition: Int, repetition: Int
  ) {
    let first = all[leaves.lowerBound]
    guard first.path.count > depth + 1 else {
      self.init(.leaf, leaves)
      return
    }
    let children = Node.children(all, leaves, depth: depth)
    let isGathering = children.count == 1 && first.repetitions[depth + 1] == .repeated
    let level = definition + 1
    switch first.annotations[depth] {
    case .map where isGathering && first.path.count > depth + 2:
      let pair = Node.children(all, leaves, depth: depth + 1)
      guard pair.count == 2 else { break }
      let parts = pair.map { Node(all, $0, depth: depth + 2, definition: level, repetition: repetition + 1) }
      self.init(.map(level: level, repetition: repetition + 1, key: parts[0], value: parts[1]), leaves)
      return
    case .list where isGathering:
      // Of two levels, the repeated one is the element itself.
      let inner = first.path.count > depth + 2 ? Node.children(all, leaves, depth: depth + 1) : []
      let name = first.path[depth + 1]
      let isElement = inner.count != 1 || name == "array" || name == first.path[depth] + "_tuple"
      let element =
        isElement
        ? Node(content: all, leaves, depth: depth + 1, definition: level, repetition: repetition + 1)
        : Node(all, leaves, depth: depth + 2, definition: level, repetition: repetition + 1)
      self.init(.list(level: level, repetition: repetition + 1, element), leaves)
      return
    default: break
    }
    let fields = children.map { child in
      (
        name: all[child.lowerBound].path[depth + 1],
        node: Node(all, child, depth: depth + 1, definition: definition, repetition: repetition)
      )
    }
    self.init(.structure(fields), leaves)
  }

  /// The leaves of each child of the node at that depth.
  private static func children(_ all: [ParquetLeaf], _ leaves: Range<Int>, depth: Int) -> [Range<Int>] {
    var result: [Range<Int>] = []
    for leaf in leaves {
      if let last = result.last, all[last.lowerBound].path[depth + 1] == all[leaf].path[depth + 1] {
        result[result.count - 1] = last.lowerBound..<leaf + 1
      } else {
        result.append(leaf..<leaf + 1)
      }
    }
    return result
  }
}

/// Where reading stands in one leaf.
private final class LeafCursor {
  private let reader: ParquetLeafReader
  private let isLocalTime: Bool
  private let maxDefinition: Int
  private var stretch = ParquetLeafValues(values: Column(.text, .bytes(ByteValues())))
  private var entry = 0
  private var value = 0

  init(_ file: ParquetFile, leaf index: Int, rowGroup: Int) throws {
    let leaf = file.leaves[index]
    (isLocalTime, maxDefinition) = (leaf.isLocalTime, leaf.maxDefinition)
    reader = try file.leafReader(index, rowGroup: rowGroup)
  }

  /// Whether an entry follows.
  private func isFilled() throws -> Bool {
    if entry < stretch.entryCount { return true }
    guard let next = try reader.next(entriesMax: 4_096, bytesMax: 4 << 20) else { return false }
    (stretch, entry, value) = (next, 0, 0)
    return true
  }

  /// The repetition level of the next entry; nil behind the last.
  var repetition: Int? {
    get throws {
      guard try isFilled() else { return nil }
      return stretch.repetitionLevels.isEmpty ? 0 : Int(stretch.repetitionLevels[entry])
    }
  }

  /// The definition level of the next entry.
  var definition: Int {
    get throws {
      guard try isFilled() else { throw NestedDamage(what: "one of its fields ends early") }
      return stretch.definitionLevels.isEmpty ? maxDefinition : Int(stretch.definitionLevels[entry])
    }
  }

  /// The next entry's value, null where it has none.
  func take() throws -> JSONValue {
    let isThere = try definition == maxDefinition
    entry += 1
    guard isThere else { return .null }
    defer { value += 1 }
    switch stretch.values.value(at: value) {
    case .null: return .null
    case .boolean(let flag): return .boolean(flag)
    // JSON has no number for these, and no time for those beyond its years.
    case .double(let number): return number.isFinite ? .init(number) : .string("\(number)")
    case .date(let days) where !CivilTime.days.contains(days): return .string("day \(days) of 1970")
    case .timestamp(let time) where !CivilTime.microseconds.contains(time):
      return .string("microsecond \(time) of 1970")
    case .timestamp(let time):
      let text = Value.timestamp(time).text ?? ""
      return .string(isLocalTime ? String(text.dropLast()) : text)
    case let found:
      let text = found.text ?? ""
      if case .int64 = found { return .number(text) }
      if case .decimal = found { return .number(text) }
      return .string(text)
    }
  }
}
