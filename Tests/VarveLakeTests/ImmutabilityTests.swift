import Foundation
import Synchronization
import Testing
import VarveLake

/// What of an immutable table must stay, and what a dead writer did not come to seal.
@Suite struct ImmutabilityTests {
  private static let day: Int64 = 86_400_000

  private func immutable(_ lake: Lake, days: Int?) throws -> Table {
    let table = try lake.warehouse.prepare("products")
    let area = try StagingArea(table.storage, transaction: lake.random.identifier())
    var metadata = lake.metadata()
    metadata.immutability = Immutability(days: days)
    _ = try lake.committer.commit(
      Commit(
        lake.stage(area, [(["DE"], "one")]), creating: table, as: metadata, staging: area,
        bookkeeping: lake.bookkeeping("i1")))
    return table
  }

  @Test func `a version is kept for its days after another took its place, and the newest always`() throws {
    let lake = try Lake()
    let start = lake.time.withLock { $0 }
    let table = try immutable(lake, days: 10)
    for _ in 0..<3 {
      lake.time.withLock { $0 += 5 * Self.day }
      try lake.append([(["DE"], "more")])
    }
    // Replaced after 5, 10 and 15 days.
    func kept(afterDays days: Int64) throws -> [Int64] {
      try table.immutableVersions(at: start + days * Self.day + Self.day / 2).sorted()
    }
    #expect(try kept(afterDays: 14).suffix(4) == [1, 2, 3, 4])
    #expect(try kept(afterDays: 15) == [2, 3, 4])
    #expect(try kept(afterDays: 20) == [3, 4])
    #expect(try kept(afterDays: 25) == [4])
    #expect(try kept(afterDays: 9_999) == [4])
    let lasting = try Lake()
    let other = try immutable(lasting, days: nil)
    try lasting.append([(["DE"], "more")])
    #expect(try other.immutableVersions(at: .max / 2).isSuperset(of: [1, 2]))
    let free = try Lake()
    try free.append([(["DE"], "one")])
    #expect(try free.warehouse.table("products")?.immutableVersions(at: start).isEmpty == true)
  }

  @Test func `what a dead writer recorded and did not seal is sealed by the next one`() throws {
    let lake = try Lake()
    _ = try immutable(lake, days: nil)
    for market in ["AT", "FR", "DE"] { try lake.append([([market], "more")]) }
    let directories = ["market=DE/v00000001", "market=AT/v00000002", "market=FR/v00000003", "market=DE/v00000004"]
    func mode(_ directory: String) throws -> Int {
      let path = "\(lake.path)/products/\(directory)"
      return (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue ?? 0
    }
    #expect(try directories.allSatisfy { try mode($0) == 0o555 })
    for directory in directories.dropFirst(2) {
      try FileManager.default.setAttributes(
        [.posixPermissions: 0o700], ofItemAtPath: "\(lake.path)/products/\(directory)")
    }
    try lake.append([(["IT"], "last")])
    #expect(try directories.allSatisfy { try mode($0) == 0o555 })
    #expect(try mode("market=IT/v00000005") == 0o555)
  }
}
