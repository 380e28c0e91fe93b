import Glibc
import VarveLake
import VarveParquet
import VarveTables

// Commits to a table called `products`, for tests that watch, stop or disturb a program while it commits.
//
//   lake-rehearsal WAREHOUSE append COUNT [MARKET…]   COUNT commits, each of one file per market (DE and AT by default)
//   lake-rehearsal WAREHOUSE replace COUNT MARKET     COUNT commits that replace a market's files by one
//   lake-rehearsal WAREHOUSE hold COUNT               as append, but not published
//
// Prints the version of each commit, and exits as `varve` would.

let schema = Schema([Field("id", .int64), Field("market", .text), Field("name", .text)])

/// Three rows of one market, told apart by `seed`.
func part(_ market: String, seed: Int64) -> (bytes: [UInt8], statistics: FileStatistics) {
  let ids = (0..<3).map { seed * 3 + $0 }
  func texts(_ texts: [String]) -> ParquetLeafValues {
    var values = ByteValues()
    for text in texts {
      values.bytes += text.utf8
      values.ends.append(values.bytes.count)
    }
    return ParquetLeafValues(values: Column(.text, .bytes(values)), definitionLevels: [2, 2, 2].map { _ in 1 })
  }
  let names = ids.map { "Name of \($0) ä" }
  let bytes = parquetFile(
    schema.fields.map { .leaf($0.name, $0.type) }, rowCount: 3,
    leaves: [
      ParquetLeafValues(values: Column(.int64, .int64(ids)), definitionLevels: [1, 1, 1]),
      texts([market, market, market]), texts(names),
    ])
  let statistics = FileStatistics(
    rowCount: 3,
    columns: [
      "id": ColumnBounds(minimum: .int64(ids[0]), maximum: .int64(ids[2]), nullCount: 0),
      "market": ColumnBounds(minimum: .text(market), maximum: .text(market), nullCount: 0),
      "name": ColumnBounds(minimum: .text(names.min()!), maximum: .text(names.max()!), nullCount: 0),
    ])
  return (bytes, statistics)
}

func stage(_ area: StagingArea, _ markets: [String], on base: Snapshot?, replacing: Bool) throws -> StagedChange {
  let seed = (base?.version ?? 0) * 100
  var rows = RowCounts()
  let added = try markets.enumerated().map { index, market in
    let directory = try area.makePartition()
    let writer = try area.createPart(in: directory, number: 0)
    let (bytes, statistics) = part(market, seed: seed + Int64(index))
    try writer.write(bytes)
    rows.inserted += 3
    return StagedPartition(
      directory: directory, partition: [market], files: [try writer.finish(statistics: statistics)])
  }
  let removed = try replacing ? base?.files { markets.contains($0[0] ?? "") } ?? [] : []
  return StagedChange(
    added: added, removed: removed, schema: schema,
    reads: replacing ? .partitions(Set(markets.map { PartitionText([$0]) })) : .nothing, rows: rows)
}

func run(_ arguments: [String]) throws {
  let warehouse = try Warehouse.create(arguments[1])
  let markets = arguments.count > 4 ? Array(arguments[4...]) : ["DE", "AT"]
  let replacing = arguments[2] == "replace"
  let random = RandomSource.system
  let committer = Committer(writer: "Varve/rehearsal")
  for _ in 0..<(Int(arguments[3]) ?? 1) {
    let base = try warehouse.table("products")?.snapshot(at: .head)
    let table = try warehouse.prepare("products")
    let area = try StagingArea(table.storage, transaction: random.identifier())
    let change = try stage(area, markets, on: base, replacing: replacing)
    var bookkeeping = Bookkeeping(ingestion: random.identifier(), mode: arguments[2])
    bookkeeping.publishes = arguments[2] != "hold"
    let replan: @Sendable (Snapshot) throws -> StagedChange = {
      try stage(area, markets, on: $0, replacing: replacing)
    }
    let commit =
      if let base {
        Commit(change, to: table, base: base, staging: area, bookkeeping: bookkeeping, replan: replan)
      } else {
        Commit(
          change, creating: table,
          as: TableMetadata(
            id: random.uuid(), schema: schema, partitionColumns: ["market"],
            createdTime: WallClock.system.milliseconds()),
          staging: area, bookkeeping: bookkeeping, replan: replan)
      }
    let outcome = try committer.commit(commit)
    print(outcome.version)
    if case .committed(let committed) = outcome {
      for remark in committed.remarks { complain("remark: \(remark)") }
    }
  }
}

func complain(_ text: String) {
  let bytes = Array("\(text)\n".utf8)
  _ = write(2, bytes, bytes.count)
}

do {
  try run(CommandLine.arguments)
} catch let problem as Problem {
  complain("\(problem)")
  exit(problem.kind == .refused ? 3 : problem.kind == .damaged ? 4 : 1)
}
