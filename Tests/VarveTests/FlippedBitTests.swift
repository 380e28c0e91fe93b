import Foundation
import Given
import Testing
import Varve

/// One bit is flipped in every kind of file that a warehouse has: an audit names the file, a repair puts right what
/// follows from the log and touches nothing else, and no reader is told something else than before.
@Suite struct FlippedBitTests {
  /// Checkpoints, sums of history, shards, kept inputs, tags, a vacuum, a quarantine, vectors, lists of files, publications.
  private func warehouse() throws -> TemporaryWarehouse {
    let here = try TemporaryWarehouse()
    let partitions = (0..<66).map { "\($0),m\($0),1\n" }.joined()
    try here.ingest("0.csv", "id,market,v\n" + partitions) {
      ($0.mode, $0.key, $0.partitionBy, $0.execution) = (.statefulMerge, ["id"], ["market"], "2024-10-01")
    }
    try here.ingest("1.csv", "id,market,v\n1,m1,2\n2,m2,2\n") {
      ($0.mode, $0.execution) = (.statefulMerge, "2024-10-02")
    }
    try here.ingest("2.csv", "id,market,v\n3,m3,3\n4,m4,four\n") { ($0.mode, $0.badRows) = (.merge, .quarantine) }
    try here.warehouse.tag("t@2", as: "season")
    _ = try here.warehouse.setSymlinks("t")
    _ = try here.warehouse.publish("t@2", pins: true)
    _ = try here.warehouse.publish("t", unpins: true)
    for number in 1...3 {
      try here.ingest("s\(number).csv", "id,v\n1,\(number)\n\(10 + number),0\n", into: "struck") {
        ($0.mode, $0.key, $0.updates) = (.merge, ["id"], .mergeOnRead)
      }
    }
    for number in 1...3 {
      try here.ingest("o\(number).csv", "id,v\n1,\(number)\n", into: "vacuumed") { $0.mode = .overwrite }
    }
    var request = VacuumRequest("vacuumed")
    (request.keepVersions, request.applies) = (2, true)
    _ = try here.warehouse.vacuum(request)
    try here.ingest("o4.csv", "id,v\n1,4\n", into: "vacuumed")
    return here
  }

  /// What people are told, each by itself: an answer, or that there is none.
  private func answers(_ here: TemporaryWarehouse, _ table: String) -> [String: String] {
    let newest = ["t": 4, "struck": 3, "vacuumed": 4][table]!
    var asked: [String: () throws -> String] = [
      "newest": { try here.rows("SELECT * FROM \(table) ORDER BY id").joined(separator: "\n") },
      "some": { try here.rows("SELECT * FROM \(table) WHERE id >= 1 AND v >= 2 ORDER BY id").joined(separator: "\n") },
      "history": { "\(try here.warehouse.history(table))" },
      "tags": { "\(try here.warehouse.tags(table)) \(try here.warehouse.holds(table))" },
      "publications": { "\(try here.warehouse.publications(table))" },
    ]
    for version in 1...newest {
      asked["\(version)"] = {
        try here.rows("SELECT * FROM \"\(table)@\(version)\" ORDER BY id").joined(separator: "\n")
      }
    }
    return asked.compactMapValues { try? $0() }
  }

  private func read(_ here: TemporaryWarehouse, _ path: String) -> Data? {
    FileManager.default.contents(atPath: here.warehouse.path + "/" + path)
  }

  private func put(_ here: TemporaryWarehouse, _ path: String, _ data: Data) throws {
    let full = here.warehouse.path + "/" + path
    let time = try? FileManager.default.attributesOfItem(atPath: full)[.modificationDate] as? Date
    try? FileManager.default.removeItem(atPath: full)
    try data.write(to: URL(fileURLWithPath: full))
    if let time { try FileManager.default.setAttributes([.modificationDate: time], ofItemAtPath: full) }
  }

  private func isFile(_ here: TemporaryWarehouse, _ path: String) -> Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: here.warehouse.path + "/" + path, isDirectory: &isDirectory)
      && !isDirectory.boolValue
  }

  /// What a repair makes again, whatever was there.
  private static let followers = [
    "_proxy.json", "/shards/", "/state/", ".checkpoint.parquet", "_manifest.json", "_symlink_format_manifest/",
  ]

  @Test func `wherever a bit is flipped, it is named, mended where it can be, and never told as something else`() throws
  {
    let here = try warehouse()
    let tables = try here.warehouse.tables().map(\.name)
    let told = Dictionary(uniqueKeysWithValues: tables.map { ($0, answers(here, $0)) })
    #expect(told.mapValues(\.count) == ["t": 9, "struck": 8, "vacuumed": 8])
    // A hint that nobody believes, and what nobody reads.
    let all = here.files().filter {
      isFile(here, $0) && $0.contains("/") && !$0.hasSuffix("_last_checkpoint") && !$0.hasSuffix("/lock")
        && !$0.contains("/trash/") && read(here, $0)?.isEmpty == false
    }
    var whole: [String: Data] = [:]
    for path in all { whole[path] = read(here, path) }
    // Of files that are alike but for their numbers, one.
    let kinds = Dictionary(grouping: all) {
      $0.replacing(#/[0-9a-f]{16,}|[0-9]+/#, with: "#")
    }
    var random = Seed("flipped bits")
    let isProof = ProcessInfo.processInfo.environment["VARVE_PROOF"] != nil
    var flips: [(path: String, place: Int)] = []
    for (_, paths) in kinds.sorted(by: { $0.key < $1.key }) where isProof || Int.random(in: 0..<4, using: &random) == 0
    {
      for path in isProof ? [paths.last!] : [paths.randomElement(using: &random)!] {
        let count = whole[path]!.count
        flips += (isProof ? Array(0..<count) : [Int.random(in: 0..<count, using: &random)]).map { (path, $0) }
      }
    }
    for (path, place) in flips {
      var flipped = whole[path]!
      flipped[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      try put(here, path, flipped)
      let table = String(path.prefix { $0 != "/" })
      let inside = String(path.dropFirst(table.count + 1))
      let comment: Comment = "byte \(place) of \(path)"
      for (question, answer) in answers(here, table) {
        #expect(answer == told[table]![question], "\(comment), \(question)")
      }
      let found = try here.warehouse.verify(table)[0].findings
      // What says which version the lists show is named by the lists. Where a record of a vacuum is damaged, or the entry
      // that removed a file, nothing vouches for what the vacuum took.
      let named = inside.hasSuffix("symlinks.json") ? "_symlink_format_manifest" : inside
      #expect(found.contains { $0.path == named }, "\(comment): \(found.map { "\($0.kind) \($0.path)" })")
      #expect(
        found.allSatisfy { $0.path == named || !$0.isDamage || table == "vacuumed" && $0.kind == "missing" },
        "\(comment): \(found.map(\.path))")
      let report = try here.warehouse.repair(table)[0]
      // The manifest of a version that was vacuumed had to be made from its data.
      if FlippedBitTests.followers.contains(where: path.contains), !path.hasPrefix("vacuumed/v00000001") {
        // A shard that nothing names is removed.
        let isMended = report.verification.isWhole && (read(here, path) ?? whole[path]) == whole[path]
        #expect(isMended && (isFile(here, path) || path.contains("/shards/")), "\(comment)")
      } else {
        #expect(!report.verification.isWhole || read(here, path) == whole[path], "\(comment)")
      }
      for (other, bytes) in whole where other != path { #expect(read(here, other) == bytes, "\(comment): \(other)") }
      try put(here, path, whole[path]!)
    }
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }
}
