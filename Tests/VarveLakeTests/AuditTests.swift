import Foundation
import Synchronization
import Given
import Testing
import VarveLake
import VarveTables

/// An audit finds whatever was done to a table's files behind its back, and a repair puts right what can be proven.
@Suite struct AuditTests {
  /// Commits enough for checkpoints and sums of history, two partitions, one that loses files, and a publication that
  /// was held.
  private func lake(commits: Int = 33) throws -> Lake {
    let lake = try Lake()
    for number in 0..<commits {
      try lake.append([(["DE"], "german \(number)"), (["AT"], "austrian \(number)")])
      lake.time.withLock { $0 += 1000 }
    }
    let table = try lake.table()
    let base = try table.snapshot(at: .head)
    let area = try StagingArea(table.storage, transaction: lake.random.identifier())
    let gone = try base.files { $0 == ["AT"] }
    let change = try lake.stage(area, [(["AT"], "austrian anew")], removing: gone, reads: .partitions([["AT"]]))
    _ = try lake.committer.commit(
      Commit(change, to: table, base: base, staging: area, bookkeeping: lake.bookkeeping("rewrite")))
    try lake.append([(["DE"], "german last")])
    return lake
  }

  private func audit(_ lake: Lake) throws -> AuditReport { try Audit(try lake.table(), parallelism: 2).run() }

  private func damage(_ lake: Lake) throws -> [String] { try audit(lake).damage.map { "\($0.kind) \($0.path)" } }

  /// Files whose every byte is accounted for.
  private func files(_ lake: Lake) throws -> [String] {
    try lake.paths().filter { path in
      var isDirectory: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: "\(lake.path)/products/\(path)", isDirectory: &isDirectory)
      return !isDirectory.boolValue && path != "_varve/lock" && path != "_delta_log/_last_checkpoint"
    }
  }

  private func read(_ lake: Lake, _ path: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: "\(lake.path)/products/\(path)"))
  }

  /// Puts bytes where others were, with the time and mode of these.
  private func put(_ lake: Lake, _ path: String, _ data: Data?) throws {
    let full = "\(lake.path)/products/\(path)"
    let attributes = try? FileManager.default.attributesOfItem(atPath: full)
    try? FileManager.default.removeItem(atPath: full)
    guard let data else { return }
    try data.write(to: URL(fileURLWithPath: full))
    if let time = attributes?[.modificationDate] {
      try FileManager.default.setAttributes([.modificationDate: time], ofItemAtPath: full)
    }
  }

  @Test func `a table as it was written has no damage, and every byte of it is looked at`() throws {
    let lake = try lake()
    let report = try audit(lake)
    #expect(report.findings == [])
    #expect(report.versionCount == 35)
    let bytes = try files(lake).filter { !$0.hasPrefix("_varve/proxy/0") }.reduce(0) { try $0 + read(lake, $1).count }
    #expect(report.byteCount == bytes)
  }

  @Test func `a flipped, cut, extended, lost or exchanged file is found and named, and nothing else is`() throws {
    let lake = try lake()
    var random = Seed()
    let all = try files(lake)
    var chosen = all.filter { !$0.contains("/v000") && !$0.contains("_delta_log/") && !$0.contains("shards") }
    chosen += all.filter { $0.contains("checkpoint") || $0.contains("00000000000000000035") }
    for _ in 0..<(ProcessInfo.processInfo.environment["VARVE_PROOF"] == nil ? 6 : all.count) {
      chosen.append(all.randomElement(using: &random)!)
    }
    for path in Set(chosen).sorted() {
      let whole = try read(lake, path)
      defer { try? put(lake, path, whole) }
      // Shards of older times are needed by nobody, and a lost one is no loss.
      let isSpare = path.contains("/shards/")
      func expect(_ data: Data?, _ kinds: Set<Finding.Kind>, _ what: String) throws {
        try put(lake, path, data)
        let found = try audit(lake).damage
        if isSpare, data == nil, found.isEmpty { return }
        #expect(found.map(\.path) == [path], "\(what) of \(path): \(found)")
        #expect(found.allSatisfy { kinds.contains($0.kind) }, "\(what) of \(path): \(found.map(\.kind))")
      }
      var flipped = whole
      flipped[Int.random(in: 0..<whole.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      try expect(flipped, [.altered, .truncated, .contradictory, .swapped], "a flip")
      try expect(whole.prefix(whole.count / 2), [.truncated, .altered, .swapped], "half")
      try expect(whole + Data([0x0A]), [.extended, .altered], "a byte more")
      try expect(nil, [.missing], "the loss")
      let other = all.filter { $0 != path && ($0 as NSString).pathExtension == (path as NSString).pathExtension }
        .randomElement(using: &random)
      if let other {
        try expect(try read(lake, other), [.swapped, .altered, .extended, .truncated], "\(other) in the place")
      }
    }
    #expect(try damage(lake) == [])
  }

  @Test func `a vacuum removes shards that nothing names, and leaves what all that follows needs`() throws {
    let lake = try lake()
    let table = try lake.table()
    try table.publish(35, reason: "a test") { _, _ in .pinned }
    func vacuum() throws -> Vacuum.Report {
      let vacuum = Vacuum(
        table, in: lake.warehouse, retention: Retention(versions: 1_000),
        clock: WallClock { lake.time.withLock { $0 } })
      let planned = try vacuum.plan()
      let done = try vacuum.apply()
      #expect(planned.plan.shards == done.plan.shards && done.plan.files.isEmpty)
      return done
    }
    func shards() throws -> Set<String> { Set(try files(lake).filter { $0.contains("/shards/") }) }
    let before = try shards()
    let gone = try vacuum().plan.shards
    // Two of the proxy, and two of the sum of history at version 32.
    #expect(try shards() == before.subtracting(gone.map(\.path)) && shards().count == 4 && gone.count > 60)
    #expect(try damage(lake) == [] && vacuum().plan.shards.isEmpty)
    // Each version can still be shown and gone on from, and each file be made again.
    try table.publish(7, reason: "a test") { _, _ in .pinned }
    #expect(try damage(lake) == [])
    try lake.append([(["DE"], "german anew"), (["FR"], "french")])
    #expect(try damage(lake) == [] && vacuum().plan.shards.count > 0 && damage(lake) == [])
    let state = "_varve/state/00000000000000000032.json"
    let whole = try read(lake, state)
    try put(lake, state, whole.dropLast(9))
    let kept = try shards()
    #expect(try vacuum().plan.shards.isEmpty && shards() == kept && damage(lake).count == 1)
    try put(lake, state, whole)
    try put(lake, try #require(kept.first), nil)
    #expect(try vacuum().plan.shards.isEmpty && damage(lake).count == 1)
    #expect(try Repair(table).run().audit.damage == [])
    #expect(try shards() == kept)
  }

  @Test func `what writers and vacuums do beside an audit is no damage`() throws {
    let lake = try lake(commits: 9)
    let isDone = Mutex(false)
    @Sendable func write(_ number: Int) throws {
      let table = try lake.table()
      let base = try table.snapshot(at: .head)
      let area = try StagingArea(table.storage, transaction: lake.random.identifier())
      let change = try lake.stage(
        area, [(["DE"], "beside \(number)")], removing: try base.files { $0 == ["DE"] }, reads: .partitions([["DE"]]))
      _ = try lake.committer.commit(
        Commit(change, to: table, base: base, staging: area, bookkeeping: lake.bookkeeping("beside \(number)")))
      guard number % 4 == 0 else { return }
      var vacuum = Vacuum(
        table, in: lake.warehouse, retention: Retention(versions: 1), clock: WallClock { lake.time.withLock { $0 } })
      vacuum.graceMilliseconds = 0
      #expect(try vacuum.apply().plan.files.count > 0)
    }
    let writing = DispatchGroup()
    DispatchQueue.global().async(group: writing) {
      var number = 0
      while !isDone.withLock({ $0 }) {
        number += 1
        #expect(throws: Never.self) { try write(number) }
      }
    }
    defer {
      isDone.withLock { $0 = true }
      writing.wait()
    }
    for _ in 0..<12 { #expect(try damage(lake) == []) }
  }

  @Test func `two files that changed places are both named, and put back`() throws {
    let lake = try lake(commits: 4)
    let parts = try files(lake).filter { $0.hasSuffix(".parquet") && $0.contains("market=DE") }
    let (one, other) = (parts[0], parts[1])
    let (bytes, others) = (try read(lake, one), try read(lake, other))
    try put(lake, one, others)
    try put(lake, other, bytes)
    let found = try audit(lake).damage
    #expect(Set(found.map(\.path)) == [one, other])
    #expect(found.allSatisfy { $0.kind == .swapped })
    let report = try Repair(try lake.table()).run()
    #expect(report.audit.damage == [])
    #expect(try read(lake, one) == bytes && read(lake, other) == others)
  }

  @Test func `an older state of the proxy is found, and brought up to date`() throws {
    let lake = try lake(commits: 4)
    let old = try read(lake, "_proxy.json")
    try lake.append([(["DE"], "more")])
    try lake.append([(["DE"], "and more")])
    let new = try read(lake, "_proxy.json")
    try put(lake, "_proxy.json", old)
    let found = try audit(lake).damage
    #expect(found.map(\.path) == ["_proxy.json"] && found.first?.what.contains("older state") == true)
    #expect(try Repair(try lake.table()).run().audit.damage == [])
    #expect(try read(lake, "_proxy.json") == new)
  }

  @Test func `what follows from the log is repaired to the byte; what does not stays as it is, and is named`() throws {
    let lake = try lake()
    let shard = try #require(try Proxy.read(try lake.table().storage)?.index.shards.values.first)
    let followers = [
      "_proxy.json", "_varve/proxy/shards/\(shard).json", "_varve/state/00000000000000000032.json",
      "_delta_log/00000000000000000032.checkpoint.parquet", "market=AT/v00000034/_manifest.json",
      "market=DE/v00000020/_manifest.json",
    ]
    for path in followers {
      let whole = try read(lake, path)
      for data in [whole.prefix(9), nil] {
        try put(lake, path, data)
        let report = try Repair(try lake.table()).run()
        #expect(report.audit.damage == [] && report.mended.map(\.path).contains(path), "\(path)")
        #expect(try read(lake, path) == whole, "\(path)")
      }
    }
    let part = try #require(try files(lake).first { $0.hasSuffix(".parquet") && $0.contains("v00000030") })
    let entry = "_delta_log/00000000000000000020.json"
    for path in [part, entry] {
      let whole = try read(lake, path)
      var flipped = whole
      flipped[3] ^= 1
      try put(lake, path, flipped)
      let report = try Repair(try lake.table()).run()
      #expect(report.audit.damage.map(\.path) == [path])
      #expect(report.mended.isEmpty)
      #expect(try read(lake, path) == flipped)
      try put(lake, path, whole)
    }
    #expect(try damage(lake) == [])
  }

  @Test func `what a vacuum removed is told from what is lost`() throws {
    let lake = try lake(commits: 4)
    let gone = try #require(try files(lake).first { $0.hasSuffix(".parquet") && $0.contains("AT/v00000002") })
    let live = try #require(try files(lake).first { $0.hasSuffix(".parquet") && $0.contains("DE/v00000002") })
    let storage = try lake.table().storage
    try Vacuums.record([.init(path: gone, byteCount: 1), .init(path: live, byteCount: 1)], timestamp: 5, in: storage)
    try put(lake, gone, nil)
    let report = try audit(lake)
    #expect(report.damage == [])
    #expect(report.findings.map(\.kind) == [.vacuumed])
    #expect(report.findings.first?.versions == 2...4)
    // A live file is lost whatever a record says.
    try put(lake, live, nil)
    #expect(try damage(lake) == ["missing \(live)"])
  }

  @Test func `a copy without times is whole, and repair gives the entries their times`() throws {
    let lake = try lake(commits: 3)
    let entry = "\(lake.path)/products/_delta_log/00000000000000000002.json"
    try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 9)], ofItemAtPath: entry)
    let report = try audit(lake)
    #expect(report.damage == [] && report.findings.map(\.kind) == [.time])
    #expect(try Repair(try lake.table()).run().audit.findings == [])
  }

  @Test func `commits of other engines have no manifests, and are audited by what the log says`() throws {
    let lake = try lake(commits: 2)
    try lake.strange(5, adding: "market=DE/strange.parquet", market: "DE")
    // What is no Parquet file is found without a digest.
    let found = try audit(lake).damage
    #expect(found.map(\.path) == ["market=DE/strange.parquet"])
  }

  @Test func `a lost end of the log is found by whoever speaks of it`() throws {
    let lake = try lake(commits: 3)
    try put(lake, "_delta_log/00000000000000000005.json", nil)
    #expect(try damage(lake) == ["missing _delta_log/00000000000000000005.json"])
    try lake.append([(["DE"], "more")], to: "other")
  }
}
