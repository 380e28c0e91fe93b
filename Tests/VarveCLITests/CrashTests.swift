import Faults
import Foundation
import Given
import Testing

/// `varve` is stopped or disturbed at its storage calls, in each mode of ingesting: what is left is the table as it was
/// or as it was to be, and the same command again, without help, makes it what it was to be.
///
/// Append, insert, overwrite, merge, truncate, alter, restore and publish are stopped in Tests/Interop/test_crashes.py,
/// where other engines read what is left; here are the commands that are not, and the order of syncs of all ingests.
@Suite(.serialized) struct CrashTests {
  /// Feeds by name, the commands that make the table, and the command under test.
  struct Scenario: Sendable, CustomTestStringConvertible {
    var name: String
    var preparations: [[String]]
    var command: [String]
    var testDescription: String { name }
  }

  static let feeds = [
    "1.csv": "sku,market,price\nA1,DE,1.50\nA2,DE,2.00\nB1,AT,3.25\n",
    "2.csv": "sku,market,price\nA1,DE,1.75\nA3,DE,9.00\nC1,FR,4.00\n",
    "3.csv": "sku,market,price\nA9,DE,7.00\n", "4.csv": "sku,market,price\nA9,DE,7.00\nA8,DE,n/a\n",
    "expected.json": #"{"columns":[],"expectations":[{"column":"price","min":0}]}"#,
    "five.json": #"{"columns":[],"expectations":[{"rows":{"min":5}}]}"#,
  ]

  static let firstFeed = Scenario(
    name: "the first feed", preparations: [], command: ["ingest", "1.csv", "--into", "t", "--partition-by", "market"])

  static let merge = Scenario(
    name: "merge",
    preparations: [
      ["ingest", "1.csv", "--into", "t", "--partition-by", "market", "--key", "sku", "--mode", "merge"]
    ],
    command: ["ingest", "2.csv", "--into", "t"])

  static let striking = Scenario(
    name: "merge that strikes rows out",
    preparations: [
      [
        "ingest", "1.csv", "--into", "t", "--partition-by", "market", "--key", "sku", "--mode", "merge", "--updates",
        "merge-on-read",
      ]
    ],
    command: ["ingest", "2.csv", "--into", "t"])

  /// Those whose like test_crashes.py stops.
  static let stoppedElsewhere = [
    firstFeed,
    Scenario(
      name: "append", preparations: [["ingest", "1.csv", "--into", "t", "--partition-by", "market"]],
      command: ["ingest", "2.csv", "--into", "t"]),
    merge,
    Scenario(
      name: "overwrite of a partition", preparations: [["ingest", "1.csv", "--into", "t", "--partition-by", "market"]],
      command: ["ingest", "3.csv", "--into", "t", "--mode", "overwrite", "--partition", "market=DE"]),
    Scenario(
      name: "overwrite", preparations: [["ingest", "1.csv", "--into", "t"]],
      command: ["ingest", "3.csv", "--into", "t", "--mode", "overwrite"]),
    Scenario(
      name: "insert",
      preparations: [
        ["ingest", "1.csv", "--into", "t", "--partition-by", "market", "--key", "sku", "--mode", "insert"]
      ],
      command: ["ingest", "2.csv", "--into", "t"]),
    Scenario(
      name: "backfill",
      preparations: [executed("1", of: "1.csv"), executed("2", of: "2.csv"), executed("3", of: "3.csv")],
      command: executed("1", of: "3.csv")),
  ]

  /// Those that nothing else stops.
  static let scenarios = [
    striking,
    Scenario(
      name: "the first execution", preparations: [],
      command: ["ingest", "1.csv", "--into", "t", "--key", "sku", "--mode", "stateful-merge", "--execution", "1"]),
    Scenario(
      name: "backfill that strikes rows out",
      preparations: [
        executed("1", of: "1.csv") + ["--updates", "merge-on-read"], executed("2", of: "2.csv"),
        executed("3", of: "3.csv"),
      ],
      command: executed("1", of: "3.csv")),
    Scenario(
      name: "backfill without cascade", preparations: [executed("1", of: "1.csv"), executed("2", of: "2.csv")],
      command: executed("1", of: "3.csv") + ["--no-cascade"]),
    Scenario(
      name: "backfill that does again what was done by hand",
      preparations: [
        executed("1", of: "1.csv"), ["ingest", "3.csv", "--into", "t", "--mode", "merge"], executed("2", of: "2.csv"),
      ],
      command: executed("1", of: "2.csv") + ["--reapply"]),
  ]

  private static let twoVersions = [
    ["ingest", "1.csv", "--into", "t", "--partition-by", "market"], ["ingest", "2.csv", "--into", "t"],
  ]

  /// Commands that change a table, or what readers see of it, without a feed.
  static let upkeep = [
    Scenario(
      name: "compact", preparations: twoVersions + [["ingest", "3.csv", "--into", "t"]], command: ["compact", "t"]),
    Scenario(name: "truncate", preparations: twoVersions, command: ["truncate", "t"]),
    Scenario(
      name: "striking rows out from now on", preparations: twoVersions,
      command: ["alter", "t", "--updates", "merge-on-read"]),
    Scenario(
      name: "alter of the schema alone", preparations: twoVersions, command: ["alter", "t", "--add", "note:text"]),
    Scenario(name: "export to Iceberg", preparations: twoVersions, command: ["export", "t", "--iceberg"]),
    Scenario(
      name: "replay",
      preparations: [
        ["ingest", "1.csv", "--into", "t"], ["ingest", "4.csv", "--into", "t", "--on-bad-row", "quarantine"],
        ["alter", "t", "--widen", "price=text"],
      ],
      command: ["replay", "t"]),
    Scenario(
      name: "a version that waits for its checks",
      preparations: [
        ["ingest", "1.csv", "--into", "t", "--key", "sku"], ["alter", "t", "--schema", "expected.json"],
      ],
      command: ["ingest", "2.csv", "--into", "t", "--mode", "merge"]),
  ]

  private static func executed(_ execution: String, of feed: String) -> [String] {
    [
      "ingest", feed, "--into", "t", "--key", "sku", "--mode", "stateful-merge", "--partition-by", "market",
      "--execution", execution,
    ]
  }

  /// A warehouse with its feeds beside it.
  private struct Place {
    let directory: String
    var warehouse: String { directory + "/warehouse" }

    func run(_ command: [String], _ fault: (String) -> FaultRun = { FaultRun(under: $0) }) throws -> FaultRun.Outcome {
      let words = command.map { CrashTests.feeds[$0] == nil ? $0 : directory + "/" + $0 }
      return try fault(warehouse).run(
        builtExecutable("varve"), ["--warehouse", warehouse, "--quiet", "--json"] + words)
    }

    /// The rows of the table, or nil where there is none.
    func rows(_ table: String = "t") throws -> String? {
      let outcome = try run(["query", "--format", "csv", "SELECT * FROM \(table) ORDER BY sku"])
      if outcome.exitCode == 0 { return outcome.output }
      #expect(outcome.exitCode == 1 && outcome.errors.contains("\"\(table)\""), "\(outcome.errors)")
      return nil
    }

    func copy(to path: String) throws -> Place {
      // Foundation's copy loses the nanoseconds of a file's time, and verify compares them.
      let copying = try Process.run(URL(fileURLWithPath: "/bin/cp"), arguments: ["-a", directory, path])
      copying.waitUntilExit()
      try #require(copying.terminationStatus == 0)
      return Place(directory: path)
    }
  }

  private func prepare(_ scenario: Scenario, in root: String) throws -> Place {
    let place = Place(directory: root + "/base")
    try FileManager.default.createDirectory(atPath: place.warehouse, withIntermediateDirectories: true)
    for (name, text) in CrashTests.feeds {
      try text.write(toFile: place.directory + "/" + name, atomically: false, encoding: .utf8)
    }
    for command in scenario.preparations {
      let outcome = try place.run(command)
      try #require(outcome.exitCode == 0, "\(outcome.errors)")
    }
    return place
  }

  private func temporaryDirectory() throws -> String {
    let path = NSTemporaryDirectory() + "varve-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    return path
  }

  @Test(arguments: scenarios)
  func `killed at any storage call, an ingest leaves the table as it was or as it was to be`(
    _ scenario: Scenario
  ) throws {
    try sweep(scenario) { FaultRun(under: $0, killAt: $1) }
  }

  @Test(arguments: upkeep)
  func `killed at any storage call, a command leaves the table as it was or as it was to be`(
    _ scenario: Scenario
  ) throws {
    try sweep(scenario) { FaultRun(under: $0, killAt: $1) }
  }

  @Test func `killed at any storage call, a drop leaves the table in its place or in the trash, whole`() throws {
    let root = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: root) }
    let base = try prepare(CrashTests.upkeep[0], in: root)
    let rows = try base.rows()
    for (preparation, command) in [([], ["drop", "t"]), (["drop", "t"], ["restore", "t"])] {
      if !preparation.isEmpty { #expect(try base.run(preparation).exitCode == 0) }
      let whole = try base.copy(to: root + "/whole")
      let calls = try whole.run(command).calls
      try FileManager.default.removeItem(atPath: whole.directory)
      for call in 1...calls.count {
        let trial = try base.copy(to: root + "/trial")
        defer { try? FileManager.default.removeItem(atPath: trial.directory) }
        #expect(try trial.run(command) { FaultRun(under: $0, killAt: call) }.exitCode == nil)
        let left = try trial.rows()
        #expect(left == nil || left == rows, "call \(call)")
        if left == nil { #expect(try trial.run(["restore", "t"]).exitCode == 0, "call \(call)") }
        #expect(try trial.rows() == rows, "call \(call)")
        #expect(try trial.run(["ingest", "3.csv", "--into", "t"]).exitCode == 0, "call \(call)")
        #expect(try trial.run(["verify"]).exitCode == 0, "call \(call)")
      }
    }
  }

  @Test func `killed at any storage call, a repair is done by the next one`() throws {
    let root = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: root) }
    let base = try prepare(CrashTests.upkeep[0], in: root)
    let rows = try base.rows()
    let table = base.warehouse + "/t"
    let files = try #require(FileManager.default.enumerator(atPath: table)?.allObjects as? [String])
    // A proxy cut off, a manifest lost, and two parts in each other's place.
    try Data("{".utf8).write(to: URL(fileURLWithPath: table + "/_proxy.json"))
    try FileManager.default.removeItem(atPath: table + "/market=DE/v00000002/_manifest.json")
    let parts = files.filter { $0.hasSuffix(".parquet") && $0.contains("v00000001") }.sorted().map { table + "/" + $0 }
    try FileManager.default.moveItem(atPath: parts[0], toPath: table + "/aside")
    try FileManager.default.moveItem(atPath: parts[1], toPath: parts[0])
    try FileManager.default.moveItem(atPath: table + "/aside", toPath: parts[1])
    #expect(try base.run(["verify"]).exitCode == 4)
    let whole = try base.copy(to: root + "/whole")
    let outcome = try whole.run(["repair"])
    #expect(outcome.exitCode == 0, "\(outcome.errors)")
    #expect(try whole.rows() == rows)
    for call in sample(outcome.calls) {
      let trial = try base.copy(to: root + "/trial")
      defer { try? FileManager.default.removeItem(atPath: trial.directory) }
      #expect(try trial.run(["repair"]) { FaultRun(under: $0, killAt: call) }.exitCode == nil)
      let again = try trial.run(["repair"])
      #expect(again.exitCode == 0, "call \(call): \(again.output)")
      #expect(try trial.rows() == rows && trial.run(["verify"]).exitCode == 0, "call \(call)")
    }
  }

  @Test func `killed at any storage call, a transaction is in all of its tables or in none after the next writer`()
    throws
  {
    let root = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: root) }
    let base = try prepare(CrashTests.merge, in: root)
    let old = try base.rows()
    // Readers of one of them are held, since it has too few rows, until the transaction comes.
    #expect(try base.run(["alter", "t", "--schema", "five.json"]).exitCode == 0)
    #expect(try base.run(["ingest", "3.csv", "--into", "t"]).exitCode == 3)
    #expect(try base.rows() == old)
    func commit(_ place: Place, _ fault: (String) -> FaultRun = { FaultRun(under: $0) }) throws -> FaultRun.Outcome {
      let file = place.directory + "/transaction.json"
      try """
      {"id": "night", "ingestions": [
        {"table": "t", "feeds": ["\(place.directory)/2.csv"]},
        {"table": "u", "feeds": ["\(place.directory)/3.csv"], "key": ["sku"], "partition_by": ["market"]}]}
      """.write(toFile: file, atomically: false, encoding: .utf8)
      return try place.run(["transaction", file], fault)
    }
    let whole = try base.copy(to: root + "/whole")
    let calls = try commit(whole)
    try #require(calls.exitCode == 0, "\(calls.errors)")
    /// Both tables in one statement; nil where it finds them not both.
    func together(_ place: Place) throws -> String? {
      let outcome = try place.run([
        "query", "--format", "csv", "SELECT * FROM t JOIN u USING (market) ORDER BY 1, 2, 3",
      ])
      return outcome.exitCode == 0 ? outcome.output : nil
    }
    let (new, both) = (try whole.rows(), try together(whole))
    try #require(new != old && both != nil)
    for call in sample(calls.calls) {
      let trial = try base.copy(to: root + "/trial")
      defer { try? FileManager.default.removeItem(atPath: trial.directory) }
      #expect(try commit(trial) { FaultRun(under: $0, killAt: call) }.exitCode == nil)
      // What a reader sees who looked in that moment.
      let seen = (try trial.rows(), try together(trial))
      #expect(seen == (old, nil) || seen == (new, both), "call \(call)")
      let answers = try trial.run(["transaction", "--outcome", "night"]).output
      #expect(try trial.run(["ingest", "1.csv", "--into", "w"]).exitCode == 0, "call \(call)")
      let left = (try trial.rows(), try together(trial))
      #expect(left == (old, nil) || left == (new, both), "call \(call)")
      #expect(seen.1 == nil || left.1 != nil, "call \(call): what was seen is gone")
      let told = try trial.run(["transaction", "--outcome", "night"]).output
      let words = left.1 == nil ? ["\"unknown\"", "\"rolled_back\""] : ["\"committed\""]
      #expect(words.contains(where: told.contains), "call \(call): \(told)")
      #expect(told == answers || answers.contains("\"decided\"") && left.1 != nil, "call \(call): \(answers)")
      #expect(try commit(trial).exitCode == 0, "call \(call)")
      #expect(try trial.rows() == new && together(trial) == both, "call \(call)")
      let verified = try trial.run(["verify"])
      #expect(verified.exitCode == 0, "call \(call): \(verified.output)\(verified.errors)")
      let pending = trial.warehouse + "/_transactions/pending"
      #expect(try FileManager.default.contentsOfDirectory(atPath: pending) == [], "call \(call)")
    }
  }

  private static let vacuums = [["vacuum", "t", "--keep-versions", "1", "--apply"], ["vacuum", "t", "--undo"]]

  @Test(arguments: vacuums)
  func `killed at any storage call, a vacuum or its undoing leaves what must be readable, and goes on`(
    _ command: [String]
  ) throws {
    try sweepVacuum(command) { FaultRun(under: $0, killAt: $1) }
  }

  @Test(arguments: vacuums)
  func `on a failing disk, a vacuum or its undoing leaves what must be readable, and goes on`(
    _ command: [String]
  ) throws {
    try sweepVacuum(command) { FaultRun(under: $0, errorAt: $1, error: "EIO") }
  }

  @Test func `what a vacuum takes is durably named before the first file moves`() throws {
    let root = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: root) }
    let overwritten = ["ingest", "3.csv", "--into", "t", "--mode", "overwrite"]
    let place = try prepare(
      Scenario(name: "", preparations: CrashTests.twoVersions + [overwritten], command: []), in: root)
    let calls = try place.run(CrashTests.vacuums[0]).calls
    let moves = calls.indices.filter {
      calls[$0].name == "rename" && calls[$0].newPath?.contains("_varve/trash/") == true
    }
    let record = try #require(
      calls.firstIndex {
        $0.name == "rename" && $0.newPath?.hasSuffix("_varve/vacuums/00000000000000000000.json") == true
      })
    let draft = calls[record].path
    #expect(calls[..<record].contains { $0.name == "fsync" && $0.path == draft })
    let named = try #require(calls[record...].firstIndex { $0.name == "fsync" && $0.path.hasSuffix("_varve/vacuums") })
    #expect(moves.count == 4 && named < moves[0])
    // A power cut must not bring back a proxy that names what was removed.
    let swept = try #require(calls.firstIndex { $0.name == "unlink" && $0.path.contains("_varve/proxy/shards/") })
    let shown = try #require(calls.firstIndex { $0.newPath?.hasSuffix("t/_proxy.json") == true })
    #expect(calls[shown..<swept].contains { $0.name == "fsync" && $0.path.hasSuffix("warehouse/t") })
    // Where the files went is durable before the command ends.
    let last = calls[moves[moves.count - 1]...]
    #expect(last.contains { $0.name == "fsync" && $0.path.contains("_varve/trash/") || $0.name == "syncfs" })
  }

  private func sweepVacuum(_ command: [String], _ fault: (String, Int) -> FaultRun) throws {
    let root = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: root) }
    let keyed = ["--key", "sku", "--mode", "merge", "--partition-by", "market"]
    let base = try prepare(
      Scenario(
        name: "",
        preparations: [["ingest", "1.csv", "--into", "t"] + keyed] + [["ingest", "2.csv", "--into", "t"]]
          + [
            ["ingest", "3.csv", "--into", "t"], ["tag", "t@2", "kept"],
            ["ingest", "1.csv", "--into", "t", "--reingest"],
          ],
        command: []), in: root)
    let whole = try base.copy(to: root + "/whole")
    let rows = try (1...4).map { try #require(try base.rows("\"t@\($0)\"")) }
    let isUndoing = command.contains("--undo")
    if isUndoing { #expect(try base.run(["vacuum", "t", "--keep-versions", "1", "--apply"]).exitCode == 0) }
    let calls = try (isUndoing ? base.copy(to: root + "/vacuumed") : whole).run(command)
    try #require(calls.exitCode == 0 && calls.calls.count > 10, "\(calls.errors)")
    for call in sample(calls.calls) {
      let trial = try base.copy(to: root + "/trial")
      defer { try? FileManager.default.removeItem(atPath: trial.directory) }
      let stopped = try trial.run(command) { fault($0, call) }
      if let code = stopped.exitCode, code != 0 { #expect(code == 1 && stopped.errors != "", "call \(call)") }
      func check(_ comment: Comment) throws {
        // The newest and the tagged one always; the others whole, or refused in a sentence.
        for version in 1...4 {
          let query = ["query", "--format", "csv", "SELECT * FROM \"t@\(version)\" ORDER BY sku"]
          let outcome = try trial.run(query)
          if version == 2 || version == 4 || outcome.exitCode == 0 {
            #expect(outcome.exitCode == 0 && outcome.output == rows[version - 1], comment)
          } else {
            #expect(outcome.exitCode == 3 && outcome.errors.contains("was vacuumed"), comment)
          }
        }
        let verified = try trial.run(["verify"])
        #expect(verified.exitCode == 0, "\(comment): \(verified.output)")
      }
      try check("call \(call)")
      // The same again ends in the same state, or finds it there.
      let again = try trial.run(command)
      #expect(again.exitCode == 0 || isUndoing && again.exitCode == 1, "call \(call): \(again.errors)")
      try check("call \(call), again")
      if isUndoing {
        for version in 1...4 { #expect(try trial.rows("\"t@\(version)\"") == rows[version - 1], "call \(call)") }
      } else {
        #expect(try trial.run(["query", "SELECT * FROM \"t@1\""]).exitCode == 3, "call \(call)")
        let left = try trial.run(["--json", "vacuum", "t", "--keep-versions", "1"]).output
        #expect(left.contains(#""files": [],"#) && left.contains(#""files": 0"#), "call \(call): \(left)")
      }
      #expect(try trial.run(["ingest", "3.csv", "--into", "t", "--reingest"]).exitCode == 0, "call \(call)")
      try check("call \(call), after an ingest")
    }
  }

  @Test func `killed at any storage call, a repair of the ledger is done by the next one`() throws {
    let root = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: root) }
    let base = try prepare(CrashTests.upkeep[0], in: root)
    try FileHandle(forWritingTo: URL(fileURLWithPath: base.warehouse + "/varve.sqlite")).truncate(atOffset: 9_000)
    #expect(try base.run(["verify"]).exitCode == 4)
    let whole = try base.copy(to: root + "/whole")
    let outcome = try whole.run(["repair"])
    #expect(outcome.exitCode == 0, "\(outcome.errors)")
    for call in sample(outcome.calls) {
      let trial = try base.copy(to: root + "/trial")
      defer { try? FileManager.default.removeItem(atPath: trial.directory) }
      #expect(try trial.run(["repair"]) { FaultRun(under: $0, killAt: call) }.exitCode == nil)
      #expect(try trial.rows() == whole.rows(), "call \(call)")
      let again = try trial.run(["repair"])
      #expect(again.exitCode == 0, "call \(call): \(again.errors)")
      #expect(try trial.run(["verify"]).exitCode == 0, "call \(call)")
      #expect(try trial.run(["ingestions"]).output == whole.run(["ingestions"]).output, "call \(call)")
    }
  }

  @Test(arguments: [["tag", "t@1", "first"], ["hold", "t@1"]])
  func `killed at any storage call, a tag or hold is set or not`(_ command: [String]) throws {
    let root = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: root) }
    let base = try prepare(CrashTests.upkeep[0], in: root)
    let before = try base.run([command[0], "t"]).output
    let whole = try base.copy(to: root + "/whole")
    let calls = try whole.run(command).calls
    for call in 1...calls.count {
      let trial = try base.copy(to: root + "/trial")
      defer { try? FileManager.default.removeItem(atPath: trial.directory) }
      _ = try trial.run(command) { FaultRun(under: $0, killAt: call) }
      let left = try trial.run([command[0], "t"]).output
      #expect(left == before || left.contains("\"version\": 1"), "call \(call): \(left)")
      #expect(try trial.run(command).exitCode == 0 && trial.run(["verify"]).exitCode == 0, "call \(call)")
      #expect(try trial.run([command[0], "t"]).output.contains("\"version\": 1"))
    }
  }

  /// Also of the ledger, whose writes are left out where others read.
  @Test func `killed in the middle of a write, an ingest leaves the table as it was or as it was to be`() throws {
    try sweep(CrashTests.firstFeed) { FaultRun(under: $0, tearAt: $1) }
  }

  @Test
  func `a disk that is full from some moment on is told, and leaves the table as it was or as it was to be`() throws {
    try sweep(CrashTests.striking) { FaultRun(under: $0, errorAt: $1, error: "ENOSPC", errorStays: true) }
  }

  @Test(arguments: stoppedElsewhere + scenarios)
  func `what an ingest promises is synced before it is promised`(_ scenario: Scenario) throws {
    let root = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: root) }
    let place = try prepare(scenario, in: root)
    let outcome = try place.run(scenario.command)
    #expect(outcome.exitCode == 0)
    let table = place.warehouse + "/t"
    #expect(SyncOrder.violations(of: outcome.calls, table: table) == [])
    let withoutSyncs = outcome.calls.filter { $0.name != "fsync" && $0.name != "syncfs" }
    #expect(SyncOrder.violations(of: withoutSyncs, table: table) != [])
  }

  private func sweep(_ scenario: Scenario, _ fault: (String, Int) -> FaultRun) throws {
    let root = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: root) }
    let base = try prepare(scenario, in: root)
    let old = try base.rows()
    let whole = try base.copy(to: root + "/whole")
    let calls = try whole.run(scenario.command)
    try #require(calls.exitCode == 0, "\(calls.errors)")
    let new = try #require(try whole.rows())
    for call in sample(calls.calls) {
      let trial = try base.copy(to: root + "/trial")
      defer { try? FileManager.default.removeItem(atPath: trial.directory) }
      let outcome = try trial.run(scenario.command) { fault($0, call) }
      let left = try trial.rows()
      #expect(left == old || left == new, "call \(call)")
      #expect(try trial.run(["ingestions"]).exitCode == 0, "call \(call)")
      if outcome.exitCode == 0 { #expect(left == new, "call \(call) was told as done") }
      if let code = outcome.exitCode, code != 0 { #expect([1, 3, 4].contains(code) && outcome.errors != "") }
      let again = try trial.run(scenario.command)
      #expect(again.exitCode == 0, "call \(call): \(again.errors)")
      #expect(try trial.rows() == new, "call \(call)")
      // A feed that turned out to be there already needed no writer, who would have swept.
      if again.output.contains("\"committed\"") {
        let staging = trial.warehouse + "/t/_varve/staging"
        #expect(try FileManager.default.contentsOfDirectory(atPath: staging) == [], "call \(call)")
      }
      #expect(try trial.run(["ingestions"]).exitCode == 0, "call \(call)")
    }
  }

  /// All calls under VARVE_PROOF; else the first, the last, those around each link into a log, and some by chance.
  private func sample(_ calls: [StorageCall]) -> [Int] {
    if ProcessInfo.processInfo.environment["VARVE_PROOF"] != nil { return Array(1...calls.count) }
    var random = Seed()
    var chosen: Set<Int> = [1, calls.count]
    for (index, call) in calls.enumerated() where call.name == "link" && index + 2 <= calls.count {
      chosen.formUnion([index + 1, index + 2])
    }
    for _ in 0..<6 { chosen.insert(1 + random.below(calls.count)) }
    return chosen.sorted()
  }
}
