import Faults
import Foundation
import Testing

/// The storage calls of the real `varve ingest`, in each mode, replayed in a file system that keeps only what was synced.
///
/// A program that is killed leaves its page cache behind, so killing it shows nothing of this.
@Suite struct SyncOrderTests {
  private struct Step {
    var rows: String
    var options: [String]

    init(_ rows: String, _ options: String...) {
      self.rows = rows
      self.options = options
    }
  }

  private static let plain = Step(#"[{"id":1,"m":"DE","v":1},{"id":2,"m":"AT","v":2}]"#)
  private static let keyed = Step(plain.rows, "--key", "id")
  private static let parted = Step(plain.rows, "--key", "id", "--partition-by", "m")
  private static let more = #"[{"id":2,"m":"DE","v":20},{"id":3,"m":"CH","v":3}]"#

  private static func execution(_ number: Int, value: Int = 0) -> Step {
    Step(
      #"[{"id":\#(number),"m":"DE","v":\#(value)},{"id":9,"m":"AT","v":\#(number)}]"#, "--key", "id", "--partition-by",
      "m", "--mode", "stateful-merge", "--execution", "\(number)")
  }

  private static let scenarios: [(before: [Step], step: Step)] = [
    ([], plain), ([], parted),
    ([plain], Step(more)),
    ([parted], Step(#"[{"id":7,"m":"DE"},{"id":8,"m":"FR"}]"#)),
    ([plain], Step(#"[{"id":3,"v":0.5,"new":true}]"#)),
    ([plain], Step(more, "--mode", "overwrite")),
    ([parted], Step(#"[{"id":9,"m":"DE"}]"#, "--mode", "overwrite", "--partition", "m=DE")),
    ([keyed], Step(more, "--mode", "merge")),
    ([parted], Step(more, "--mode", "merge")),
    ([parted], Step(#"[{"id":1,"v":0.5}]"#, "--mode", "merge")),
    ([execution(1), execution(2)], execution(3)),
    // Three versions as one decision.
    ([execution(1), execution(2), execution(3)], execution(1, value: 7)),
    ([], Step("[" + (0..<40).map { #"{"m":"\#($0)"}"# }.joined(separator: ",") + "]", "--partition-by", "m")),
  ]

  private func run(_ warehouse: URL, _ step: Step) throws -> FaultRun.Outcome {
    let feed = warehouse.deletingLastPathComponent().appendingPathComponent("feed.json")
    try Data(step.rows.utf8).write(to: feed)
    let outcome = try FaultRun(under: warehouse.path).run(
      builtExecutable("varve"), ["--warehouse", warehouse.path, "ingest", feed.path, "--into", "t"] + step.options)
    try #require(outcome.exitCode == 0, "\(outcome.errors)")
    return outcome
  }

  @Test(arguments: scenarios.indices)
  func `what an ingest promises is synced before the promise, and no sync before it is in vain`(_ number: Int) throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("varve-\(UUID().uuidString)")
    let warehouse = directory.appendingPathComponent("warehouse")
    try FileManager.default.createDirectory(at: warehouse, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    for step in Self.scenarios[number].before { _ = try run(warehouse, step) }
    let calls = try run(warehouse, Self.scenarios[number].step).calls

    let table = warehouse.resolvingSymlinksInPath().path + "/t"
    #expect(SyncOrder.violations(of: calls, table: table) == [])

    // The control: a program that left out any one of these syncs would be found out.
    let record = try #require(calls.lastIndex { $0.name == "link" && $0.newPath?.hasSuffix(".json") == true })
    let isSync = { (call: StorageCall) in
      // The ledger's are its own matter.
      (call.name == "fsync" || call.name == "syncfs") && call.path.hasPrefix(table)
    }
    let logSync = try #require(calls[record...].firstIndex { isSync($0) && $0.path.hasSuffix("/_delta_log") })
    let syncs = calls[...logSync].indices.filter { isSync(calls[$0]) }
    #expect(!SyncOrder.violations(of: calls.filter { !isSync($0) }, table: table).isEmpty)
    guard !calls.contains(where: { $0.name == "syncfs" }) else {
      // One for all partitions: the single syncs beside it are covered by it.
      #expect(!SyncOrder.violations(of: calls.filter { $0.name != "syncfs" }, table: table).isEmpty)
      return
    }
    #expect(syncs.count >= 6)
    // The steps of a decision sync some directories once more.
    if calls.contains(where: { $0.name == "link" && $0.newPath?.contains("/_transactions/") == true }) { return }
    for index in syncs {
      // A part that was staged and then written anew, wider, has no place to get.
      let directory = calls[index].path.split(separator: "/").dropLast().joined(separator: "/")
      let isPart = calls[index].path.hasSuffix(".draft")
      if isPart, !calls.contains(where: { $0.name == "rename" && $0.path == "/" + directory }) { continue }
      var without = calls
      without.remove(at: index)
      #expect(!SyncOrder.violations(of: without, table: table).isEmpty, "without call \(index): \(calls[index])")
    }
  }
}
