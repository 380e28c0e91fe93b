import Foundation
import Testing
import Varve

@Suite struct ExportTests {
  private func filled(rows: Int) throws -> TemporaryWarehouse {
    let here = try TemporaryWarehouse()
    let lines = (1...rows).map { "S\($0),\($0),2024-01-0\($0 % 9 + 1)" }
    try here.ingest("1.csv", "sku,number,day\n" + lines.joined(separator: "\n") + "\n") { $0.key = ["sku"] }
    return here
  }

  @Test func `a full worksheet is followed by another with the same header`() throws {
    let here = try filled(rows: 10)
    var request = ExportRequest(.table("t"), to: here.directory + "/t.xlsx")
    request.rowsPerSheetMax = 4
    let report = try here.warehouse.export(request)
    #expect(report.sheets == ["t", "t (2)", "t (3)", "t (4)"] && report.rowCount == 10)
    #expect(report.remarks == ["a worksheet was full: there are 4"])
    var feed = FeedRequest(path: request.path)
    feed.sheet = "all"
    _ = try here.warehouse.ingest(IngestRequest([feed], into: "again"))
    #expect(try here.rows("SELECT sku, number, day FROM again") == here.rows("SELECT sku, number, day FROM t"))
  }

  @Test func `equal rows make equal bytes`() throws {
    let here = try filled(rows: 500)
    for format in ExportFormat.allCases {
      var files: [Data] = []
      for name in ["a", "b"] {
        let request = ExportRequest(.table("t@1"), to: here.directory + "/\(name).\(format.rawValue)")
        let report = try here.warehouse.export(request)
        files.append(try Data(contentsOf: URL(fileURLWithPath: request.path)))
        #expect(report.byteCount == files.last?.count && report.version == 1 && report.format == format)
      }
      #expect(files[0] == files[1])
    }
  }

  @Test func `a null alone in a line of CSV is refused, since readers pass over empty lines`() throws {
    let here = try filled(rows: 1)
    let path = here.directory + "/null.csv"
    let found = try problem { _ = try here.warehouse.export(ExportRequest(.query("SELECT NULL AS a"), to: path)) }
    #expect(found.description.contains("empty line"))
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test func `what is in the way of the file is told`() throws {
    let here = try filled(rows: 1)
    func refusal(_ path: String) throws -> Problem {
      try problem { _ = try here.warehouse.export(ExportRequest(.table("t"), to: path)) }
    }
    #expect(try refusal(here.directory + "/nowhere/t.csv").description.contains("directory is not there"))
    try FileManager.default.createDirectory(atPath: here.directory + "/t.csv", withIntermediateDirectories: false)
    #expect(try refusal(here.directory + "/t.csv").kind == .refused)
    #expect(try refusal(here.directory + "/t").kind == .usage)
  }
}
