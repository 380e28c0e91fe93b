import Foundation
import Synchronization
import Testing
import Varve
import VarveTables

/// Queries through the public face: over tables that feeds made, at any version, as readers see them.
@Suite struct QueryTests {
  /// A warehouse of three versions: 2024-10-05T…, 2024-10-06T…, 2024-10-07T… of one product list.
  final class Shop {
    let directory: URL
    let now = Mutex<Int64>(1_728_136_800_000)  // 2024-10-05T14:00:00Z

    init() throws {
      directory = FileManager.default.temporaryDirectory.appendingPathComponent("varve-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
      for (day, lines) in [
        [
          #"{"sku": "a", "name": "Milk", "price": 1.29, "stock": {"de": 3}, "active": true}"#,
          #"{"sku": "b", "name": "Käse \"alt\"", "price": 9.99, "stock": {"de": 0, "ch": 7}, "active": false}"#,
          #"{"sku": "c", "name": "茶", "price": 12345678901234567.25, "stock": null, "active": true}"#,
        ],
        [#"{"sku": "a", "price": 1.49}"#], [#"{"sku": "d", "name": "Brot", "price": 3, "active": true}"#],
      ].enumerated() {
        let path = directory.appendingPathComponent("day \(day).ndjson").path
        try lines.map { $0 + "\n" }.joined().write(toFile: path, atomically: true, encoding: .utf8)
        var feed = FeedRequest(path: path)
        feed.format = .ndjson
        var request = IngestRequest([feed], into: "products")
        request.mode = .merge
        request.key = ["sku"]
        let milliseconds = now.withLock { now in
          defer { now += 86_400_000 }
          return now
        }
        let warehouse = Warehouse(
          at: directory.path + "/warehouse",
          surroundings: .rehearsed(startingAt: milliseconds, seed: UInt64(day)))
        #expect(try warehouse.ingest(request).version == day + 1)
      }
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    var warehouse: Warehouse { Warehouse(at: directory.path + "/warehouse") }

    func texts(_ sql: String) throws -> [[String?]] {
      let result = try warehouse.query(sql)
      var rows: [[String?]] = []
      while let row = try result.next() { rows.append(row.map(\.text)) }
      return rows
    }
  }

  @Test func `each spelling of a version reads that version`() throws {
    let shop = try Shop()
    func count(_ version: String) throws -> [[String?]] {
      try shop.texts("SELECT count(*), min(price) FROM \"products\(version)\"")
    }
    let first: [[String?]] = [["3", "1.29"]]
    let second: [[String?]] = [["3", "1.49"]]
    let third: [[String?]] = [["4", "1.49"]]
    #expect(try count("") == third)
    for (version, expected) in [
      ("@1", first), ("@2", second), ("@3", third), ("@2024-10-06", first), ("@2024-10-07", second),
      ("@2024-10-08", third), ("@2024-10-06T13:59:59.999Z", first), ("@2024-10-06T16:00:01+02:00", second),
      ("@2024-10-07T14:00:01", third),
    ] {
      #expect(try count(version) == expected, "products\(version)")
    }
  }

  @Test func `versions are joined, and nothing is rounded`() throws {
    let shop = try Shop()
    #expect(
      try shop.texts(
        """
        SELECT n.sku, o.price, n.price FROM products n LEFT JOIN "products@1" o USING (sku)
        WHERE o.price IS NULL OR o.price <> n.price ORDER BY 1
        """) == [["a", "1.29", "1.49"], ["d", nil, "3.00"]])
    #expect(try shop.texts("SELECT price FROM products WHERE sku = 'c'") == [["12345678901234567.25"]])
    #expect(try shop.texts("SELECT sku FROM products ORDER BY price DESC").map { $0[0] } == ["c", "b", "d", "a"])
    #expect(try shop.texts("SELECT decimal_sum(price) FROM products") == [["12345678901234581.73"]])
    #expect(try shop.texts("SELECT sku, stock ->> 'ch' FROM products WHERE stock ->> 'ch' > 5") == [["b", "7"]])
    #expect(try shop.texts("SELECT sku FROM products WHERE active AND name = '茶'") == [["c"]])
    let columns = try shop.warehouse.query("SELECT active, count(*) AS n FROM products GROUP BY 1").columns
    #expect(columns.map(\.name) == ["active", "n"] && columns.map(\.type) == [.boolean, nil])
  }

  @Test(arguments: [
    ("SELECT * FROM prodcts", "SQL: there is no table \"prodcts\"; did you mean \"products\"?"),
    ("SELECT * FROM \"products@9\"", "products: there is no version 9; the newest is 3"),
    (
      "SELECT * FROM \"products@2024-10-01\"",
      "products: is younger than 2024-10-01T00:00:00Z; see varve history products"
    ),
    ("SELECT * FROM \"products@tag:x\"", "products: there is no tag \"x\"; name a version or a time"),
    ("SELECT prise FROM products", "SQL, character 8: there is no column \"prise\"; did you mean \"price\"?"),
  ])
  func `what a query gets wrong is told in one sentence`(sql: String, sentence: String) throws {
    let shop = try Shop()
    let problem = #expect(throws: Problem.self) { try shop.warehouse.query(sql) }
    #expect(problem?.description == sentence && problem?.kind == .failed)
  }

  @Test func `an explanation names version, columns and files`() throws {
    let shop = try Shop()
    let plans = try shop.warehouse.explain("SELECT name FROM \"products@1\" WHERE sku > 'x'")
    #expect(plans.map(\.table) == ["products@1"])
    let text = plans[0].lines.joined(separator: "\n")
    #expect(text.contains("version: 1") && text.contains("columns: sku, name") && text.contains("files: 0 of 1 read"))
  }

  @Test func `a query reads only, and makes no warehouse`() throws {
    let shop = try Shop()
    let before = try FileManager.default.subpathsOfDirectory(atPath: shop.warehouse.path).sorted()
    _ = try shop.texts("SELECT * FROM products ORDER BY price")
    #expect(throws: Problem.self) { try shop.warehouse.query("DELETE FROM products") }
    #expect(try FileManager.default.subpathsOfDirectory(atPath: shop.warehouse.path).sorted() == before)
    let nowhere = Warehouse(at: shop.directory.path + "/nowhere")
    #expect(throws: Problem.self) { try nowhere.query("SELECT * FROM products") }
    #expect(!FileManager.default.fileExists(atPath: nowhere.path))
  }

  @Test func `limits cut and stop`() throws {
    let shop = try Shop()
    let result = try shop.warehouse.query("SELECT sku FROM products", limits: QueryLimits(rowsMax: 2))
    #expect(try result.next() != nil)
    #expect(try result.next() != nil)
    #expect(try result.next() == nil && result.isCut)
    let stopped = #expect(throws: Problem.self) {
      let limits = QueryLimits(isInterrupted: { true })
      let result = try shop.warehouse.query("SELECT a.sku FROM products a, products b, products c", limits: limits)
      while try result.next() != nil {}
    }
    #expect(stopped?.kind == .interrupted)
  }
}
