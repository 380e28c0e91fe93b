import Given
import Testing
import VarveParquet
import VarveTables

/// Whatever is done to a file, reading it ends with rows or with a `Problem`: never with a trap, never with memory that
/// the file does not warrant.
@Suite struct HostileFileTests {
  /// Reads everything that can be read, and the leaves one by one.
  private func readEverything(_ bytes: [UInt8]) throws -> [Column] {
    let file = try ParquetFile(ByteArray(bytes), name: "hostile")
    for group in file.rowGroups.indices {
      for column in file.schema.fields.indices {
        _ = file.bounds(rowGroup: group, column: column)
        _ = try file.copyChunk(rowGroup: group, column: column)
      }
    }
    let batches = try collect(file.scan(batchRowsMax: 1_000))
    for group in file.rowGroups.indices {
      for leaf in file.leaves.indices { _ = try file.readLeaf(leaf, rowGroup: group) }
    }
    guard !batches.isEmpty else { return [] }
    return file.schema.fields.indices.map { index in joined(batches.map { $0.columns[index] }) }
  }

  private func ours() throws -> [UInt8] {
    var generator = Seed(number: 1)
    let columns = allTypes.map { randomColumn($0, rows: 60, .few, .some, using: &generator) }
    return try parquetBytes(columns, options: ParquetOptions(pageRowsMax: 25), rowsPerGroup: 40)
  }

  @Test func `a file cut short anywhere is a problem`() throws {
    let bytes = try ours()
    for count in bytes.indices {
      #expect(throws: Problem.self, "cut to \(count) bytes") { try readEverything(Array(bytes[..<count])) }
    }
  }

  @Test func `a changed byte among the pages is noticed by their checksums`() throws {
    let bytes = try ours()
    let whole = try readEverything(bytes)
    var generator = Seed()
    let footerLength = bytes[(bytes.count - 8)...].prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
    let footer = bytes.count - 8 - footerLength
    for offset in stride(from: 4, to: footer, by: 3) {
      var changed = bytes
      changed[offset] ^= UInt8(1 << Int.random(in: 0..<8, using: &generator))
      do {
        // A header's bytes have no checksum: some of them mean nothing.
        let read = try readEverything(changed)
        #expect(zip(read, whole).allSatisfy(isEqual), "byte \(offset), seed \(generator.number)")
      } catch {
        #expect(error is Problem)
      }
    }
  }

  @Test(arguments: [
    "pyarrow-encodings-v1", "pyarrow-encodings-v2", "pyarrow-snappy-v2", "pyarrow-none-v1", "duckdb-snappy-v2",
    "pyarrow-types-plain", "pyarrow-nested-v1", "pyarrow-nested-v2", "delta-rs-checkpoint", "pyarrow-int96",
    "polars-uncompressed", "duckdb-gzip-v1",
  ])
  func `changed bytes give rows or a problem`(name: String) throws {
    let bytes = try fixture("\(name).parquet")
    var generator = Seed()
    for _ in 0..<150 {
      var changed = bytes
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        // Footers are small, and most of what can go wrong is in them.
        let isFooter = Bool.random(using: &generator)
        let range = isFooter ? max(0, bytes.count - 4_000)..<bytes.count : bytes.indices
        let values: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF, UInt8.random(in: 0...255, using: &generator)]
        changed[Int.random(in: range, using: &generator)] = values.randomElement(using: &generator)!
      }
      do {
        _ = try readEverything(changed)
      } catch {
        #expect(error is Problem, "seed \(generator.number)")
      }
    }
  }

  @Test func `bytes that are no Parquet are named as such`() {
    func problem(_ bytes: [UInt8]) -> String {
      do {
        _ = try ParquetFile(ByteArray(bytes), name: "x.parquet")
        return ""
      } catch {
        return "\(error)"
      }
    }
    #expect(problem([]) == "x.parquet: is no Parquet file: it has only 0 bytes")
    #expect(problem(Array("id;name\n1;a\n2;b\n".utf8)).contains("does not start with PAR1"))
    #expect(problem(parquetMagic + [0, 0, 0, 0] + Array("PARE".utf8)).contains("encrypted"))
    #expect(problem(parquetMagic + [255, 255, 255, 255] + parquetMagic).contains("claims 4294967295 bytes"))
    #expect(problem(parquetMagic + [1, 0, 0, 0] + parquetMagic).contains("claims 1 bytes"))
    #expect(problem(parquetMagic + [0, 1, 0, 0, 0] + parquetMagic).contains("no schema"))
  }
}
