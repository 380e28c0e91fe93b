package import VarveTables

/// How a feed changes a table.
package enum WritePattern: Hashable, Sendable {
  /// The feed's rows behind what is there. With a key: none of the feed's may be there already.
  case append
  /// Only rows whose key is not there, sorted by key. A key that comes twice in the feed is refused, unless the rows
  /// are equal in every column or `newestBy` decides.
  case insert(newestBy: String?)
  /// The feed's rows in place of what is there.
  case overwrite(OverwriteScope, allowEmpty: Bool)
  /// By key: known ones are updated, unknown ones inserted, and those whose `deleteWhen` is true deleted.
  ///
  /// With `newestBy`, of several rows of one key the one with the highest value counts (null is below everything, ties
  /// are refused), and a row that is older than the stored one changes nothing.
  case merge(deleteWhen: String?, newestBy: String?)

  package var name: String {
    switch self {
    case .append: "append"
    case .insert: "insert"
    case .overwrite: "overwrite"
    case .merge: "merge"
    }
  }
}

package enum OverwriteScope: Hashable, Sendable {
  case table
  /// All partitions that have these values in these partition columns; a nil value is null. Every row must lie in one.
  case partitions([[String: String?]])
  /// The partitions that the feed has rows of, refused where they are more than `max`.
  case partitionsOfFeed(max: Int)
}

/// A change to a table, as a value: what is read, what is computed of it and where the result goes. An engine carries
/// it out.
package struct PartitionPlan: Sendable {
  /// What the change is applied to.
  package var base: TableContents
  package var partitionBy: [PartitionBy]
  /// Columns whose values together name a row; empty when the table has none.
  package var key: [String]
  /// The new version's: every column of the base, in its type or a wider one, and what the feed brings besides. A
  /// column that serves `deleteWhen` alone need not be in it.
  package var schema: Schema
  package var feed: Feed
  package var pattern: WritePattern
  /// Whether rows lack nothing: a column that a merged row lacks becomes null instead of keeping its value.
  package var absentIsNull: Bool

  /// Whether rows that change are struck out of their files by deletion vectors, instead of writing these anew.
  package var strikesRows = false

  /// Columns that tell where a row came from: rows that differ in these alone are equal.
  package var originColumns: Set<String> = []

  package init(
    base: TableContents, partitionBy: [PartitionBy], key: [String], schema: Schema, feed: Feed, pattern: WritePattern,
    absentIsNull: Bool = false
  ) {
    self.base = base
    self.partitionBy = partitionBy
    self.key = key
    self.schema = schema
    self.feed = feed
    self.pattern = pattern
    self.absentIsNull = absentIsNull
  }

  var layout: PartitionLayout { PartitionLayout(schema, partitionBy) }

  /// What a person knows the key by.
  var keyNames: [String] { feed.recordKey?.columns ?? key }

  /// The columns of these names, which both the feed and the table have.
  var keyNameFields: [Field] { keyNames.compactMap { schema[$0] } }

  var keyFields: [Field] { key.map { schema[$0]! } }

  /// Whether a key can lie in one partition only.
  var keyDecidesPartition: Bool {
    !key.isEmpty && partitionBy.allSatisfy { key.contains($0.source) || key.contains($0.name) }
  }

  /// Columns of the base whose type the new version widens.
  var widenedColumns: [(name: String, from: DataType, to: DataType)] {
    base.schema.fields.compactMap { field in
      guard let type = schema[field.name]?.type, type != field.type, (field.type, type) != (.json, .text) else {
        return nil
      }
      return (field.name, field.type, type)
    }
  }

  /// Columns of the feed that are instructions, and no data.
  private var deleteWhen: String? {
    if case .merge(let deleteWhen, _) = pattern { deleteWhen } else { nil }
  }

  /// Refuses what no feed's contents can make right.
  func check() throws {
    for field in base.schema.fields {
      precondition(schema[field.name] != nil, "the new schema has the column \(field.name)")
    }
    for field in feed.schema.fields where field.name != deleteWhen {
      precondition(schema[field.name] != nil, "the new schema has the feed's column \(field.name)")
      if partitionBy.contains(where: { $0.name == field.name && $0.source != field.name }) {
        throw Problem(
          .failed, at: [feed.file, "column \"\(field.name)\""], "has the name of a partition column that is computed",
          advice: "rename or leave out the column")
      }
    }
    if feed.recordKey != nil, feed.schema[RecordKey.columnName] != nil {
      throw Problem(
        .failed, at: [feed.file, "column \"\(RecordKey.columnName)\""],
        "has the name of the key, which is computed from \(list(keyNames))", advice: "rename or leave out the column")
    }
    // A feed without rows has no columns that could be missing.
    for name in keyNames where feed.rowCount > 0 && feed.schema[name] == nil {
      throw Problem(
        .failed, at: [feed.file], "lacks the column \"\(name)\", which is part of the key",
        advice: "the feed's columns are \(feed.schema.fields.map(\.name).joined(separator: ", "))")
    }
    switch pattern {
    case .append: break
    case .insert(let newestBy):
      try checkKeyIsGiven()
      try checkColumn(newestBy, option: "--newest-by", isBoolean: false)
    case .merge(let deleteWhen, let newestBy):
      try checkKeyIsGiven()
      try checkColumn(deleteWhen, option: "--delete-when", isBoolean: true)
      try checkColumn(newestBy, option: "--newest-by", isBoolean: false)
    case .overwrite(.table, _): break
    case .overwrite(.partitionsOfFeed, _):
      if partitionBy.isEmpty {
        throw Problem(.usage, "--dynamic: the table has no partitions", advice: "overwrite it as a whole")
      }
    case .overwrite(.partitions(let declared), _):
      for name in declared.flatMap(\.keys) where !partitionBy.contains(where: { $0.name == name }) {
        throw Problem(
          .usage, at: ["--partition \(name)"], "the table is not partitioned by \"\(name)\"",
          advice: partitionBy.isEmpty
            ? "it has no partitions" : "its partition columns are \(list(partitionBy.map(\.name)))")
      }
    }
  }

  private func checkKeyIsGiven() throws {
    guard key.isEmpty else { return }
    throw Problem(.usage, "\(pattern.name) needs a key", advice: "name its columns with --key")
  }

  private func checkColumn(_ name: String?, option: String, isBoolean: Bool) throws {
    guard let name, feed.rowCount > 0 else { return }
    guard let field = feed.schema[name] else {
      throw Problem(
        .failed, at: [feed.file], "lacks the column \"\(name)\" of \(option)",
        advice: "the feed's columns are \(feed.schema.fields.map(\.name).joined(separator: ", "))")
    }
    if isBoolean, field.type != .boolean {
      throw Problem(
        .failed, at: [feed.file, "column \"\(name)\""], "is \(field.type.name), and \(option) needs a boolean",
        advice: "declare its type in a schema file")
    }
  }
}

extension PartitionPlan: CustomStringConvertible {
  package var description: String { lines.joined(separator: "\n") }

  /// What a dry run prints.
  package var lines: [String] {
    var lines = [
      "read: the feed \(feed.file), \(count(feed.rowCount, "row")) of \(count(feed.schema.fields.count, "column"))"
    ]
    let partitions = Set(base.files.compactMap { layout.key($0.partition) }).count
    let files = partitionBy.isEmpty ? "" : " in \(count(partitions, "partition"))"
    switch pattern {
    case .append where key.isEmpty: break
    case .overwrite where key.isEmpty: break
    default:
      lines.append(
        "read: the key (\(keyNames.joined(separator: ", "))) of \(count(base.files.count, "live file"))\(files)")
    }
    lines.append("compute: \(computation)")
    for column in widenedColumns {
      lines.append("compute: \(column.name) \(column.from.name) as \(column.to.name), in every file that has it")
    }
    for field in schema.fields where base.schema[field.name] == nil && !base.schema.fields.isEmpty {
      lines.append("compute: new column \(field.name) \(field.type.name)")
    }
    let order =
      switch pattern {
      case .append, .overwrite: "in feed order"
      case .insert, .merge: "sorted by key"
      }
    let place =
      partitionBy.isEmpty ? "one partition" : "partitions by \(partitionBy.map(\.text).joined(separator: ", "))"
    lines.append("write: \(place), \(order)")
    return lines
  }

  private var computation: String {
    let named = key.isEmpty ? "" : " by key (\(keyNames.joined(separator: ", ")))"
    switch pattern {
    case .append: return key.isEmpty ? "append" : "append\(named), none of which may be there"
    case .insert: return "insert\(named) what is not there"
    case .overwrite(.table, _): return "overwrite the table"
    case .overwrite(.partitionsOfFeed(let max), _): return "overwrite the feed's partitions, \(max) at most"
    case .overwrite(.partitions(let declared), _):
      let texts = declared.map { spec in
        spec.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value ?? "null")" }.joined(separator: "/")
      }
      return "overwrite the partitions \(list(texts))"
    case .merge(let deleteWhen, let newestBy):
      var text = "merge\(named)"
      if let deleteWhen { text += ", deleting where \(deleteWhen) is true" }
      if let newestBy { text += ", the newest by \(newestBy)" }
      return text + (absentIsNull ? ", absent columns become null" : ", absent columns keep their value")
    }
  }

  private func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
