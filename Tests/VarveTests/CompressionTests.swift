import Foundation
import Testing
import Varve

/// The level of compression, from a feed's option or the warehouse's settings into every file of the table.
@Suite struct CompressionTests {
  private static let feed = "n,name,market\n" + (0..<20_000).map { "\($0),name \($0 * 7919 % 1009),DE\n" }.joined()

  private func settings(_ here: TemporaryWarehouse, _ text: String) throws {
    try FileManager.default.createDirectory(
      atPath: here.directory + "/warehouse", withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: here.directory + "/warehouse/varve.json"))
  }

  private func bytes(_ here: TemporaryWarehouse, _ table: String) throws -> Int {
    try here.warehouse.describe(table).byteCount
  }

  @Test func `a table remembers its level, and its files shrink with it, in every mode`() throws {
    let here = try TemporaryWarehouse()
    for (level, table) in [(1, "fast"), (19, "small")] {
      for (mode, key) in [(IngestMode.append, []), (.merge, ["n"])] {
        try here.ingest("f.csv", Self.feed, into: "\(table)_\(mode.rawValue)") {
          $0.zstdLevel = level
          $0.mode = mode
          $0.key = key
        }
      }
    }
    #expect(try bytes(here, "small_append") < bytes(here, "fast_append"))
    #expect(try bytes(here, "small_merge") < bytes(here, "fast_merge"))
    #expect(try here.warehouse.describe("small_merge").zstdLevel == 19)
    // A later feed says nothing, and is written at the level of the table.
    let before = (try bytes(here, "small_append"), try bytes(here, "fast_append"))
    try here.ingest("f.csv", Self.feed, into: "small_append") { $0.reingest = true }
    try here.ingest("f.csv", Self.feed, into: "fast_append") { $0.reingest = true }
    #expect(try bytes(here, "small_append") == 2 * before.0 && bytes(here, "fast_append") == 2 * before.1)
    #expect(
      try here.rows("SELECT count(*), sum(n) FROM small_append")
        == here.rows("SELECT count(*), sum(n) FROM fast_append"))
  }

  @Test func `what tables remember that are made from now on stands in the settings`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("f.csv", Self.feed, into: "before")
    try settings(here, #"{"tables": {"zstd_level": 19}}"#)
    try here.ingest("f.csv", Self.feed, into: "after")
    #expect(try here.warehouse.describe("before").zstdLevel == 3 && here.warehouse.describe("after").zstdLevel == 19)
    #expect(try bytes(here, "after") < bytes(here, "before"))
  }

  @Test(arguments: [
    #"{"tables": {"zstd_level": 23}}"#, #"{"tables": {"zstd_level": "high"}}"#, #"{"tables": {"zstd": 3}}"#,
    #"{"tables": 3}"#, #"{"tables": "#,
  ])
  func `settings that make no sense are told, and nothing is made`(_ text: String) throws {
    let here = try TemporaryWarehouse()
    try settings(here, text)
    #expect(try problem { try here.ingest("f.csv", "n\n1\n") }.place.first == "varve.json")
    #expect(here.files().allSatisfy { !$0.hasPrefix("t") })
    #expect(try problem { try here.ingest("f.csv", "n\n1\n") { $0.zstdLevel = 0 } }.kind != .damaged)
  }
}
