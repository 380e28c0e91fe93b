internal import VarveJSON
package import VarveTables

/// Rows that were laid aside, on their way into `_varve/quarantine/`: one line of JSON each, in staging until the commit.
///
/// A line: `{"cells": {HEADER: {"kind": …, "text": …}}, "file": …, "position": 7, "rejections": [{"column": …, "raw": …,
/// "reason": …}], "sheet": …, "unit": "row"}`. Cells are as the feed had them, so that the row can be replayed once the
/// schema is mended.
package final class QuarantineDraft {
  private let staging: StagingArea
  private var file: ScratchFile?
  package private(set) var rowCount = 0
  /// The rows' places in their feeds, as long as somebody wants to know.
  package private(set) var positions: Set<Int> = []

  init(_ staging: StagingArea) { self.staging = staging }

  /// All lines, for the commit to keep.
  package func lines() throws -> [UInt8] { try file.map { try $0.read(at: 0, count: $0.byteCount) } ?? [] }

  /// Writes the rows, durably, to where the commit that follows will name them. Nil where there are none.
  package func keep(_ storage: Storage, ingestion: String) throws -> ManifestReference? {
    guard rowCount > 0 else { return nil }
    let bytes = try lines()
    let path = Layout.quarantine(ingestion, staging.transaction)
    let draft = Layout.stagedQuarantine(staging.transaction)
    try storage.makeDurableDirectories(Layout.quarantine)
    try storage.removeIfPresent(draft)
    try storage.write(draft, bytes)
    // An earlier try of the same commit may have kept it.
    try storage.removeIfPresent(path)
    _ = try storage.rename(draft, to: path)
    try storage.sync(Layout.quarantine)
    return ManifestReference(path: path, sha256: Digest.sha256(bytes))
  }

  /// Takes back what `keep` wrote, where the commit did not come about.
  package func discard(_ storage: Storage, ingestion: String) throws {
    if rowCount > 0 { try storage.removeIfPresent(Layout.quarantine(ingestion, staging.transaction)) }
  }

  func add(_ raw: RawBatch, rows: [Int], rejections typed: [TypedColumn]) throws {
    var byRow: [Int: [Rejection]] = [:]
    for column in typed {
      for (row, rejection) in zip(column.rejectedRows, column.rejections) { byRow[row, default: []].append(rejection) }
    }
    for row in rows {
      try add(raw.columns.map { ($0.name, $0, row) }, origin: raw.origins[row], byRow[row] ?? [])
    }
  }

  /// `cells`: per column its header, and where its cell is.
  func add(_ cells: [(header: String, column: RawColumn, row: Int)], origin: Origin, _ rejections: [Rejection]) throws {
    let file = try self.file ?? staging.createScratch()
    self.file = file
    var object = JSONObject()
    for (header, column, row) in cells where column.kinds[row] != .absent {
      let text = String(decoding: column.bytes[column.range(row)], as: UTF8.self)
      object[header] = ["kind": .string(column.kinds[row].name), "text": .string(text)]
    }
    let line: JSONValue = [
      "cells": .object(object), "file": .string(origin.file), "position": JSONValue(origin.position),
      "rejections": .array(
        rejections.map {
          [
            "column": .string($0.column), "raw": .string($0.raw), "reason": .string($0.reason),
            "rule": .string($0.rule),
          ]
        }),
      "sheet": origin.sheet.map(JSONValue.string) ?? .null, "unit": .string(origin.unit.rawValue),
    ]
    try file.append(Array((line.text() + "\n").utf8))
    positions.insert(origin.position)
    rowCount += 1
  }
}

extension RawKind {
  package init?(name: String) {
    guard
      let kind = (0...RawKind.json.rawValue).lazy.compactMap(RawKind.init(rawValue:)).first(where: { $0.name == name })
    else { return nil }
    self = kind
  }

  /// As the lines of a quarantine spell it.
  package var name: String {
    switch self {
    case .absent: "absent"
    case .null: "null"
    case .untyped: "untyped"
    case .text: "text"
    case .number: "number"
    case .boolean: "boolean"
    case .date: "date"
    case .dateTime: "date-time"
    case .time: "time"
    case .duration: "duration"
    case .error: "error"
    case .json: "json"
    }
  }
}
