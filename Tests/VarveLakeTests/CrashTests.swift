import Faults
import Foundation
import Given
import Testing
import VarveLake
import VarveTables

/// A program that commits is stopped or disturbed at each of its storage calls; the next command must work without help,
/// on the old version or the new one.
@Suite(.serialized) struct CrashTests {
  private let rehearsal = builtExecutable("LakeRehearsal")

  /// A warehouse in the state from which the program under test starts.
  private func warehouse(_ directory: TemporaryDirectory, _ preparations: [[String]]) throws -> String {
    let path = directory.path + "/base"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    for preparation in preparations {
      let outcome = try FaultRun(under: path).run(rehearsal, [path] + preparation)
      try #require(outcome.exitCode == 0, "\(outcome.errors)")
    }
    return path
  }

  /// What must hold of a table whatever happened to its writers. Returns its head, -1 where there is no table.
  private func check(_ warehouse: String, isQuiet: Bool) throws -> Int64 {
    guard let table = try Warehouse.open(warehouse)?.table("products") else { return -1 }
    let head = try table.snapshot(at: .head)
    var previous: String?
    var named = Set<String>()
    for version in 0...head.version {
      let entry = try table.log.entry(existing: version)
      #expect(entry.bookkeeping?.previousEntry == previous)
      previous = entry.sha256
      for reference in entry.bookkeeping?.manifests ?? [] {
        let manifest = try Manifest.read(reference, table.storage)
        for file in manifest.files {
          let bytes = try table.storage.read(Layout.join(Layout.parent(reference.path), file.path))
          #expect(try Digest.sha256(#require(bytes)) == file.sha256)
        }
        named.insert(Layout.parent(reference.path))
      }
      for file in try table.snapshot(at: .version(version)).files() { _ = try head.open(file) }
    }
    #expect(try table.snapshot().version <= head.version)
    guard isQuiet else { return head.version }
    // Nothing is left over once a writer has been here.
    #expect(try table.storage.list("_varve/staging") == [])
    for partition in try table.storage.list("") where partition.hasPrefix("market=") {
      for directory in try table.storage.list(partition) { #expect(named.contains("\(partition)/\(directory)")) }
    }
    let proxy = try #require(try Proxy.read(table.storage))
    #expect(proxy.mode == .held ? proxy.heldFor == proxy.version + 1 : proxy.version == head.version)
    if let unpublished = proxy.heldFor {
      #expect(try table.log.entry(unpublished)?.bookkeeping?.publishes == false)
    }
    let shown = try table.snapshot()
    var files = Set<String>()
    for (_, reference) in try proxy.index.manifests(table.storage) {
      files.formUnion(try Manifest.files(of: reference, table.storage).map(\.path))
    }
    #expect(files == Set(try shown.files().map(\.path)))
    return head.version
  }

  private static let scenarios: [(preparations: [[String]], command: [String], calls: ClosedRange<Int>)] = [
    ([], ["append", "1"], 40...200),
    ([["append", "2"]], ["append", "1", "DE", "FR"], 30...200),
    ([["append", "3"]], ["replace", "1", "DE"], 20...200),
    ([["append", "31"]], ["append", "1"], 40...250),
    ([["append", "2"]], ["hold", "1"], 30...200),
  ]

  @Test(arguments: scenarios.indices)
  func `killed at any storage call, a commit leaves the old version or the new one`(_ number: Int) throws {
    let scenario = CrashTests.scenarios[number]
    let directory = try TemporaryDirectory()
    let base = try warehouse(directory, scenario.preparations)
    let old = try check(base, isQuiet: true)
    let path = directory.path + "/trial"
    var seen = Set<Int64>()
    try FileManager.default.copyItem(atPath: base, toPath: path)
    let whole = try FaultRun(under: path).run(rehearsal, [path] + scenario.command)
    #expect(whole.exitCode == 0 && scenario.calls.contains(whole.calls.count), "\(whole.calls.count) calls")
    try FileManager.default.removeItem(atPath: path)
    for call in sample(whole.calls) {
      try FileManager.default.copyItem(atPath: base, toPath: path)
      defer { try? FileManager.default.removeItem(atPath: path) }
      let outcome = try FaultRun(under: path, killAt: call).run(rehearsal, [path] + scenario.command)
      let head = try check(path, isQuiet: false)
      let new = old < 0 ? 1 : old + 1
      #expect(head == old || head == new, "call \(call)")
      seen.insert(head)
      #expect(outcome.exitCode == nil)
      let next = try FaultRun(under: path).run(rehearsal, [path, "append", "1"])
      #expect(next.exitCode == 0 && next.errors == "", "call \(call): \(next.errors)")
      #expect(try check(path, isQuiet: true) == (head < 0 ? 1 : head + 1), "call \(call)")
    }
    #expect(seen == [old, old < 0 ? 1 : old + 1])
  }

  /// Which calls a sweep stops at: all of them under VARVE_PROOF, else those around the links, the first, the last, and
  /// some by chance. A seed that is printed gives the same ones again.
  private func sample(_ calls: [StorageCall]) -> [Int] {
    if ProcessInfo.processInfo.environment["VARVE_PROOF"] != nil { return Array(1...calls.count) }
    var random = Seed()
    var chosen: Set<Int> = [1, calls.count]
    for (index, call) in calls.enumerated() where call.name == "link" && call.newPath?.hasSuffix(".json") == true {
      chosen.formUnion([index + 1, index + 2])
    }
    for _ in 0..<8 { chosen.insert(Int.random(in: 1...calls.count, using: &random)) }
    return chosen.sorted()
  }

  /// A command, and the call at which it is killed: what it leaves is then repaired by a writer that dies too.
  private static let deaths: [(preparations: [[String]], command: [String], at: @Sendable (StorageCall) -> Bool)] = [
    ([["append", "2"]], ["append", "1"], { $0.name == "link" }),
    ([["append", "2"]], ["append", "1"], { $0.newPath?.hasSuffix("_proxy.json") == true }),
    ([], ["append", "1"], { $0.newPath?.hasSuffix("1.json") == true }),
    ([["append", "2"]], ["hold", "1"], { $0.name == "link" }),
  ]

  @Test(arguments: deaths.indices)
  func `a writer that dies while it repairs leaves no less than it found`(_ number: Int) throws {
    let death = CrashTests.deaths[number]
    let directory = try TemporaryDirectory()
    let base = try warehouse(directory, death.preparations)
    let path = directory.path + "/trial"
    try FileManager.default.copyItem(atPath: base, toPath: path)
    let whole = try FaultRun(under: path).run(rehearsal, [path] + death.command)
    let call = try #require(whole.calls.firstIndex(where: death.at)) + 1
    try FileManager.default.removeItem(atPath: path)
    #expect(try FaultRun(under: base, killAt: call).run(rehearsal, [base] + death.command).exitCode == nil)
    let old = try check(base, isQuiet: false)

    try FileManager.default.copyItem(atPath: base, toPath: path)
    let repairing = try FaultRun(under: path).run(rehearsal, [path, "append", "1"])
    #expect(repairing.exitCode == 0)
    try FileManager.default.removeItem(atPath: path)
    // Repairs come first, so they are among these.
    for call in sample(repairing.calls) {
      try FileManager.default.copyItem(atPath: base, toPath: path)
      defer { try? FileManager.default.removeItem(atPath: path) }
      _ = try FaultRun(under: path, killAt: call).run(rehearsal, [path, "append", "1"])
      let head = try check(path, isQuiet: false)
      #expect(head == old || head == max(old, 0) + 1, "call \(call)")
      let next = try FaultRun(under: path).run(rehearsal, [path, "append", "1"])
      #expect(next.exitCode == 0 && next.errors == "", "call \(call): \(next.errors)")
      #expect(try check(path, isQuiet: true) == max(head, 0) + 1, "call \(call)")
    }
  }

  @Test(arguments: ["EIO", "ENOSPC"])
  func `a storage call that fails leaves the old version or the new one, and says so`(_ error: String) throws {
    let directory = try TemporaryDirectory()
    let base = try warehouse(directory, [["append", "2"]])
    let path = directory.path + "/trial"
    try FileManager.default.copyItem(atPath: base, toPath: path)
    let whole = try FaultRun(under: path).run(rehearsal, [path, "append", "1", "DE", "FR"])
    try FileManager.default.removeItem(atPath: path)
    for call in sample(whole.calls) {
      try FileManager.default.copyItem(atPath: base, toPath: path)
      defer { try? FileManager.default.removeItem(atPath: path) }
      let fault = FaultRun(under: path, errorAt: call, error: error)
      let outcome = try fault.run(rehearsal, [path, "append", "1", "DE", "FR"])
      let head = try check(path, isQuiet: false)
      #expect(head == 2 || head == 3)
      // A failure is told unless a second look at the same thing put it right; success is never told of the old version.
      #expect(
        outcome.exitCode == 0
          ? head == 3
          : outcome.exitCode == 1 && outcome.errors.contains("cannot") || outcome.errors.contains("not known"),
        "call \(call): \(outcome.errors)")
      let next = try FaultRun(under: path).run(rehearsal, [path, "append", "1"])
      #expect(next.exitCode == 0 && next.errors == "", "call \(call): \(next.errors)")
      #expect(try check(path, isQuiet: true) == head + 1, "call \(call)")
    }
  }

  @Test func `a disk that stays full leaves the old version or the new one`() throws {
    let directory = try TemporaryDirectory()
    let base = try warehouse(directory, [["append", "2"]])
    let path = directory.path + "/trial"
    for call in stride(from: 1, through: 80, by: 9) {
      try FileManager.default.copyItem(atPath: base, toPath: path)
      defer { try? FileManager.default.removeItem(atPath: path) }
      let fault = FaultRun(under: path, errorAt: call, error: "ENOSPC", errorStays: true)
      let outcome = try fault.run(rehearsal, [path, "append", "1"])
      let head = try check(path, isQuiet: false)
      #expect(head == 2 || head == 3)
      #expect(outcome.exitCode != 0 || head == 3)
      let next = try FaultRun(under: path).run(rehearsal, [path, "append", "1"])
      #expect(next.exitCode == 0, "call \(call): \(next.errors)")
      #expect(try check(path, isQuiet: true) == head + 1, "call \(call)")
    }
  }

  @Test(arguments: [["append", "1"], ["append", "1", "DE", "FR"], ["replace", "1", "DE"]])
  func `what a commit promises is synced before the promise, and no sync before it is in vain`(
    _ command: [String]
  ) throws {
    let directory = try TemporaryDirectory()
    let path = try warehouse(directory, command.count == 2 ? [] : [["append", "2"]])
    let outcome = try FaultRun(under: path).run(rehearsal, [path] + command)
    #expect(outcome.exitCode == 0)
    let table = path + "/products"
    #expect(SyncOrder.violations(of: outcome.calls, table: table) == [])
    // The control: without any one of the syncs up to the log's own, a promise is broken.
    let calls = outcome.calls
    let record = try #require(
      calls.lastIndex { $0.name == "link" && $0.newPath?.hasSuffix(".json") == true })
    let lastSync = try #require(calls[record...].firstIndex { $0.name == "fsync" && $0.path.hasSuffix("/_delta_log") })
    var controls = 0
    for (index, call) in calls.enumerated() where index <= lastSync && call.name == "fsync" {
      var without = calls
      without.remove(at: index)
      #expect(SyncOrder.violations(of: without, table: table) != [], "\(index): \(call)")
      controls += 1
    }
    #expect(controls >= 6)
  }

  @Test func `two processes append at once and none of their versions is lost`() async throws {
    let directory = try TemporaryDirectory()
    let path = try warehouse(directory, [["append", "1"]])
    let versions = try await withThrowingTaskGroup(of: [Int64].self) { group in
      for writer in 0..<3 {
        group.addTask {
          let outcome = try FaultRun(under: path).run(
            rehearsal, [path] + (writer == 0 ? ["replace", "8", "DE"] : ["append", "8"]))
          #expect(outcome.exitCode == 0, "\(outcome.errors)")
          return outcome.output.split(separator: "\n").compactMap { Int64($0) }
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(versions.sorted() == (2...25).map(Int64.init))
    #expect(try check(path, isQuiet: true) == 25)
  }
}
