import Foundation
import Given
import Testing
import Varve

/// What a vacuum takes and what it leaves.
@Suite struct VacuumTests {
  /// A table of five versions by key, each of which rewrites its one file.
  private func merged(versions: Int = 5) throws -> TemporaryWarehouse {
    let here = try TemporaryWarehouse()
    for number in 1...versions {
      try here.ingest("\(number).csv", "id,v\n1,\(number)\n\(10 + number),0\n") {
        $0.mode = .merge
        $0.key = ["id"]
      }
    }
    return here
  }

  private func vacuum(
    _ here: TemporaryWarehouse, keep versions: Int? = 1, _ change: (inout VacuumRequest) -> Void = { _ in }
  ) throws -> VacuumReport {
    var request = VacuumRequest("t")
    request.keepVersions = versions
    request.applies = true
    change(&request)
    return try here.warehouse.vacuum(request)
  }

  private func sum(_ here: TemporaryWarehouse, _ reference: String) throws -> String {
    try here.rows("SELECT count(*) || ' ' || max(v) FROM \"\(reference)\"")[0]
  }

  private func fates(_ report: VacuumReport) -> [Int: String] {
    Dictionary(uniqueKeysWithValues: report.versions.map { ($0.version, $0.fate) })
  }

  @Test func `without being told to it only plans, and then it does what it planned`() throws {
    let here = try merged()
    let before = here.files()
    let plan = try vacuum(here, keep: 2) { $0.applies = false }
    #expect(here.files() == before && !plan.isApplied)
    #expect(fates(plan) == [0: "shared", 1: "removed", 2: "removed", 3: "removed", 4: "kept", 5: "kept"])
    #expect(plan.versions.last?.reasons == ["newest"])
    #expect(plan.versions[4].reasons == ["newest 2"])
    let done = try vacuum(here, keep: 2)
    #expect(done.isApplied && done.files.map(\.path) == plan.files.map(\.path) && done.byteCount == plan.byteCount)
    #expect(done.versions.reduce(0) { $0 + $1.freedByteCount } == done.byteCount)
    #expect(done.trash.map(\.fileCount) == [done.files.count])
    #expect(try sum(here, "t") == "6 5" && sum(here, "t@4") == "5 4")
    let refused = try problem { _ = try self.sum(here, "t@2") }
    #expect(refused.kind == .refused && refused.what == "version 2 was vacuumed and cannot be read any more")
    #expect(refused.advice?.contains("is 4") == true)
    for act in [
      { _ = try here.warehouse.restore("t@2") }, { try here.warehouse.tag("t@2", as: "x") },
      { try here.warehouse.hold("t@2") }, { _ = try here.warehouse.publish("t@2") },
      { _ = try here.warehouse.diff("t@1", "t") },
    ] { #expect(try problem(act).what.contains("was vacuumed")) }
    #expect(try here.warehouse.describe("t@2").version == 2)
    #expect(try here.warehouse.history("t").count == 5)
    let verified = try here.warehouse.verify()[0]
    #expect(verified.isWhole && verified.findings.allSatisfy { $0.kind == "vacuumed" } && !verified.findings.isEmpty)
    #expect(try vacuum(here, keep: 2).files.isEmpty)
    try here.ingest("more.csv", "id,v\n1,9\n")
    #expect(try sum(here, "t") == "6 9")
  }

  @Test func `what was taken comes back, until it is purged`() throws {
    let here = try merged()
    let all = here.files().filter { $0.hasSuffix(".parquet") }
    _ = try vacuum(here)
    let undone = try here.warehouse.undoVacuum("t")
    #expect(undone.versions == [1, 2, 3, 4])
    #expect(here.files().filter { $0.hasSuffix(".parquet") } == all)
    for version in 1...5 { #expect(try sum(here, "t@\(version)") == "\(version + 1) \(version)") }
    #expect(try here.warehouse.verify()[0].findings.isEmpty)
    #expect(try problem { _ = try here.warehouse.undoVacuum("t") }.kind == .failed)
    _ = try vacuum(here, keep: 3)
    _ = try vacuum(here, keep: 2)
    // The later one comes back first, then the one before.
    #expect(try here.warehouse.undoVacuum("t").versions == [3])
    #expect(try problem { _ = try sum(here, "t@2") }.kind == .refused)
    #expect(try here.warehouse.undoVacuum("t").versions == [1, 2])
    let purged = try vacuum(here) { $0.graceDays = 0 }
    #expect(purged.trash.isEmpty && purged.purgedByteCount == purged.byteCount)
    #expect(!here.files().contains { $0.contains("trash/") && $0.hasSuffix(".parquet") })
    #expect(try problem { _ = try here.warehouse.undoVacuum("t") }.kind == .failed)
    #expect(try here.warehouse.verify()[0].isWhole)
  }

  @Test func `a lost file is not taken for a vacuumed one`() throws {
    let here = try merged()
    let part = try #require(here.files().first { $0.contains("v00000001/part") })
    try FileManager.default.removeItem(atPath: here.directory + "/warehouse/" + part)
    let report = try vacuum(here, keep: 3)
    #expect(fates(report)[1] == "lost" && fates(report)[2] == "removed")
    #expect(try here.warehouse.verify()[0].findings.filter(\.isDamage).map(\.kind) == ["missing"])
    #expect(try problem { _ = try self.sum(here, "t@1") }.kind == .damaged)
  }

  @Test func `tags, holds and what readers are shown keep their versions`() throws {
    let here = try merged(versions: 6)
    try here.warehouse.tag("t@1", as: "season")
    try here.warehouse.hold("t@2", until: "2030-01-01")
    try here.warehouse.hold("t@3", until: "2001-01-01")
    _ = try here.warehouse.publish("t@4", pins: true)
    let report = try vacuum(here)
    #expect(report.versions.map(\.fate) == ["shared", "kept", "kept", "removed", "kept", "removed", "kept"])
    #expect(report.versions[1].reasons == ["tag season"] && report.versions[4].reasons == ["pinned"])
    #expect(report.versions[2].reasons == ["held until 2030-01-01T00:00:00Z"])
    for version in [1, 2, 4, 6] { #expect(try sum(here, "t@\(version)") == "\(version + 1) \(version)") }
    #expect(try sum(here, "t") == "5 4" && sum(here, "t@tag:season") == "2 1")
    try here.warehouse.untag("t", "season")
    #expect(fates(try vacuum(here))[1] == "removed")
    #expect(try here.warehouse.verify()[0].isWhole)
  }

  @Test func `what is immutable stays for its days`() throws {
    let here = try merged(versions: 3)
    _ = try here.warehouse.makeImmutable("t", days: 10)
    #expect(try vacuum(here).files.isEmpty)
    let later = Warehouse(
      at: here.warehouse.path, surroundings: .rehearsed(startingAt: 1_700_000_000_000 + 11 * 86_400_000, seed: 9))
    var request = VacuumRequest("t")
    request.keepVersions = 1
    request.applies = true
    #expect(try later.vacuum(request).files.count == 2)
    #expect(try here.warehouse.verify()[0].isWhole)
    #expect(try later.undoVacuum("t").versions == [1, 2])
    #expect(try here.warehouse.verify()[0].findings.isEmpty)
  }

  @Test func `age keeps what was the newest at some time within it`() throws {
    let here = try TemporaryWarehouse()
    let day: Int64 = 86_400_000
    for number in 1...5 {
      let then = Warehouse(
        at: here.warehouse.path,
        surroundings: .rehearsed(startingAt: 1_700_000_000_000 + Int64(number) * 10 * day, seed: UInt64(number)))
      _ = try then.ingest(
        {
          var request = IngestRequest([try here.feed("\(number).csv", "id,v\n1,\(number)\n")], into: "t")
          request.mode = .overwrite
          return request
        }())
    }
    func plan(_ days: Int?) throws -> [Int] {
      let now = Warehouse(
        at: here.warehouse.path, surroundings: .rehearsed(startingAt: 1_700_000_000_000 + 51 * day, seed: 9))
      var request = VacuumRequest("t")
      request.keepDays = days
      return try now.vacuum(request).versions.filter { $0.fate == "kept" }.map(\.version)
    }
    #expect(try plan(0) == [5])
    // Version 4 was the newest until one day ago.
    #expect(try plan(2) == [4, 5])
    #expect(try plan(12) == [3, 4, 5])
    #expect(try plan(nil) == [2, 3, 4, 5])
  }

  @Test func `files that are live again, or that kept versions share, stay`() throws {
    let here = try merged(versions: 3)
    _ = try here.warehouse.restore("t@1")
    let report = try vacuum(here)
    #expect(fates(report) == [0: "shared", 1: "shared", 2: "removed", 3: "removed", 4: "kept"])
    #expect(try sum(here, "t") == "2 1" && sum(here, "t@1") == "2 1")
    // Versions that only ever added are all readable: nothing of them goes.
    for number in 1...3 { try here.ingest("\(number).csv", "n\n\(number)\n", into: "added") }
    var request = VacuumRequest("added")
    request.keepVersions = 1
    #expect(try here.warehouse.vacuum(request).files.isEmpty)
  }

  @Test func `a query that has begun goes on, and what it reads is left alone`() throws {
    let here = try TemporaryWarehouse()
    // Many files, so that most of them are opened after the vacuum.
    for number in 1...20 { try here.ingest("\(number).csv", "n\n\(number)\n") { $0.mode = .append } }
    try here.ingest("o.csv", "n\n0\n") { $0.mode = .overwrite }
    try here.ingest("p.csv", "n\n-1\n") { $0.mode = .overwrite }
    let result = try here.warehouse.query("SELECT n FROM \"t@20\"")
    #expect(try result.next() == [.int64(1)])
    let plan = try vacuum(here) { $0.applies = false }
    #expect(plan.versions[20].reasons == ["being read"])
    let report = try vacuum(here) { $0.graceDays = 0 }
    #expect(report.versions[20].reasons == ["being read"] && fates(report)[21] == "removed")
    var count = 1
    while try result.next() != nil { count += 1 }
    #expect(count == 20)
  }

  @Test func `a history begins at the versions that are left`() throws {
    let here = try merged()
    _ = try vacuum(here, keep: 3)
    let rows = try here.rows(#"SELECT v, _from_version, _to_version FROM "t@history" WHERE id = 1"#)
    #expect(rows == ["3|3|4", "4|4|5", "5|5|∅"])
  }

  @Test func `a reader that is done keeps nothing`() throws {
    let here = try merged()
    #expect(try here.rows("SELECT * FROM \"t@2\"").count == 3)
    #expect(fates(try vacuum(here))[2] == "removed")
  }

  @Test func `executions within the horizon run again, those before it are refused in one sentence`() throws {
    let here = try TemporaryWarehouse()
    func run(_ day: Int, _ value: Int, force: Bool = false) throws -> IngestReport {
      try here.ingest("\(day)-\(value).csv", "id,v\n1,\(value)\n\(10 + day),\(value)\n") {
        $0.mode = .statefulMerge
        $0.key = ["id"]
        $0.execution = "2024-10-0\(day)"
      }
    }
    for day in 1...5 { _ = try run(day, day) }
    // Nothing of executions goes unless it is asked for.
    #expect(try vacuum(here).files.isEmpty)
    let report = try vacuum(here) { $0.keepExecutions = 2 }
    #expect(fates(report)[1] == "removed" && fates(report)[2] == "removed" && fates(report)[3] == "kept")
    #expect(report.files.filter { $0.kind == "change set" }.count == 6)
    #expect(try here.warehouse.verify()[0].isWhole)
    #expect(try run(4, 44).outcome == .committed)
    #expect(try here.rows("SELECT v FROM t ORDER BY id") == ["5", "1", "2", "3", "44", "5"])
    let refused = try problem { _ = try run(2, 22) }
    #expect(refused.kind == .refused && refused.what.contains("version 1 was vacuumed"))
    #expect(try here.rows("SELECT v FROM t ORDER BY id") == ["5", "1", "2", "3", "44", "5"])
    // What was run again is superseded: its inputs go, those of the run that counts stay.
    #expect(try vacuum(here) { $0.keepExecutions = 2 }.files.contains { $0.kind == "change set" })
    #expect(try run(5, 55).outcome == .committed && here.warehouse.verify()[0].isWhole)
  }

  @Test func `files of no version go when they are old, and what another writer has just made stays`() throws {
    let here = try merged(versions: 2)
    let root = here.directory + "/warehouse/t/"
    for name in ["part-old.parquet", "part-new.parquet"] {
      try Data("x".utf8).write(to: URL(fileURLWithPath: root + name))
    }
    let long = Date(timeIntervalSince1970: 1_600_000_000)
    try FileManager.default.setAttributes([.modificationDate: long], ofItemAtPath: root + "part-old.parquet")
    try FileManager.default.createDirectory(atPath: root + "_varve/staging/dead", withIntermediateDirectories: true)
    let report = try vacuum(here, keep: 2)
    #expect(report.files.map(\.path) == ["part-old.parquet"] && report.files.map(\.kind) == ["orphan"])
    #expect(FileManager.default.fileExists(atPath: root + "part-new.parquet"))
    #expect(!FileManager.default.fileExists(atPath: root + "_varve/staging/dead"))
    _ = try here.warehouse.undoVacuum("t")
    #expect(FileManager.default.fileExists(atPath: root + "part-old.parquet"))
  }

  @Test func `a record that was changed or lost is found, and believed in nothing`() throws {
    let here = try merged()
    _ = try vacuum(here, keep: 3)
    _ = try vacuum(here, keep: 2)
    let path = here.directory + "/warehouse/t/_varve/vacuums/00000000000000000000.json"
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    for place in [40, whole.count / 2, whole.count - 3] {
      var flipped = whole
      flipped[place] ^= 1
      try FileManager.default.removeItem(atPath: path)
      try flipped.write(to: URL(fileURLWithPath: path))
      let damage = try here.warehouse.verify()[0].findings.filter(\.isDamage).map(\.kind)
      #expect(damage.contains("altered") && damage.filter { $0 == "missing" }.count == 2, "byte \(place)")
    }
    try FileManager.default.removeItem(atPath: path)
    #expect(
      try here.warehouse.verify()[0].findings.filter(\.isDamage).map(\.kind) == ["missing", "missing", "missing"])
    try whole.write(to: URL(fileURLWithPath: path))
    #expect(try here.warehouse.verify()[0].isWhole)
  }

  @Test func `what makes no sense is refused`() throws {
    let here = try merged(versions: 2)
    #expect(try problem { _ = try vacuum(here, keep: 0) }.kind == .usage)
    #expect(try problem { _ = try vacuum(here) { $0.keepDays = -1 } }.kind == .usage)
    #expect(try problem { _ = try vacuum(here) { $0.table = "other" } }.kind == .failed)
    #expect(try problem { _ = try here.warehouse.undoVacuum("t") }.kind == .failed)
  }
}

/// Random commits, names, holds, vacuums and their undoing, against a model of what must be readable.
@Suite struct VacuumModelTests {
  /// The paths that each version consists of, from the log's own words.
  private func live(_ here: TemporaryWarehouse) throws -> [Int: Set<String>] {
    var versions: [Int: Set<String>] = [:]
    var now = Set<String>()
    let log = here.directory + "/warehouse/t/_delta_log/"
    for number in 0... {
      let path = log + String(format: "%020d.json", number)
      guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { break }
      var added: [String] = []
      for line in text.split(separator: "\n") {
        let action = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: [String: Any]])
        if let path = action["remove"]?["path"] as? String { now.remove(path) }
        if let path = action["add"]?["path"] as? String { added.append(path) }
      }
      now.formUnion(added)
      versions[number] = now
    }
    return versions
  }

  @Test(arguments: 0..<2) func `what must be readable is, and nothing else takes room`(_ number: Int) throws {
    var random = Seed("vacuum, \(number)")
    let here = try TemporaryWarehouse()
    var rows: [Int: [String]] = [:]
    var tags: [String: Int] = [:]
    var holds = Set<Int>()
    var vacuumed = Set<Int>()
    var takenBy: [Set<Int>] = []
    let steps = ProcessInfo.processInfo.environment["VARVE_PROOF"] == nil ? 40 : 400
    for step in 0..<steps {
      let head = rows.keys.max() ?? 0
      let readable = rows.keys.filter { !vacuumed.contains($0) }.sorted()
      switch head == 0 ? 0 : Int.random(in: 0..<12, using: &random) {
      case 0...4:
        let records = (0..<Int.random(in: 1...4, using: &random)).map { _ in Int.random(in: 0..<12, using: &random) }
        let feed = "id,v,p\n" + Set(records).sorted().map { "\($0),\(step),\($0 % 3)\n" }.joined()
        try here.ingest("\(step).csv", feed) {
          $0.key = ["id"]
          $0.mode = step > 0 && Int.random(in: 0..<5, using: &random) == 0 ? .overwrite : .merge
          if number == 1 { $0.partitionBy = ["p"] }
        }
      case 5: _ = try here.warehouse.restore("t@\(readable.randomElement(using: &random)!)")
      case 6: _ = try here.warehouse.truncate("t")
      case 7:
        let (name, version) = ("tag\(Int.random(in: 0..<3, using: &random))", readable.randomElement(using: &random)!)
        try here.warehouse.tag("t@\(version)", as: name, moves: true)
        tags[name] = version
      case 8:
        if let held = holds.randomElement(using: &random), Bool.random(using: &random) {
          try here.warehouse.release("t@\(held)")
          holds.remove(held)
        } else {
          let version = readable.randomElement(using: &random)!
          try here.warehouse.hold("t@\(version)")
          holds.insert(version)
        }
      case 9:
        guard let last = takenBy.popLast() else { continue }
        #expect(Set(try here.warehouse.undoVacuum("t").versions) == last)
        vacuumed.subtract(last)
      default:
        let keep = Int.random(in: 1...4, using: &random)
        var request = VacuumRequest("t")
        request.keepVersions = keep
        request.applies = true
        let report = try here.warehouse.vacuum(request)
        let versions = try live(here)
        let newest = Set(max(0, head - keep + 1)...head).subtracting(vacuumed)
        let kept = newest.union(tags.values).union(holds).union([head])
        let needed = kept.reduce(into: Set<String>()) { $0.formUnion(versions[$1]!) }
        let root = here.directory + "/warehouse/t/"
        let there = Set(
          (FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? [])
            .filter { $0.hasSuffix(".parquet") && !$0.hasPrefix("_") })
        #expect(there == needed, "step \(step)")
        let taken = Set(versions.keys).subtracting(vacuumed).filter { !versions[$0]!.isSubset(of: needed) }
        #expect(Set(report.versions.filter { $0.fate == "removed" }.map(\.version)) == taken, "step \(step)")
        if !report.files.isEmpty { takenBy.append(taken) }
        vacuumed.formUnion(taken)
      }
      let now = try here.warehouse.describe("t").version
      if now > head { rows[now] = try here.rows("SELECT id, v FROM t ORDER BY id") }
      for version in rows.keys.sorted() where version > now - 3 || Int.random(in: 0..<4, using: &random) == 0 {
        if vacuumed.contains(version) {
          #expect(try problem { _ = try here.rows("SELECT id, v FROM \"t@\(version)\"") }.what.contains("was vacuumed"))
        } else {
          #expect(try here.rows("SELECT id, v FROM \"t@\(version)\" ORDER BY id") == rows[version], "step \(step)")
        }
      }
    }
    for (version, wanted) in rows where !vacuumed.contains(version) {
      #expect(try here.rows("SELECT id, v FROM \"t@\(version)\" ORDER BY id") == wanted)
    }
    #expect(try here.warehouse.verify()[0].isWhole)
  }
}
