import Foundation
import Synchronization
import Testing
import VarveJSON
import VarveLake
import VarveTables

@Suite struct CommitTests {
  @Test func `the first feed makes version 1 and every later one the next`() throws {
    let lake = try Lake()
    #expect(try lake.append([(["DE"], "aa"), ([nil], "b")]).version == 1)
    lake.time.withLock { $0 += 1000 }
    #expect(try lake.append([(["DE"], "ccc")]).version == 2)

    let table = try lake.table()
    let now = try table.snapshot()
    #expect(now.version == 2)
    #expect(now.timestamp == 1_700_000_001_000)
    let files = try now.files()
    #expect(files.map(\.partition) == [[nil], ["DE"], ["DE"]])
    #expect(
      files.map { Layout.parent($0.path) } == [
        "market=__HIVE_DEFAULT_PARTITION__/v00000001", "market=DE/v00000001", "market=DE/v00000002",
      ])
    #expect(files.map { $0.statistics?.rowCount } == [1, 2, 3])
    #expect(try now.open(files[2]).read(at: 0, count: 3) == Array("ccc".utf8))
    #expect(try now.rowCount() == 6)
    #expect(try table.snapshot(at: .version(1)).files().count == 2)
    #expect(try table.snapshot(at: .version(0)).files().isEmpty)
    #expect(throws: Problem.self) { try table.snapshot(at: .version(3)) }
    #expect(try lake.warehouse.tableNames() == ["products"])
    #expect(try lake.paths().filter { $0.hasPrefix("_varve/staging/") } == [])
    #expect(now.metadata.key == ["id"])
  }

  @Test func `a snapshot opens from a copy without lock or ledger`() throws {
    let lake = try Lake()
    try lake.append([(["DE"], "aa")])
    let copy = lake.directory.path + "/copy"
    try FileManager.default.copyItem(atPath: lake.path + "/products", toPath: copy)
    try FileManager.default.removeItem(atPath: copy + "/_varve")
    let before = try FileManager.default.subpathsOfDirectory(atPath: copy)
    let table = try #require(try Table.open(copy))
    #expect(try table.snapshot().files().count == 1)
    #expect(try table.history().map(\.version) == [1, 0])
    #expect(try FileManager.default.subpathsOfDirectory(atPath: copy) == before)
  }

  @Test func `each manifest is named by the entry and leads to all files of its partition`() throws {
    let lake = try Lake()
    for number in 1...70 { try lake.append([(["DE"], "file \(number)")]) }
    let table = try lake.table()
    var depths: [Int] = []
    for version in 1...70 {
      let entry = try table.log.entry(existing: Int64(version))
      let reference = try #require(entry.bookkeeping?.manifests.first)
      let manifest = try Manifest.read(reference, table.storage)
      depths.append(manifest.depth)
      #expect(try Manifest.files(of: reference, table.storage).count == version)
      #expect(entry.bookkeeping?.previousEntry == (try table.log.entry(existing: Int64(version - 1)).sha256))
    }
    #expect(Array(depths.prefix(66)) == [0] + Array(1...63) + [0, 1])
    let files = Set(try table.snapshot().files().map(\.path))
    let newest = try #require(try Proxy.read(table.storage)).index.manifest(of: "market=DE", table.storage)
    #expect(Set(try Manifest.files(of: try #require(newest), table.storage).map(\.path)) == files)
  }

  @Test func `a manifest holds no version and no clock`() throws {
    func manifest(after commits: Int) throws -> [UInt8] {
      let lake = try Lake()
      lake.time.withLock { $0 += Int64(commits) * 12345 }
      for _ in 0..<commits { try lake.append([(["AT"], "x")]) }
      let base = try lake.warehouse.table("products")?.snapshot()
      let table = try lake.warehouse.prepare("products")
      let area = try StagingArea(table.storage, transaction: "t")
      let change = try lake.stage(area, [(["DE"], "aa")])
      let bookkeeping = lake.bookkeeping("same", feed: "same")
      let version = try lake.committer.commit(
        base.map { Commit(change, to: table, base: $0, staging: area, bookkeeping: bookkeeping) }
          ?? Commit(change, creating: table, as: lake.metadata(), staging: area, bookkeeping: bookkeeping)
      ).version
      let directory = Layout.versionDirectory(partition: "market=DE", version: version)
      return try #require(try table.storage.read("\(directory)/_manifest.json"))
    }
    #expect(try manifest(after: 0) == manifest(after: 3))
  }

  @Test func `files are struck and a partition that becomes empty has no manifest`() throws {
    let lake = try Lake()
    try lake.append([(["DE"], "aa"), (["AT"], "b")])
    try lake.append([(["DE"], "cc")])
    let table = try lake.table()
    func remove(_ files: [LiveFile]) throws {
      let base = try table.snapshot()
      let area = try StagingArea(table.storage, transaction: lake.random.identifier())
      let change = try lake.stage(area, [], removing: files, reads: .everything)
      let commit = Commit(change, to: table, base: base, staging: area, bookkeeping: lake.bookkeeping("delete"))
      _ = try lake.committer.commit(commit)
    }
    let first = try table.snapshot().files()
    try remove([first[0], first[1]])
    #expect(try table.snapshot().files().map(\.path) == [first[2].path])
    var index = try #require(try Proxy.read(table.storage)).index
    #expect(try index.manifest(of: "market=AT", table.storage) == nil)
    let reference = try #require(try index.manifest(of: "market=DE", table.storage))
    #expect(try Manifest.files(of: reference, table.storage).map(\.path) == [first[2].path])
    try remove([first[2]])
    #expect(try table.snapshot().files().isEmpty)
    index = try #require(try Proxy.read(table.storage)).index
    #expect(try index.manifests(table.storage).isEmpty)
    try lake.append([(["DE"], "again")])
    #expect(try table.snapshot().files().count == 1)
    #expect(try table.snapshot(at: .version(2)).files().map(\.path) == first.map(\.path))
  }

  @Test func `the same feed committed meanwhile is found under the lock`() throws {
    let lake = try Lake()
    try lake.append([(["DE"], "aa")])
    let base = try lake.table().snapshot()
    let table = try lake.table()
    func attempt() throws -> CommitOutcome {
      let area = try StagingArea(table.storage, transaction: lake.random.identifier())
      return try lake.committer.commit(
        Commit(
          try lake.stage(area, [(["DE"], "bb")]), to: table, base: base, staging: area,
          bookkeeping: lake.bookkeeping("i", feed: "feed")))
    }
    #expect(try attempt().version == 2)
    guard case .alreadyIngested(let version) = try attempt() else {
      Issue.record("the feed was committed twice")
      return
    }
    #expect(version == 2)
    #expect(try table.snapshot().version == 2)
    let record = try #require(try table.ingested(lake.bookkeeping("i", feed: "feed").sources[0]))
    #expect(record.version == 2)
  }

  @Test func `a blind append goes beside what others committed, and a reader of it is planned anew or refused`() throws
  {
    let lake = try Lake()
    try lake.append([(["DE"], "aa")])
    let table = try lake.table()
    let base = try table.snapshot()
    try lake.append([(["DE"], "bb")])

    func attempt(_ reads: ReadSet, replan: (@Sendable (Snapshot) throws -> StagedChange?)? = nil) throws
      -> CommitOutcome
    {
      let area = try StagingArea(table.storage, transaction: lake.random.identifier())
      let change = try lake.stage(area, [(["DE"], "cc")], reads: reads)
      return try lake.committer.commit(
        Commit(change, to: table, base: base, staging: area, bookkeeping: lake.bookkeeping("i"), replan: replan))
    }
    #expect(try attempt(.nothing).version == 3)
    #expect(try attempt(.partitions([["AT"]])).version == 4)
    #expect(throws: Overtaken.self) { try attempt(.partitions([["DE"]])) }
    #expect(throws: Overtaken.self) { try attempt(.everything) }
    guard case .unchanged(4) = try attempt(.everything, replan: { _ in nil }) else {
      Issue.record("a change that is none was committed")
      return
    }
    let area = try StagingArea(table.storage, transaction: "again")
    let replanned = try lake.committer.commit(
      Commit(
        try lake.stage(area, [(["DE"], "old plan")], reads: .everything), to: table, base: base, staging: area,
        bookkeeping: lake.bookkeeping("i"),
        replan: { head in
          #expect(head.version == 4)
          return try lake.stage(area, [(["DE"], "new plan")], reads: .everything)
        }))
    #expect(replanned.version == 5)
    let last = try #require(try table.snapshot().files().last)
    #expect(try table.storage.read(last.path) == Array("new plan".utf8))
    #expect(try lake.paths().filter { $0.hasPrefix("_varve/staging/") } == [])
  }

  @Test func `a stranger who takes the version first is kept, and the commit goes behind it`() throws {
    let lake = try Lake()
    try lake.append([(["DE"], "aa")])
    var committer = lake.committer
    committer.willRecord = { version in
      if version < 4 { try lake.strange(version, adding: "market=DE/strange-\(version).parquet", market: "DE") }
    }
    #expect(try lake.append([(["DE"], "bb"), (["AT"], "c")], committer: committer).version == 4)
    let table = try lake.table()
    let files = try table.snapshot().files()
    #expect(
      files.map(\.path).map(Layout.parent) == [
        "market=AT/v00000004", "market=DE/v00000001", "market=DE/v00000004", "market=DE", "market=DE",
      ])
    #expect(try lake.paths().filter { $0.contains("v00000002") || $0.contains("v00000003") } == [])
    let reference = try #require(
      try table.log.entry(existing: 4).bookkeeping?.manifests.first { $0.path.hasPrefix("market=DE/") })
    let manifest = try Manifest.read(reference, table.storage)
    #expect(manifest.predecessor == .log(version: 3, sha256: try table.log.entry(existing: 3).sha256))
    #expect(manifest.kept?.count == 3)
    #expect(try table.log.entry(existing: 4).bookkeeping?.previousEntry == table.log.entry(existing: 3).sha256)
    #expect(try table.history().map { $0.bookkeeping == nil } == [false, true, true, false, false])
  }

  @Test func `times grow strictly and stand in the file's time too`() throws {
    let lake = try Lake()
    for _ in 0..<3 { try lake.append([(["DE"], "aa")]) }
    lake.time.withLock { $0 -= 5000 }
    try lake.append([(["DE"], "aa")])
    let table = try lake.table()
    let times = try table.history().reversed().map(\.timestamp)
    #expect(times == (0...4).map { 1_700_000_000_000 + $0 })
    for version in 0...4 {
      let status = try #require(try table.storage.status(Layout.logEntry(Int64(version))))
      #expect(status.modificationMilliseconds == times[version])
    }
    #expect(try table.snapshot(at: .time(1_700_000_000_002)).version == 2)
    #expect(try table.snapshot(at: .time(1_800_000_000_000)).version == 4)
    #expect(throws: Problem.self) { try table.snapshot(at: .time(1_699_999_999_999)) }
  }

  @Test func `a version that is not published leaves readers where they are`() throws {
    let lake = try Lake()
    try lake.append([(["DE"], "aa")])
    let table = try lake.table()
    let area = try StagingArea(table.storage, transaction: "t")
    var bookkeeping = lake.bookkeeping("i")
    bookkeeping.publishes = false
    _ = try lake.committer.commit(
      Commit(
        try lake.stage(area, [(["DE"], "bb")]), to: table, base: try table.snapshot(), staging: area,
        bookkeeping: bookkeeping))
    #expect(try table.snapshot().version == 1)
    #expect(try table.snapshot(at: .head).version == 2)
    try lake.append([(["DE"], "cc")])
    #expect(try table.snapshot().version == 1)
    #expect(try Proxy.read(table.storage)?.mode == .held)
    #expect(try Proxy.history(table.storage).map(\.version) == [1])
  }

  @Test func `properties and schema change with the data`() throws {
    let lake = try Lake()
    try lake.append([(["DE"], "aa")])
    let table = try lake.table()
    let base = try table.snapshot()
    let area = try StagingArea(table.storage, transaction: "t")
    var schema = Lake.schema
    schema.fields.append(Field("Grösse", .json, header: "Grösse (cm)", aliases: ["size, cm"], nulls: ["-"]))
    _ = try lake.committer.commit(
      Commit(
        try lake.stage(area, [(["DE"], "bb")], schema: schema), to: table, base: base, staging: area,
        bookkeeping: lake.bookkeeping("i"), properties: ["varve.mode": "merge"]))
    let now = try table.snapshot()
    #expect(now.schema == schema)
    #expect(now.metadata[.mode] == "merge")
    #expect(now.metadata.properties["delta.enableExpiredLogCleanup"] == "false")
    #expect(try table.snapshot(at: .version(1)).schema == Lake.schema)
    #expect(throws: Overtaken.self) {
      let area = try StagingArea(table.storage, transaction: "late")
      return try lake.committer.commit(
        Commit(
          try lake.stage(area, [(["DE"], "cc")]), to: table, base: base, staging: area,
          bookkeeping: lake.bookkeeping("i")))
    }
  }

  @Test func `eight threads append at once and none is lost`() async throws {
    let lake = try Lake()
    try lake.append([(["DE"], "aa")])
    let base = try lake.table().snapshot()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for thread in 0..<8 {
        group.addTask {
          for number in 0..<10 {
            let table = try #require(try lake.warehouse.table("products"))
            let area = try StagingArea(table.storage, transaction: "t-\(thread)-\(number)")
            let change = try lake.stage(area, [([thread % 2 == 0 ? "DE" : "AT"], "\(thread)/\(number)")])
            _ = try lake.committer.commit(
              Commit(change, to: table, base: base, staging: area, bookkeeping: lake.bookkeeping("i")))
          }
        }
      }
      try await group.waitForAll()
    }
    let table = try lake.table()
    let now = try table.snapshot()
    #expect(now.version == 81)
    var texts = Set<String>()
    for file in try now.files() {
      texts.insert(String(decoding: try #require(try table.storage.read(file.path)), as: UTF8.self))
    }
    #expect(texts.count == 81)
    let index = try #require(try Proxy.read(table.storage)).index
    for (key, reference) in try index.manifests(table.storage) {
      let expected = try now.files { ["market=\($0[0] ?? "")"] == [key] }.map(\.path)
      #expect(Set(try Manifest.files(of: reference, table.storage).map(\.path)) == Set(expected))
    }
  }

  @Test func `what readers are shown is pinned, held and set free again`() throws {
    let lake = try Lake()
    for _ in 0..<3 { try lake.append([(["DE"], "aa")]) }
    let table = try lake.table()
    try table.publish(2, reason: "rolled back") { _, _ in .pinned }
    #expect(try table.snapshot().version == 2)
    try lake.append([(["DE"], "aa")])
    #expect(try table.snapshot().version == 2)
    #expect(try table.snapshot(at: .head).version == 4)
    let shown = try #require(try Proxy.read(table.storage))
    let reference = try #require(try shown.index.manifest(of: "market=DE", table.storage))
    #expect(try Manifest.files(of: reference, table.storage).count == 2)
    try table.publish(table.snapshot(at: .head).version, reason: "released") { _, _ in .follow }
    #expect(try table.snapshot().version == 4)
    try lake.append([(["DE"], "aa")])
    #expect(try table.snapshot().version == 5)
    #expect(try Proxy.history(table.storage).map(\.reason) == ["rolled back", "released"])
    #expect(throws: Problem.self) { try table.publish(9, reason: "") { _, _ in .pinned } }
  }

  @Test(arguments: [
    "", "_delta_log", "_varve", "_varve/lock", "_varve/staging", "_varve/proxy", "_varve/proxy/shards", "_proxy.json",
    "_delta_log/00000000000000000001.json", "market=DE",
  ])
  func `a symbolic link planted at any place of a table is refused and its target untouched`(_ place: String) throws {
    let lake = try Lake()
    try lake.append([(["DE"], "aa")])
    let path = lake.path + "/products" + (place.isEmpty ? "" : "/" + place)
    let outside = lake.directory.path + "/outside"
    try FileManager.default.moveItem(atPath: path, toPath: outside)
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: outside)
    func contents() throws -> [String: Data?] {
      let names = [""] + (FileManager.default.subpaths(atPath: outside) ?? [])
      return Dictionary(
        uniqueKeysWithValues: names.map { ($0, FileManager.default.contents(atPath: outside + "/" + $0)) })
    }
    let before = try contents()
    #expect(throws: Problem.self) { try lake.append([(["DE"], "bb")]) }
    #expect(try contents() == before)
  }
}
