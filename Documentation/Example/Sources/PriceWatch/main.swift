// Embeds Varve: price lists become versions of a table, cleaned on their way in; then what changed from one to the next
// is told, and what a price was at any time. Run it with the directory of the warehouse and the price lists, oldest first.
import Glibc
import Varve

guard CommandLine.arguments.count > 2 else {
  print("usage: PriceWatch WAREHOUSE FEED…")
  exit(2)
}
let warehouse = Warehouse(at: CommandLine.arguments[1])

/// Articles without a number are left out, and currencies are spelled in one way. Name and version stand for the closure
/// in the table's history: the same feed is taken once, unless the closure is another.
let cleaned = FeedTransform("clean price lists", version: "1") { row in
  guard let sku = row["sku"], sku != .null else { return [] }
  var row = row
  if case .text(let currency)? = row["currency"] { row["currency"] = .text(currency.uppercased()) }
  return [row]
}

do {
  for path in CommandLine.arguments.dropFirst(2) {
    var request = IngestRequest([FeedRequest(path: path)], into: "prices")
    request.mode = .merge
    request.key = ["sku"]
    request.transform = cleaned
    let report = try warehouse.ingest(request)
    print("\(path): \(report.outcome.rawValue), version \(report.version ?? 0)")
  }

  // The newest two versions, side by side.
  let versions = try warehouse.history("prices", limit: 2).map(\.version)
  if let new = versions.first, let old = versions.dropFirst().first {
    let difference = try warehouse.diff("prices@\(old)", "prices@\(new)")
    let sku = difference.schema.index(of: "sku") ?? 0
    while let change = try difference.next() {
      let row = change.after ?? change.before ?? []
      print("\(change.kind.rawValue) \(row[sku].text ?? "")")
    }
  }

  // Every state of every price, computed from the versions.
  let states = try warehouse.query(
    "SELECT sku, price, currency, _from_version, _to_version FROM [prices@history] ORDER BY sku, _from_version")
  while let row = try states.next() { print(row.map { $0.text ?? "now" }.joined(separator: " ")) }

  // The first version is still there, word for word.
  let report = try warehouse.export(ExportRequest(.table("prices@1"), to: CommandLine.arguments[1] + "/first.csv"))
  print("\(report.rowCount) rows of version \(report.version ?? 0) in first.csv")
} catch let problem as Problem {
  print(problem)
  exit(1)
}
