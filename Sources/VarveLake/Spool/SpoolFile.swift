internal import VarveParquet
internal import VarveTables

/// Where a spool's chunks lie: a part in the making, or a scratch file.
final class SpoolFile: ByteSource, @unchecked Sendable {
  // Written by the spool's thread alone; read by others only after `seal`.
  private enum Kind {
    case part(StagedFileWriter)
    case scratch(ScratchFile)
  }

  private let kind: Kind

  init(_ staging: StagingArea, directory: String?, number: Int = 0) throws {
    if let directory {
      kind = .part(try staging.createPart(in: directory, number: number))
    } else {
      kind = .scratch(try staging.createScratch())
    }
    try write(parquetMagic)
  }

  var byteCount: Int {
    switch kind {
    case .part(let part): part.byteCount
    case .scratch(let scratch): scratch.byteCount
    }
  }

  func write(_ bytes: [UInt8]) throws {
    switch kind {
    case .part(let part): try part.write(bytes)
    case .scratch(let scratch): try scratch.append(bytes)
    }
  }

  /// Writes the chunk at the end, and returns where it begins.
  func append(_ chunk: ColumnChunk) throws -> Int {
    let offset = byteCount
    try write(chunk.bytes)
    return offset
  }

  func read(at offset: Int, count: Int) throws -> [UInt8] {
    switch kind {
    case .part(let part): try part.read(at: offset, count: count)
    case .scratch(let scratch): try scratch.read(at: offset, count: count)
    }
  }

  /// The finished data file; nil of a scratch file.
  func finishPart(_ statistics: FileStatistics) throws -> StagedFile? {
    if case .part(let part) = kind { return try part.finish(statistics: statistics) }
    return nil
  }

  /// What was written is of no use any more. A scratch file goes with its staging directory.
  func discard() throws {
    if case .part(let part) = kind { try part.discard() }
  }
}
