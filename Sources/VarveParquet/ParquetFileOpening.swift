extension ParquetFile {
  private static let columnsMax = 1 << 16

  /// The footer and where it starts, which is where all column chunks must have ended.
  static func readFooter(_ source: any ByteSource) throws -> (FileMetadata, Int) {
    let byteCount = source.byteCount
    // Magic, length of the footer, magic.
    guard byteCount >= 12 else { throw Damage("is no Parquet file: it has only \(byteCount) bytes") }
    let tail = try source.read(at: byteCount - 8, count: 8)
    let head = try source.read(at: 0, count: 4)
    guard Array(tail[4...]) != Array("PARE".utf8) else { throw Damage("is an encrypted Parquet file") }
    guard head == parquetMagic else { throw Damage("is no Parquet file: it does not start with PAR1", at: 0) }
    guard Array(tail[4...]) == parquetMagic else {
      throw Damage("is no whole Parquet file: it does not end with PAR1", at: byteCount - 4)
    }
    let length = Int(tail[0]) | Int(tail[1]) << 8 | Int(tail[2]) << 16 | Int(tail[3]) << 24
    guard length <= byteCount - 12 else {
      throw Damage("its footer claims \(length) bytes, more than the file has", at: byteCount - 8)
    }
    let start = byteCount - 8 - length
    let bytes = try source.read(at: start, count: length)
    do {
      return (try FileMetadata(bytes), start)
    } catch CompactError.malformed(let what, let at) {
      throw Damage("its footer has \(what)", at: start + at)
    } catch CompactError.ended {
      throw Damage("its footer ends early", at: start + length)
    }
  }

  /// Whether the footer agrees with itself and the file's size.
  static func check(_ metadata: FileMetadata, _ leaves: [ParquetLeaf], _ footerStart: Int) throws(Damage) {
    guard leaves.count <= columnsMax else {
      throw Damage("has \(leaves.count) columns; at most \(columnsMax) are read")
    }
    var rows = 0
    for (number, group) in metadata.rowGroups.enumerated() {
      let (sum, overflows) = rows.addingReportingOverflow(group.rowCount)
      guard !overflows else { throw Damage("its row groups have too many rows") }
      rows = sum
      guard group.chunks.count == leaves.count else {
        throw Damage("row group \(number) has \(group.chunks.count) columns, the schema \(leaves.count)")
      }
      for (chunk, leaf) in zip(group.chunks, leaves) {
        let name = leaf.path.joined(separator: ".")
        guard chunk.filePath == nil else { throw Damage("column \"\(name)\" lies in another file") }
        guard chunk.physical == leaf.element.physical, chunk.path == leaf.path else {
          throw Damage("row group \(number) and schema disagree on column \"\(name)\"")
        }
        guard leaf.maxRepetition > 0 || chunk.valueCount == group.rowCount else {
          throw Damage("column \"\(name)\" has \(chunk.valueCount) values in \(group.rowCount) rows")
        }
        guard chunk.statistics?.nullCount ?? 0 <= chunk.valueCount else {
          throw Damage("column \"\(name)\" claims more nulls than values")
        }
        _ = try chunk.range(in: footerStart)
      }
    }
    guard rows == metadata.rowCount else {
      throw Damage("it claims \(metadata.rowCount) rows, its row groups have \(rows)")
    }
  }
}

extension LeafChunkMetadata {
  /// Where the chunk lies in a file whose chunks end before `limit`.
  func range(in limit: Int) throws(Damage) -> Range<Int> {
    // Some old writers leave the offset at 0 where there is no dictionary.
    var start = dataPageOffset
    if let dictionary = dictionaryPageOffset, dictionary >= 4, dictionary < start { start = dictionary }
    guard start >= 4 || byteCount == 0, start <= limit, byteCount <= limit - start else {
      throw Damage("column \"\(path.joined(separator: "."))\" lies beyond the file's end", at: start)
    }
    return start..<start + byteCount
  }
}
