internal import Glibc
internal import VarveTables

/// The values of one page, as many at a time as asked for. A copy of it is a place to return to.
///
/// The page's bytes must have `ByteBuffer.slack` readable bytes behind them, and outlive the decoder.
enum ValueDecoder {
  case plain(PlainDecoder)
  /// Indices into the chunk's dictionary, whose values are finished.
  case dictionary(HybridDecoder, ValueBuffer)
  case booleans(HybridDecoder)
  case deltas(DeltaDecoder)
  case strings(DeltaStringsDecoder)
  case split(SplitDecoder)

  /// `valueCount` bounds what the page can hold.
  init(
    _ encoding: Encoding, _ bytes: UnsafeRawBufferPointer, _ reading: LeafReading, dictionary: ValueBuffer?,
    valueCount: Int
  ) throws(Damage) {
    let isInteger = reading.physical == .int32 || reading.physical == .int64
    let isBytes = reading.physical == .byteArray || reading.physical == .fixedLengthByteArray
    switch encoding {
    case .plain: self = .plain(PlainDecoder(bytes, reading.physical, reading.byteWidth))
    case .plainDictionary, .rleDictionary:
      guard let dictionary else { throw Damage("refers to a dictionary, but there is none") }
      // A page without a value may be without the bit width too.
      let width = bytes.first.map(Int.init) ?? 0
      let runs = UnsafeRawBufferPointer(start: bytes.baseAddress! + min(1, bytes.count), count: max(bytes.count - 1, 0))
      self = .dictionary(try HybridDecoder(runs, bitWidth: width), dictionary)
    case .rle where reading.physical == .boolean:
      guard bytes.count >= 4 else { throw Damage("a page of booleans ends early") }
      let length = Int(UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)))
      guard length <= bytes.count - 4 else { throw Damage("a page of booleans ends early") }
      let runs = UnsafeRawBufferPointer(start: bytes.baseAddress! + 4, count: length)
      self = .booleans(try HybridDecoder(runs, bitWidth: 1))
    case .deltaBinaryPacked where isInteger:
      self = .deltas(try DeltaDecoder(bytes, isNarrow: reading.physical == .int32))
    case .deltaLengthByteArray where isBytes:
      self = .strings(try DeltaStringsDecoder(bytes, hasPrefixes: false, reading.byteWidth, valueCount))
    case .deltaByteArray where isBytes:
      self = .strings(try DeltaStringsDecoder(bytes, hasPrefixes: true, reading.byteWidth, valueCount))
    case .byteStreamSplit where reading.physical != .byteArray && reading.physical != .boolean:
      self = .split(SplitDecoder(bytes, reading.physical, reading.byteWidth))
    default:
      throw Damage("has \(reading.physical) values in encoding \(encoding.rawValue), which is not supported")
    }
  }

  /// Whether what it decodes needs no conversion any more.
  var isFinished: Bool { if case .dictionary = self { true } else { false } }

  /// Appends `count` values. Returns false, and is of no more use, if their strings take more than `bytesMax` bytes:
  /// then nothing was appended.
  mutating func decode(_ count: Int, into target: ValueBuffer, bytesMax: Int) throws(Damage) -> Bool {
    guard count > 0 else { return true }
    switch self {
    case .plain(var decoder):
      defer { self = .plain(decoder) }
      return try decoder.decode(count, into: target, bytesMax: bytesMax)
    case .dictionary(var decoder, let values):
      defer { self = .dictionary(decoder, values) }
      return try ValueDecoder.gather(&decoder, values, count, into: target, bytesMax: bytesMax)
    case .booleans(var decoder):
      defer { self = .booleans(decoder) }
      try decoder.decode(into: target.reserveNumbers(count, as: UInt64.self), count: count)
      target.advanceNumbers(count)
    case .deltas(var decoder):
      defer { self = .deltas(decoder) }
      try decoder.decode(into: target.reserveNumbers(count, as: Int64.self), count: count)
      target.advanceNumbers(count)
    case .strings(var decoder):
      defer { self = .strings(decoder) }
      return try decoder.decode(count, into: target, bytesMax: bytesMax)
    case .split(var decoder):
      defer { self = .split(decoder) }
      try decoder.decode(count, into: target)
    }
    return true
  }

  private static func gather(
    _ decoder: inout HybridDecoder, _ values: ValueBuffer, _ count: Int, into target: ValueBuffer, bytesMax: Int
  ) throws(Damage) -> Bool {
    let scratch = ByteBuffer(capacity: count * 4)
    let indices = scratch.base.assumingMemoryBound(to: UInt32.self)
    try decoder.decode(into: indices, count: count)
    var greatest: UInt32 = 0
    for index in 0..<count { greatest = max(greatest, indices[index]) }
    guard Int(greatest) < values.count else {
      throw Damage("refers to entry \(greatest) of a dictionary of \(values.count)")
    }
    switch values.storage {
    case .int64, .double:
      let known = values.numbers.base.assumingMemoryBound(to: Int64.self)
      let out = target.reserveNumbers(count, as: Int64.self)
      for index in 0..<count { out[index] = known[Int(indices[index])] }
      target.advanceNumbers(count)
    case .int128:
      let known = values.numbers.base.assumingMemoryBound(to: Int128.self)
      let out = target.reserveNumbers(count, as: Int128.self)
      for index in 0..<count { out[index] = known[Int(indices[index])] }
      target.advanceNumbers(count)
    case .bytes:
      let ends = values.ends.base.assumingMemoryBound(to: Int.self)
      let out = target.ends.reserve(count * 8).assumingMemoryBound(to: Int.self)
      var end = target.text.count
      for index in 0..<count {
        let entry = Int(indices[index])
        end &+= ends[entry] - (entry == 0 ? 0 : ends[entry - 1])
        out[index] = end
      }
      let byteCount = end - target.text.count
      if byteCount > bytesMax { return false }
      var write = target.text.reserve(byteCount)
      for index in 0..<count {
        let entry = Int(indices[index])
        let start = entry == 0 ? 0 : ends[entry - 1]
        copyString(write, values.text.base + start, ends[entry] - start)
        write += ends[entry] - start
      }
      target.text.advance(byteCount)
      target.ends.advance(count * 8)
    }
    return true
  }
}

/// Copies between buffers with slack: short strings in one go, however long they are.
@inline(__always)
private func copyString(_ target: UnsafeMutableRawPointer, _ source: UnsafeRawPointer, _ count: Int) {
  if count <= 32 {
    target.storeBytes(of: source.loadUnaligned(as: SIMD4<UInt64>.self), as: SIMD4<UInt64>.self)
  } else {
    memcpy(target, source, count)
  }
}

/// Parquet, Encodings, "Plain".
struct PlainDecoder {
  private var position: UnsafeRawPointer
  private let end: UnsafeRawPointer
  private let physical: PhysicalType
  private let byteWidth: Int
  /// Booleans: bits taken.
  private var bit = 0

  init(_ bytes: UnsafeRawBufferPointer, _ physical: PhysicalType, _ byteWidth: Int) {
    position = bytes.baseAddress!
    end = position + bytes.count
    self.physical = physical
    self.byteWidth = byteWidth
  }

  mutating func decode(_ count: Int, into target: ValueBuffer, bytesMax: Int) throws(Damage) -> Bool {
    switch physical {
    case .boolean:
      guard (end - position) * 8 - bit >= count else { throw PlainDecoder.endsEarly }
      let out = target.reserveNumbers(count, as: Int64.self)
      for index in 0..<count {
        let at = bit + index
        out[index] = Int64((position + at >> 3).load(as: UInt8.self) >> UInt8(at & 7) & 1)
      }
      bit += count
      target.advanceNumbers(count)
    case .int32:
      try check(count, 4)
      let out = target.reserveNumbers(count, as: Int64.self)
      for index in 0..<count {
        out[index] = Int64(Int32(littleEndian: position.loadUnaligned(fromByteOffset: index * 4, as: Int32.self)))
      }
      position += count * 4
      target.advanceNumbers(count)
    case .float:
      try check(count, 4)
      let out = target.reserveNumbers(count, as: Double.self)
      for index in 0..<count {
        let bits = UInt32(littleEndian: position.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self))
        out[index] = Double(Float(bitPattern: bits))
      }
      position += count * 4
      target.advanceNumbers(count)
    case .int64, .double:
      try check(count, 8)
      target.numbers.append(position, count: count * 8)
      position += count * 8
    case .int96, .fixedLengthByteArray:
      try check(count, byteWidth)
      if count * byteWidth > bytesMax { return false }
      for index in 1...count { target.ends.append(target.text.count + index * byteWidth) }
      target.text.append(position, count: count * byteWidth)
      position += count * byteWidth
    case .byteArray: return try decodeStrings(count, into: target, bytesMax: bytesMax)
    }
    return true
  }

  private mutating func decodeStrings(
    _ count: Int, into target: ValueBuffer, bytesMax: Int
  ) throws(Damage) -> Bool {
    let out = target.ends.reserve(count * 8).assumingMemoryBound(to: Int.self)
    var at = position
    var textEnd = target.text.count
    for index in 0..<count {
      guard end - at >= 4 else { throw PlainDecoder.endsEarly }
      let length = Int(UInt32(littleEndian: at.loadUnaligned(as: UInt32.self)))
      guard length <= end - at - 4 else { throw PlainDecoder.endsEarly }
      at += 4 + length
      textEnd += length
      out[index] = textEnd
    }
    let byteCount = textEnd - target.text.count
    if byteCount > bytesMax { return false }
    var write = target.text.reserve(byteCount)
    var start = target.text.count
    for index in 0..<count {
      let length = out[index] - start
      start = out[index]
      copyString(write, position + 4, length)
      write += length
      position += 4 + length
    }
    target.text.advance(byteCount)
    target.ends.advance(count * 8)
    return true
  }

  private func check(_ count: Int, _ width: Int) throws(Damage) {
    guard (end - position) / width >= count else { throw PlainDecoder.endsEarly }
  }

  private static var endsEarly: Damage { Damage("a page's values end early") }
}

/// Parquet, Encodings, "Byte Stream Split": byte k of all values, for each k.
struct SplitDecoder {
  private let bytes: UnsafeRawBufferPointer
  private let physical: PhysicalType
  private let width: Int
  private let count: Int
  private var next = 0

  init(_ bytes: UnsafeRawBufferPointer, _ physical: PhysicalType, _ byteWidth: Int) {
    self.bytes = bytes
    self.physical = physical
    width = physical == .int32 || physical == .float ? 4 : physical == .int64 || physical == .double ? 8 : byteWidth
    count = bytes.count / width
  }

  mutating func decode(_ wanted: Int, into target: ValueBuffer) throws(Damage) {
    guard wanted <= count - next else { throw Damage("a page's values end early") }
    let joined = ByteBuffer()
    let out = joined.reserve(wanted * width).assumingMemoryBound(to: UInt8.self)
    for byte in 0..<width {
      let stream = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self) + byte * count + next
      for index in 0..<wanted { out[index * width + byte] = stream[index] }
    }
    joined.advance(wanted * width)
    next += wanted
    var plain = PlainDecoder(joined.bytes, physical, width)
    _ = try plain.decode(wanted, into: target, bytesMax: .max)
    withExtendedLifetime(joined) {}
  }
}

/// Parquet, Encodings, "Delta-length byte array" and, with prefixes, "Delta Strings".
struct DeltaStringsDecoder {
  /// Lengths stand before the strings and are decoded at once: a page that claims more of them is refused.
  private static let valuesMax = 1 << 24

  private let prefixes: [Int64]
  private let lengths: [Int64]
  private var next = 0
  private var position: UnsafeRawPointer
  private let end: UnsafeRawPointer
  /// Of a fixed-length byte array, else 0.
  private let byteWidth: Int
  private var previous: [UInt8] = []

  init(_ bytes: UnsafeRawBufferPointer, hasPrefixes: Bool, _ byteWidth: Int, _ valueCount: Int) throws(Damage) {
    var rest = bytes
    prefixes = hasPrefixes ? try DeltaStringsDecoder.lengths(&rest, valueCount) : []
    lengths = try DeltaStringsDecoder.lengths(&rest, valueCount)
    guard !hasPrefixes || prefixes.count == lengths.count else { throw Damage("a page's values end early") }
    position = rest.baseAddress!
    end = position + rest.count
    self.byteWidth = byteWidth
  }

  private static func lengths(_ bytes: inout UnsafeRawBufferPointer, _ valueCount: Int) throws(Damage) -> [Int64] {
    var decoder = try DeltaDecoder(bytes, isNarrow: true)
    guard decoder.count <= min(valueCount, valuesMax) else { throw Damage("a page has \(decoder.count) lengths") }
    let scratch = ByteBuffer(capacity: decoder.count * 8)
    let all = scratch.base.assumingMemoryBound(to: Int64.self)
    try decoder.decode(into: all, count: decoder.count)
    bytes = UnsafeRawBufferPointer(rebasing: bytes[(decoder.endOfDeltas - bytes.baseAddress!)...])
    // The scratch memory may be empty; `rebasing` keeps an address for an empty rest.
    return Array(UnsafeBufferPointer(start: all, count: decoder.count))
  }

  mutating func decode(_ count: Int, into target: ValueBuffer, bytesMax: Int) throws(Damage) -> Bool {
    guard count <= lengths.count - next else { throw Damage("a page's values end early") }
    var byteCount = 0
    for index in next..<next + count {
      let prefix = prefixes.isEmpty ? 0 : prefixes[index]
      guard lengths[index] >= 0, prefix >= 0 else { throw Damage("a page has a string of negative length") }
      byteCount += Int(lengths[index]) + Int(prefix)
      guard byteWidth == 0 || Int(lengths[index]) + Int(prefix) == byteWidth else {
        throw Damage("has a value that is not \(byteWidth) bytes long")
      }
    }
    if byteCount > bytesMax { return false }
    var last = target.text.count..<target.text.count
    for index in next..<next + count {
      let length = Int(lengths[index])
      guard length <= end - position else { throw Damage("a page's values end early") }
      let start = target.text.count
      if !prefixes.isEmpty, prefixes[index] > 0 {
        let prefix = Int(prefixes[index])
        if index == next {
          guard prefix <= previous.count else { throw Damage("a page has a prefix longer than the string before") }
          previous.withUnsafeBytes { target.text.append($0.baseAddress!, count: prefix) }
        } else {
          guard prefix <= last.count else { throw Damage("a page has a prefix longer than the string before") }
          _ = target.text.reserve(prefix)
          target.text.append(UnsafeRawPointer(target.text.base + last.lowerBound), count: prefix)
        }
      }
      target.text.append(position, count: length)
      position += length
      last = start..<target.text.count
      target.ends.append(target.text.count)
    }
    next += count
    if !prefixes.isEmpty { previous = Array(target.text.bytes[last]) }
    return true
  }
}
