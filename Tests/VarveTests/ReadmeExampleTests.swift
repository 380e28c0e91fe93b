import Foundation
import Testing
import Varve

/// The README's example, word for word (`RepositoryTests` compares it).
@Suite struct ReadmeExampleTests {
  @Test func `the example of the README does what it says`() throws {
    let place = NSTemporaryDirectory() + "varve-readme-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: place) }
    let directory = place + "/Warehouse"
    let feed = place + "/products.ndjson"
    try "{\"sku\": \"T-1001\", \"price\": 6.9}\n".write(toFile: feed, atomically: true, encoding: .utf8)

    let warehouse = Warehouse(at: directory)
    var request = IngestRequest([FeedRequest(path: feed)], into: "products")
    request.key = ["sku"]
    let report = try warehouse.ingest(request)
    print(report.version ?? 0, report.rows.inserted)
    let result = try warehouse.query("SELECT count(*) FROM \"products@1\"")
    while let row = try result.next() { print(row) }

    #expect(report.version == 1 && report.rows.inserted == 1)
    let again = try warehouse.query("SELECT sku, price FROM products")
    #expect(try again.next() == [.text("T-1001"), .double(6.9)])
    #expect(try again.next() == nil)
  }
}
