internal import Varve
internal import VarveDelivery
internal import VarveJSON

/// The rows of a version as lines.
final class RowLines {
  private let records: VersionRecords
  private var left: Int

  init(_ records: VersionRecords, limit: Int) {
    self.records = records
    left = limit
  }

  func next() throws -> [UInt8]? {
    guard left > 0, let batch = try records.next() else { return nil }
    var lines: [UInt8] = []
    lines.reserveCapacity(batch.bytes.count + batch.count)
    var start = 0
    for end in batch.ends.prefix(left) {
      lines += batch.bytes[start..<end]
      lines.append(UInt8(ascii: "\n"))
      start = end
    }
    left -= min(left, batch.count)
    return lines
  }
}

/// What differs, as lines.
final class ChangeLines {
  private let difference: Difference
  private let names: [String]
  private static let changesPerPiece = 500

  init(_ difference: Difference) {
    self.difference = difference
    names = difference.schema.fields.map(\.name)
  }

  func next() throws -> [UInt8]? {
    var lines: [UInt8] = []
    for _ in 0..<ChangeLines.changesPerPiece {
      guard let change = try difference.next() else { break }
      let row = change.after ?? change.before ?? []
      var line: JSONObject = ["change": .string(change.kind.rawValue)]
      line["row"] = .object(JSONObject(zip(names, row).map { ($0, $1.jsonValue) }))
      if let before = change.before, change.after != nil {
        line["before"] = .object(JSONObject(change.changedColumns.map { (names[$0], before[$0].jsonValue) }))
      }
      JSONValue.object(line).write(to: &lines)
      lines.append(UInt8(ascii: "\n"))
    }
    return lines.isEmpty ? nil : lines
  }
}
