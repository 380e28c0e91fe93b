// Parquet, Encodings, "Delta Encoding" (DELTA_BINARY_PACKED).

enum DeltaRuns {
  private static let blockValues = 128
  private static let miniblockValues = 32

  /// Appends the values of a page; `isNarrow` when they are stored as 32 bits.
  static func encode(_ values: UnsafeBufferPointer<Int64>, isNarrow: Bool, into out: ByteBuffer) {
    HybridRuns.appendVarint(UInt64(blockValues), to: out)
    HybridRuns.appendVarint(UInt64(blockValues / miniblockValues), to: out)
    HybridRuns.appendVarint(UInt64(values.count), to: out)
    HybridRuns.appendVarint(zigzag(values.first ?? 0), to: out)
    guard values.count > 1, let base = values.baseAddress else { return }
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: blockValues) { block in
      let deltas = block.baseAddress!
      var next = 1
      while next < values.count {
        let count = min(blockValues, values.count - next)
        var minimum = Int64.max
        for index in 0..<count {
          var delta = base[next + index] &- base[next + index - 1]
          if isNarrow { delta = Int64(Int32(truncatingIfNeeded: delta)) }
          deltas[index] = delta
          minimum = min(minimum, delta)
        }
        appendBlock(deltas, count, minimum, isNarrow, to: out)
        next += count
      }
    }
  }

  /// Miniblocks without a value have width 0 and no bytes; the last one with values is filled up.
  private static func appendBlock(
    _ deltas: UnsafeMutablePointer<Int64>, _ count: Int, _ minimum: Int64, _ isNarrow: Bool, to out: ByteBuffer
  ) {
    HybridRuns.appendVarint(zigzag(minimum), to: out)
    let mask: UInt64 = isNarrow ? 0xFFFF_FFFF : .max
    for index in 0..<blockValues {
      let above = index < count ? UInt64(bitPattern: deltas[index] &- minimum) & mask : 0
      deltas[index] = Int64(bitPattern: above)
    }
    let miniblocks = blockValues / miniblockValues
    var widths: UInt32 = 0
    for miniblock in 0..<miniblocks {
      var all: UInt64 = 0
      for index in 0..<miniblockValues { all |= UInt64(bitPattern: deltas[miniblock * miniblockValues + index]) }
      widths |= UInt32(64 - all.leadingZeroBitCount) << UInt32(8 * miniblock)
    }
    out.append(widths.littleEndian)
    for miniblock in 0..<miniblocks where miniblock * miniblockValues < count {
      let width = Int(widths >> UInt32(8 * miniblock) & 0xFF)
      pack(deltas + miniblock * miniblockValues, width, into: out)
    }
  }

  private static func pack(_ values: UnsafePointer<Int64>, _ width: Int, into out: ByteBuffer) {
    guard width > 0 else { return }
    let byteCount = miniblockValues * width / 8
    var target = out.reserve(byteCount)
    var bits: UInt64 = 0
    var held = 0
    for index in 0..<miniblockValues {
      let value = UInt64(bitPattern: values[index])
      bits |= value &<< UInt64(truncatingIfNeeded: held)
      held &+= width
      if held >= 64 {
        target.storeBytes(of: bits, as: UInt64.self)
        target += 8
        held &-= 64
        bits = held == 0 ? 0 : value &>> UInt64(truncatingIfNeeded: width &- held)
      }
    }
    target.storeBytes(of: bits, as: UInt64.self)
    out.advance(byteCount)
  }

  private static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: value << 1 ^ value >> 63) }
}

/// Decodes a page's deltas, as many values at a time as asked for. A copy of it is a place to return to.
///
/// The bytes must have `ByteBuffer.slack` readable bytes behind them, and outlive the decoder.
struct DeltaDecoder {
  private static let blockValuesMax = 1 << 16

  /// How many values the page says it has.
  let count: Int
  private let isNarrow: Bool
  private var position: UnsafeRawPointer
  private let end: UnsafeRawPointer
  private let miniblockValues: Int
  private let miniblocks: Int
  private var delivered = 0
  private var value: Int64
  private var minimum: Int64 = 0
  /// The widths of the open block; after them the miniblocks.
  private var widths: UnsafeRawPointer
  private var miniblock: Int
  private var miniblockIndex = 0
  private var packed: UnsafeRawPointer
  private var width = 0
  private var miniblockLeft = 0

  init(_ bytes: UnsafeRawBufferPointer, isNarrow: Bool) throws(Damage) {
    var cursor = bytes.baseAddress!
    end = cursor + bytes.count
    let blockValues = try DeltaDecoder.varint(&cursor, end)
    let miniblocks = try DeltaDecoder.varint(&cursor, end)
    let count = try DeltaDecoder.varint(&cursor, end)
    let first = try DeltaDecoder.varint(&cursor, end)
    guard blockValues > 0, blockValues <= DeltaDecoder.blockValuesMax, blockValues % 128 == 0, miniblocks > 0,
      miniblocks <= blockValues, blockValues % miniblocks == 0, blockValues / miniblocks % 32 == 0,
      count <= UInt64(Int32.max)
    else { throw Damage("deltas in blocks of \(blockValues) values and \(miniblocks) miniblocks") }
    self.count = Int(count)
    self.isNarrow = isNarrow
    self.miniblocks = Int(miniblocks)
    miniblockValues = Int(blockValues / miniblocks)
    value = Int64(bitPattern: first >> 1) ^ -Int64(bitPattern: first & 1)
    if isNarrow { value = Int64(Int32(truncatingIfNeeded: value)) }
    position = cursor
    widths = cursor
    packed = cursor
    miniblock = Int(miniblocks)
  }

  /// Where the deltas end, once all `count` values are decoded: a last miniblock is filled up.
  var endOfDeltas: UnsafeRawPointer { position }

  mutating func decode(into target: UnsafeMutablePointer<Int64>, count wanted: Int) throws(Damage) {
    guard wanted <= count - delivered else { throw Damage("deltas end early") }
    var done = 0
    if delivered == 0 && wanted > 0 {
      target[0] = value
      done = 1
    }
    while done < wanted {
      if miniblockLeft == 0 { try nextMiniblock() }
      let some = min(miniblockLeft, wanted - done)
      add(some, into: target + done)
      miniblockLeft -= some
      miniblockIndex += some
      done += some
    }
    delivered += wanted
  }

  private mutating func add(_ some: Int, into target: UnsafeMutablePointer<Int64>) {
    var last = value
    let mask: UInt64 = width == 64 ? .max : 1 << UInt64(width) - 1
    var bit = miniblockIndex * width
    for index in 0..<some {
      let low = packed.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self)
      let shift = UInt64(truncatingIfNeeded: bit & 7)
      var delta = low &>> shift
      if width > 57 && shift > 0 {
        let high = packed.loadUnaligned(fromByteOffset: bit >> 3 + 8, as: UInt8.self)
        delta |= UInt64(high) &<< (64 - shift)
      }
      last = last &+ minimum &+ Int64(bitPattern: delta & mask)
      if isNarrow { last = Int64(Int32(truncatingIfNeeded: last)) }
      target[index] = last
      bit &+= width
    }
    value = last
  }

  private mutating func nextMiniblock() throws(Damage) {
    if miniblock == miniblocks {
      let raw = try DeltaDecoder.varint(&position, end)
      minimum = Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
      guard end - position >= miniblocks else { throw Damage("deltas end early") }
      widths = position
      position += miniblocks
      miniblock = 0
    }
    width = Int((widths + miniblock).load(as: UInt8.self))
    guard width <= 64 else { throw Damage("deltas of \(width) bits") }
    let byteCount = miniblockValues * width / 8
    guard end - position >= byteCount else { throw Damage("deltas end early") }
    packed = position
    position += byteCount
    miniblock += 1
    miniblockIndex = 0
    miniblockLeft = miniblockValues
  }

  private static func varint(_ cursor: inout UnsafeRawPointer, _ end: UnsafeRawPointer) throws(Damage) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      guard cursor < end, shift < 64 else { throw Damage("deltas end early") }
      let byte = cursor.load(as: UInt8.self)
      cursor += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
  }
}
