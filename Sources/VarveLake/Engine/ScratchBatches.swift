import VarveTables

/// Batches laid down in a scratch file and read back as they were. What lies where is kept in memory, as the file is
/// of no use to anyone else.
struct ScratchBatches {
  private let file: ScratchFile
  private let schema: Schema
  private var blocks: [Block] = []

  private struct Block {
    var offset: Int
    var byteCount: Int
    var rowCount: Int
    /// Per column, whether its validity was written, and how many bytes of text.
    var columns: [(hasNulls: Bool, textBytes: Int)]
  }

  init(_ file: ScratchFile, schema: Schema) {
    self.file = file
    self.schema = schema
  }

  mutating func append(_ batch: Batch) throws {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(batch.byteCount)
    var columns: [(hasNulls: Bool, textBytes: Int)] = []
    for column in batch.columns {
      var textBytes = 0
      switch column.values {
      case .int64(let values): bytes.append(contentsOfMemory: values)
      case .int128(let values): bytes.append(contentsOfMemory: values)
      case .double(let values): bytes.append(contentsOfMemory: values)
      case .bytes(let values):
        bytes.append(contentsOfMemory: values.ends)
        bytes.append(contentsOf: values.bytes)
        textBytes = values.bytes.count
      }
      for isValid in column.validity { bytes.append(isValid ? 1 : 0) }
      columns.append((!column.validity.isEmpty, textBytes))
    }
    blocks.append(
      Block(offset: file.byteCount, byteCount: bytes.count, rowCount: batch.rowCount, columns: columns))
    try file.append(bytes)
  }

  func source() -> any BatchSource { Source(self) }

  private final class Source: BatchSource {
    let batches: ScratchBatches
    var nextBlock = 0
    var schema: Schema { batches.schema }

    init(_ batches: ScratchBatches) { self.batches = batches }

    func next() throws -> Batch? {
      guard nextBlock < batches.blocks.count else { return nil }
      defer { nextBlock += 1 }
      return try batches.read(batches.blocks[nextBlock])
    }
  }

  private func read(_ block: Block) throws -> Batch {
    let bytes = try file.read(at: block.offset, count: block.byteCount)
    let rows = block.rowCount
    var offset = 0
    var columns: [Column] = []
    for (field, layout) in zip(schema.fields, block.columns) {
      let values: Column.Values
      switch field.type.storage {
      case .int64: values = .int64(bytes.elements(rows, at: &offset))
      case .int128: values = .int128(bytes.elements(rows, at: &offset))
      case .double: values = .double(bytes.elements(rows, at: &offset))
      case .bytes:
        let ends: [Int] = bytes.elements(rows, at: &offset)
        values = .bytes(ByteValues(bytes: Array(bytes[offset..<offset + layout.textBytes]), ends: ends))
        offset += layout.textBytes
      }
      var validity: [Bool] = []
      if layout.hasNulls {
        validity = bytes[offset..<offset + rows].map { $0 == 1 }
        offset += rows
      }
      columns.append(Column(field.type, values, validity: validity))
    }
    return Batch(schema, columns, rowCount: rows)
  }
}

extension [UInt8] {
  fileprivate mutating func append<Plain: BitwiseCopyable>(contentsOfMemory elements: [Plain]) {
    elements.withUnsafeBytes { append(contentsOf: $0) }
  }

  fileprivate func elements<Plain: BitwiseCopyable>(_ count: Int, at offset: inout Int) -> [Plain] {
    let size = count * MemoryLayout<Plain>.stride
    precondition(offset + size <= self.count, "a scratch file holds what was written to it")
    defer { offset += size }
    guard count > 0 else { return [] }
    return [Plain](unsafeUninitializedCapacity: count) { buffer, initialized in
      withUnsafeBytes { bytes in
        UnsafeMutableRawPointer(buffer.baseAddress!)
          .copyMemory(from: bytes.baseAddress! + offset, byteCount: size)
      }
      initialized = count
    }
  }
}
