package import VarveLake
internal import VarveTables

/// A directory of tables: where feeds become versions, and versions are read.
///
/// ```swift
/// let warehouse = Warehouse(at: "Warehouse")
/// let report = try warehouse.ingest(IngestRequest([FeedRequest(path: "products.xlsx")], into: "products"))
/// let result = try warehouse.query("SELECT market, count(*) FROM products GROUP BY market")
/// while let row = try result.next() { print(row) }
/// ```
///
/// Reading writes nothing and waits for no writer. Any number of processes may read and write at once. The library prints
/// nothing and starts no more threads than `threads`, besides one that reads a feed ahead and one that digests it.
public final class Warehouse: Sendable {
  /// The directory. It need not exist before the first ingestion; its parent must.
  public let path: String
  package let surroundings: Surroundings
  let threads: Int

  /// The warehouse in that directory, which need not be there yet.
  public init(at path: String, surroundings: Surroundings = .system, threads: Int = Warehouse.processorCount) {
    precondition(threads > 0, "a warehouse works with at least one thread")
    self.path = path
    self.surroundings = surroundings
    self.threads = threads
  }

  package var limits: EngineLimits { EngineLimits(parallelism: threads) }

  var committer: Committer {
    Committer(clock: surroundings.clock, random: surroundings.random, writer: "Varve/\(Varve.version)")
  }

  /// What is there; nil where the directory is missing.
  package func lake() throws -> VarveLake.Warehouse? { try VarveLake.Warehouse.open(path) }

  /// The directory, made where it is missing, and decisions of dead writers carried out: before anything is written.
  func writable() throws -> VarveLake.Warehouse {
    let lake = try VarveLake.Warehouse.create(path)
    try committer.carryOutPending(in: lake)
    return lake
  }

  /// A table that is there, to be changed: decisions of dead writers are carried out before.
  func tableToChange(_ name: String) throws -> Table {
    if let lake = try lake() { try committer.carryOutPending(in: lake) }
    return try table(name)
  }

  /// A table that is there.
  package func table(_ name: String) throws -> Table {
    if let table = try lake()?.table(name) { return table }
    let names = try lake()?.tableNames() ?? []
    let advice =
      nearest(to: name, among: names).map { "did you mean \"\($0)\"?" }
      ?? (names.isEmpty ? "ingest a feed into it first" : "the tables are \(names.joined(separator: ", "))")
    throw Problem(.failed, "there is no table \"\(name)\" in \(path)", advice: advice)
  }
}

/// This library.
public enum Varve {
  /// The version of the library.
  public static let version = "0.1.0"
}
