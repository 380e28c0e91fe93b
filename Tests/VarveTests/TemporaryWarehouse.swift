import Foundation
import Testing
import Varve

/// A warehouse in a directory of its own, gone when the test is over, and the feeds that are put beside it.
final class TemporaryWarehouse {
  let directory: String
  let warehouse: Warehouse

  init(threads: Int = 2) throws {
    directory = NSTemporaryDirectory() + "varve-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    warehouse = Warehouse(
      at: directory + "/warehouse",
      surroundings: .rehearsed(startingAt: 1_700_000_000_000, seed: 7), threads: threads)
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  func feed(_ name: String, _ text: String) throws -> FeedRequest {
    let path = directory + "/" + name
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return FeedRequest(path: path)
  }

  @discardableResult
  func ingest(
    _ name: String, _ text: String, into table: String = "t", _ change: (inout IngestRequest) -> Void = { _ in }
  ) throws -> IngestReport {
    var request = IngestRequest([try feed(name, text)], into: table)
    change(&request)
    return try warehouse.ingest(request)
  }

  /// Rows as text, columns by `|`, null as `∅`.
  func rows(_ sql: String) throws -> [String] {
    let result = try warehouse.query(sql)
    var rows: [String] = []
    while let row = try result.next() { rows.append(row.map { $0.text ?? "∅" }.joined(separator: "|")) }
    return rows
  }

  func types(_ table: String = "t") throws -> [String] {
    try warehouse.describe(table).schema.fields.map { "\($0.name) \($0.type.name)" }
  }

  /// Every file of the warehouse, by its path.
  func files() -> [String] {
    FileManager.default.enumerator(atPath: directory + "/warehouse")?.compactMap { $0 as? String }.sorted() ?? []
  }
}

func problem(_ body: () throws -> Void) throws -> Problem {
  do {
    try body()
  } catch let problem as Problem {
    return problem
  }
  Issue.record("nothing went wrong")
  return Problem(.failed, "nothing")
}
