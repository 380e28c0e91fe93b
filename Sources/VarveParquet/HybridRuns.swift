// Parquet, Encodings, "Run Length Encoding / Bit-Packing Hybrid": levels, dictionary indices, booleans of version 2.

enum HybridRuns {
  /// At least this many equal values become a run.
  private static let runValuesMin = 8

  /// The bits that numbers up to `maximum` take; 0 for 0.
  static func bitWidth(of maximum: Int) -> Int { Int.bitWidth - maximum.leadingZeroBitCount }

  /// Appends the values, each below 2^`bitWidth`; no length before them. 0 < bitWidth <= 32.
  static func encode<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ values: UnsafeBufferPointer<T>, bitWidth: Int, into out: ByteBuffer
  ) {
    guard let base = values.baseAddress else { return }
    let count = values.count
    // Packed values, and at most ten bytes of headers and values per eight input values.
    _ = out.reserve(count * bitWidth / 8 + (count / runValuesMin + 2) * 10 + bitWidth)
    var literalStart = 0
    var row = 0
    while row < count {
      let value = base[row]
      var end = row + 1
      while end < count && base[end] == value { end += 1 }
      // A packed stretch that is not the last holds whole groups of eight: the run completes the open one.
      let padding = (literalStart - row) & 7
      if end - row - padding >= runValuesMin {
        pack(base + literalStart, row + padding - literalStart, bitWidth, into: out)
        appendVarint(UInt64(end - row - padding) << 1, to: out)
        let tail = out.reserve(4)
        tail.storeBytes(of: UInt32(truncatingIfNeeded: value).littleEndian, as: UInt32.self)
        out.advance((bitWidth + 7) / 8)
        literalStart = end
      }
      row = end
    }
    pack(base + literalStart, count - literalStart, bitWidth, into: out)
  }

  /// A run of one value.
  static func encodeRun(of value: UInt8, count: Int, into out: ByteBuffer) {
    guard count > 0 else { return }
    appendVarint(UInt64(count) << 1, to: out)
    out.append(value)
  }

  static func appendVarint(_ value: UInt64, to out: ByteBuffer) {
    var rest = value
    while rest >= 0x80 {
      out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    out.append(UInt8(rest))
  }

  /// One packed stretch with its header; only the last group may be filled up with zeros.
  private static func pack<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ values: UnsafePointer<T>, _ count: Int, _ bitWidth: Int, into out: ByteBuffer
  ) {
    guard count > 0 else { return }
    let groups = (count + 7) / 8
    appendVarint(UInt64(groups) << 1 | 1, to: out)
    var target = out.reserve(groups * bitWidth)
    for group in 0..<count / 8 { packEight(values + group * 8, bitWidth, &target) }
    if count & 7 != 0 {
      var last: (T, T, T, T, T, T, T, T) = (0, 0, 0, 0, 0, 0, 0, 0)
      withUnsafeMutableBytes(of: &last) {
        let group = $0.assumingMemoryBound(to: T.self).baseAddress!
        for index in 0..<count & 7 { group[index] = values[count & ~7 + index] }
        packEight(group, bitWidth, &target)
      }
    }
    out.advance(groups * bitWidth)
  }

  /// Stores words of four bytes, and so up to three bytes more than it uses.
  @inline(__always)
  private static func packEight<T: FixedWidthInteger & UnsignedInteger>(
    _ values: UnsafePointer<T>, _ bitWidth: Int, _ target: inout UnsafeMutableRawPointer
  ) {
    var bits: UInt64 = 0
    var held = 0
    var at = target
    for index in 0..<8 {
      bits |= UInt64(truncatingIfNeeded: values[index]) &<< UInt64(truncatingIfNeeded: held)
      held &+= bitWidth
      if held >= 32 {
        at.storeBytes(of: UInt32(truncatingIfNeeded: bits), as: UInt32.self)
        at += 4
        bits &>>= 32
        held &-= 32
      }
    }
    at.storeBytes(of: UInt32(truncatingIfNeeded: bits), as: UInt32.self)
    target += bitWidth
  }
}

/// Decodes runs and packed stretches, as many values at a time as asked for. A copy of it is a place to return to.
///
/// The bytes must have `ByteBuffer.slack` readable bytes behind them, and outlive the decoder.
struct HybridDecoder {
  private var position: UnsafeRawPointer
  private let end: UnsafeRawPointer
  private let bitWidth: Int
  private var runLeft = 0
  private var runValue: UInt32 = 0
  private var packedLeft = 0
  private var packed: UnsafeRawPointer
  private var packedIndex = 0

  init(_ bytes: UnsafeRawBufferPointer, bitWidth: Int) throws(Damage) {
    guard (0...32).contains(bitWidth) else { throw Damage("values of \(bitWidth) bits") }
    position = bytes.baseAddress!
    end = position + bytes.count
    packed = position
    self.bitWidth = bitWidth
  }

  mutating func decode<T: FixedWidthInteger & UnsignedInteger>(
    into target: UnsafeMutablePointer<T>, count: Int
  ) throws(Damage) {
    // Without bits there are no bytes either.
    if bitWidth == 0 {
      target.update(repeating: 0, count: count)
      return
    }
    var done = 0
    while done < count {
      if runLeft > 0 {
        let some = min(runLeft, count - done)
        (target + done).update(repeating: T(truncatingIfNeeded: runValue), count: some)
        runLeft -= some
        done += some
      } else if packedLeft > 0 {
        let some = min(packedLeft, count - done)
        unpack(into: target + done, count: some)
        packedLeft -= some
        packedIndex += some
        done += some
      } else {
        try nextRun()
      }
    }
  }

  private func unpack<T: FixedWidthInteger & UnsignedInteger>(into target: UnsafeMutablePointer<T>, count: Int) {
    let mask: UInt64 = 1 << UInt64(bitWidth) - 1
    var bit = packedIndex * bitWidth
    for index in 0..<count {
      let word = packed.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self)
      target[index] = T(truncatingIfNeeded: word &>> UInt64(truncatingIfNeeded: bit & 7) & mask)
      bit &+= bitWidth
    }
  }

  private mutating func nextRun() throws(Damage) {
    var header: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      guard position < end, shift < 35 else { throw Damage("levels or indices end early") }
      let byte = position.load(as: UInt8.self)
      position += 1
      header |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { break }
      shift += 7
    }
    if header & 1 == 0 {
      let width = (bitWidth + 7) / 8
      guard end - position >= width else { throw Damage("levels or indices end early") }
      var value: UInt32 = 0
      for byte in 0..<width { value |= UInt32((position + byte).load(as: UInt8.self)) << UInt32(8 * byte) }
      position += width
      runLeft = Int(header >> 1)
      runValue = value
    } else {
      let groups = Int(header >> 1)
      // Some writers leave out the last group's padding.
      let available = min(groups * bitWidth, end - position)
      packed = position
      packedIndex = 0
      packedLeft = min(groups * 8, available * 8 / bitWidth)
      position += available
      guard packedLeft > 0 || groups == 0 else { throw Damage("levels or indices end early") }
    }
  }
}
