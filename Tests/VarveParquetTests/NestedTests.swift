import Foundation
import Given
import Testing
import VarveParquet
import VarveTables

@Suite struct NestedTests {
  private func leaf(_ file: ParquetFile, _ path: String) throws -> ParquetLeafValues {
    let index = try #require(file.leafIndex(path: path.split(separator: ".").map(String.init)), "\(path)")
    return try file.readLeaf(index, rowGroup: 0)
  }

  @Test(arguments: ["v1", "v2"])
  func `lists, structures and maps are read leaf by leaf`(version: String) throws {
    let file = try ParquetFile(ByteArray(fixture("pyarrow-nested-\(version).parquet")), name: "nested")
    #expect(file.schema.fields.map(\.name) == ["id"])
    #expect(file.unreadableColumns.map(\.name) == ["tags", "inner", "map"])

    let id = try leaf(file, "id")
    #expect(spelledValues(id.values) == ["1", "2", "4"])
    #expect(id.definitionLevels == [1, 1, 0, 1])

    let tags = try leaf(file, "tags.list.element")
    #expect(spelledValues(tags.values) == ["x", "y", "z"])
    #expect(tags.definitionLevels == [3, 2, 3, 1, 0, 3])
    #expect(tags.repetitionLevels == [0, 1, 1, 0, 0, 0])

    #expect(try leaf(file, "inner.a").definitionLevels == [2, 0, 1, 2])
    #expect(try spelledValues(leaf(file, "inner.b").values) == ["one", "two"])

    let keys = try leaf(file, "map.key_value.key")
    #expect(spelledValues(keys.values) == ["k", "l", "k"])
    #expect(keys.definitionLevels == [2, 2, 1, 0, 2])
    #expect(keys.repetitionLevels == [0, 1, 0, 0, 0])
    #expect(try leaf(file, "map.key_value.value").definitionLevels == [3, 2, 1, 0, 3])

    let tagsLeaf = file.leaves[try #require(file.leafIndex(path: ["tags", "list", "element"]))]
    #expect(tagsLeaf.repetitions == [.optional, .repeated, .optional])
    #expect((0..<3).map(tagsLeaf.definitionLevel(depth:)) == [1, 2, 3])
  }

  @Test func `scanning a nested column says that it is nested`() throws {
    let file = try ParquetFile(ByteArray(fixture("pyarrow-nested-v1.parquet")), name: "nested.parquet")
    #expect(
      throws: Problem(.failed, at: ["nested.parquet", "column \"map\""], "is nested", advice: "leave the column out")
    ) {
      try file.columnIndex(named: "map")
    }
  }

  @Test func `a checkpoint of delta-rs gives its actions`() throws {
    let file = try ParquetFile(ByteArray(fixture("delta-rs-checkpoint.parquet")), name: "checkpoint")
    let rows = try #require(
      JSONSerialization.jsonObject(with: Data(fixture("delta-rs-checkpoint.rows.json"))) as? [[String: Any]])
    #expect(file.rowCount == rows.count)
    func field(_ action: String, _ name: String) -> [Any?] {
      rows.map { ($0[action] as? [String: Any])?[name] }.filter { $0 != nil && !($0 is NSNull) }
    }
    #expect(try spelledValues(leaf(file, "add.path").values) == field("add", "path").map { $0 as? String })
    #expect(try spelledValues(leaf(file, "add.size").values) == field("add", "size").map { "\($0 ?? 0)" })
    #expect(try spelledValues(leaf(file, "remove.path").values) == field("remove", "path").map { $0 as? String })
    let versions = field("protocol", "minReaderVersion").map { "\($0 ?? 0)" }
    #expect(try spelledValues(leaf(file, "protocol.minReaderVersion").values) == versions)
    // pyarrow gives a map as a list of pairs.
    let pairs = field("metaData", "configuration").flatMap { $0 as? [[Any]] ?? [] }
    let keys = try leaf(file, "metaData.configuration.key_value.key")
    #expect(spelledValues(keys.values) == pairs.map { $0[0] as? String })
    #expect(pairs.count == 2)
  }

  @Test func `what is written leaf by leaf is read back`() throws {
    var generator = Seed()
    let nodes: [ParquetNode] = [
      .group("protocol", [.int32("minReaderVersion"), .list("features", of: .text)]),
      .group("add", [.leaf("path", .text, .required), .map("partitionValues"), .leaf("size", .int64)]),
    ]
    let rows = 3_000
    var reader: ([UInt8], [Int64]) = ([], [])
    var features: ([UInt8], [UInt8], [String]) = ([], [], [])
    var paths: ([UInt8], [String]) = ([], [])
    var keys: ([UInt8], [UInt8], [String]) = ([], [], [])
    var values: ([UInt8], [String]) = ([], [])
    var sizes: ([UInt8], [Int64]) = ([], [])
    for row in 0..<rows {
      if row % 3 == 0 {
        reader.0.append(2)
        reader.1.append(Int64(row % 7))
        let count = Int.random(in: 0...3, using: &generator)
        features.0 += count == 0 ? [1] : (0..<count).map { _ in 4 }
        features.1 += count == 0 ? [0] : (0..<count).map { $0 == 0 ? 0 : 1 }
        features.2 += (0..<count).map { "feature \($0) of \(row % 11)" }
        paths.0.append(0)
        keys.0.append(0)
        keys.1.append(0)
        values.0.append(0)
        sizes.0.append(0)
      } else {
        reader.0.append(0)
        features.0.append(0)
        features.1.append(0)
        paths.0.append(1)
        paths.1.append("market=DE/part-\(generator.next()).parquet")
        keys.0 += [3, 3]
        keys.1 += [0, 1]
        keys.2 += ["market", "week"]
        values.0 += row % 5 == 0 ? [3, 4] : [4, 4]
        values.1 += row % 5 == 0 ? ["W\(row % 53)"] : ["DE", "W\(row % 53)"]
        sizes.0.append(2)
        sizes.1.append(Int64(row) * 1_000)
      }
    }
    let leaves = [
      ParquetLeafValues(values: Column(.int64, .int64(reader.1)), definitionLevels: reader.0),
      ParquetLeafValues(values: texts(features.2), definitionLevels: features.0, repetitionLevels: features.1),
      ParquetLeafValues(values: texts(paths.1), definitionLevels: paths.0),
      ParquetLeafValues(values: texts(keys.2), definitionLevels: keys.0, repetitionLevels: keys.1),
      ParquetLeafValues(values: texts(values.1), definitionLevels: values.0, repetitionLevels: keys.1),
      ParquetLeafValues(values: Column(.int64, .int64(sizes.1)), definitionLevels: sizes.0),
    ]
    for options in [
      ParquetOptions(), ParquetOptions(compression: .none, pageRowsMax: 100, dictionaryBytesMax: 300),
    ] {
      let bytes = parquetFile(nodes, rowCount: rows, leaves: leaves, keyValues: [("a", "b")], options: options)
      let file = try ParquetFile(ByteArray(bytes), name: "nested")
      #expect(file.rowCount == rows)
      #expect(file.keyValues.map(\.key) == ["a"])
      for (index, leaf) in leaves.enumerated() {
        let read = try file.readLeaf(index, rowGroup: 0)
        #expect(isEqual(read.values, leaf.values), "leaf \(index), seed \(generator.number)")
        #expect(read.definitionLevels == leaf.definitionLevels)
        #expect(read.repetitionLevels == leaf.repetitionLevels)
      }
      #expect(parquetFile(nodes, rowCount: rows, leaves: leaves, keyValues: [("a", "b")], options: options) == bytes)
    }
  }

  @Test func `a nested file without rows is read`() throws {
    let nodes: [ParquetNode] = [.group("add", [.leaf("path", .text)])]
    let bytes = parquetFile(nodes, rowCount: 0, leaves: [ParquetLeafValues(values: texts([]))])
    let file = try ParquetFile(ByteArray(bytes), name: "empty")
    #expect(file.rowCount == 0)
    #expect(file.leaves.map(\.path) == [["add", "path"]])
  }
}
