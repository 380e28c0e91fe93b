import Foundation
import Given
import Testing
import Varve

/// The ledger is found damaged, and made again from the logs.
@Suite struct LedgerRepairTests {
  private func ledgerPath(_ here: TemporaryWarehouse) -> String { here.warehouse.path + "/varve.sqlite" }

  /// Two tables, a feed that is there already, one that failed, and a transaction.
  private func warehouse() throws -> TemporaryWarehouse {
    let here = try TemporaryWarehouse()
    for number in 1...4 { try here.ingest("\(number).json", #"[{"n":\#(number)}]"#) }
    try here.ingest("1.json", #"[{"n":1}]"#)
    _ = try? here.ingest("bad.json", #"[{"n":"x"}]"#)
    let requests = try ["a", "b"].map { IngestRequest([try here.feed("\($0).json", #"[{"k":1}]"#)], into: $0) }
    _ = try here.warehouse.commit(TransactionRequest(requests, id: "x"))
    return here
  }

  private func done(_ here: TemporaryWarehouse) throws -> [String] {
    try here.warehouse.ingestions(state: .done).filter { $0.outcome == .committed }.map {
      "\($0.table)@\($0.version ?? 0) \($0.sources) \($0.rows.inserted)"
    }.sorted()
  }

  /// All that it says of ingestions.
  private func all(_ here: TemporaryWarehouse) throws -> [String] {
    try here.warehouse.ingestions().map { "\($0)" }
  }

  @Test func `one that is gone is made again, and says what the logs know`() throws {
    let here = try warehouse()
    let known = try done(here)
    #expect(try here.warehouse.verifyLedger().isWhole && here.warehouse.verifyLedger().missingCount == 0)
    #expect(try here.warehouse.repairLedger().restoredCount == 0)
    try FileManager.default.removeItem(atPath: ledgerPath(here))
    let verification = try here.warehouse.verifyLedger()
    #expect(verification.isWhole && verification.missingCount == 6 && verification.entryCount == nil)
    let report = try here.warehouse.repairLedger()
    #expect(report.laidAside == nil && report.restoredCount == 6)
    #expect(try here.warehouse.verifyLedger().missingCount == 0)
    #expect(try done(here) == known)
    // The same feeds are known, and a new one is noted as ever.
    #expect(try here.ingest("2.json", #"[{"n":2}]"#).outcome == .unchanged)
    try here.ingest("9.json", #"[{"n":9}]"#)
    #expect(try here.warehouse.verifyLedger().missingCount == 0)
  }

  @Test func `cut off anywhere, it is found out or of no harm, and made again`() throws {
    let here = try warehouse()
    let known = try done(here)
    let whole = try Data(contentsOf: URL(fileURLWithPath: ledgerPath(here)))
    for count in [1, 16, 99, 100, 512, 4_095, 4_096, 4_097, 8_192, whole.count - 4_096, whole.count - 1] {
      try whole.prefix(count).write(to: URL(fileURLWithPath: ledgerPath(here)))
      // SQLite does without the last bytes of a page that it does not need, and takes a byte for nothing.
      let verification = try here.warehouse.verifyLedger()
      #expect(!verification.isWhole || [1, whole.count - 1].contains(count), "\(count) bytes")
      let report = try here.warehouse.repairLedger()
      #expect(report.restoredCount == (count == whole.count - 1 && verification.isWhole ? 0 : 6), "\(count) bytes")
      #expect(try here.warehouse.verifyLedger().isWhole && done(here) == known, "\(count) bytes")
    }
  }

  @Test func `flipped anywhere, it is found out or says the same`() throws {
    let here = try warehouse()
    let (known, told) = (try done(here), try all(here))
    let whole = try Data(contentsOf: URL(fileURLWithPath: ledgerPath(here)))
    var random = Seed("ledger")
    let count = ProcessInfo.processInfo.environment["VARVE_PROOF"] == nil ? 80 : 2_000
    var found = 0
    for trial in 0..<count {
      var bytes = whole
      // The beginning decides how all else is read.
      let place = trial < 20 ? trial * 5 : Int.random(in: 0..<bytes.count, using: &random)
      bytes[place] ^= UInt8(1 << Int.random(in: 0..<8, using: &random))
      try bytes.write(to: URL(fileURLWithPath: ledgerPath(here)))
      let verification: LedgerVerification
      do {
        verification = try here.warehouse.verifyLedger()
      } catch let problem as Problem where problem.kind == .refused {
        // The number of the format: a newer Varve might have written it, and nothing is done to it.
        #expect((60..<64).contains(place))
        continue
      }
      if verification.isWhole {
        #expect(try all(here) == told, "byte \(place)")
      } else {
        found += 1
        _ = try here.warehouse.repairLedger()
        #expect(try here.warehouse.verifyLedger().isWhole && done(here) == known, "byte \(place)")
      }
    }
    #expect(found > 0)
  }

  @Test func `a flip within a text costs the entry that it belongs to, and no other`() throws {
    let here = try warehouse()
    let (known, told) = (try done(here), try all(here))
    let whole = try Data(contentsOf: URL(fileURLWithPath: ledgerPath(here)))
    // A path of a feed that is in a version, and the words of a failure that only the ledger knows.
    for (text, count) in [("2.json", 1), ("bad.json", 0)] {
      var bytes = whole
      bytes[try #require(bytes.range(of: Data(text.utf8))).lowerBound] ^= 1
      try bytes.write(to: URL(fileURLWithPath: ledgerPath(here)))
      let verification = try here.warehouse.verifyLedger()
      #expect(verification.damage.count == 1 && verification.damage[0].contains("row "), "\(verification.damage)")
      let report = try here.warehouse.repairLedger()
      #expect(report.laidAside == nil && report.removedCount == 1 && report.restoredCount == count, "\(text)")
      #expect(try here.warehouse.verifyLedger().isWhole && done(here) == known)
      let left = try all(here)
      #expect(left.count == told.count - 1 + count && left.count { told.contains($0) } >= told.count - 1)
    }
  }

  @Test func `what stands in a ledger and never was one is not run`() throws {
    let here = try warehouse()
    try Data("SQLite format 3, and then nothing".utf8).write(to: URL(fileURLWithPath: ledgerPath(here)))
    #expect(try !here.warehouse.verifyLedger().isWhole)
    #expect(try here.warehouse.repairLedger().restoredCount == 6)
  }
}
