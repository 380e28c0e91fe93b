package import VarveTables

/// The least and the greatest value of a chunk: every value lies between them, NaN aside.
package struct ValueBounds: Hashable, Sendable {
  package var minimum: Value
  package var maximum: Value
  /// Whether it is one of the values, not just a bound.
  package var isMinimumExact: Bool
  package var isMaximumExact: Bool

  package init(minimum: Value, maximum: Value, isMinimumExact: Bool = true, isMaximumExact: Bool = true) {
    self.minimum = minimum
    self.maximum = maximum
    self.isMinimumExact = isMinimumExact
    self.isMaximumExact = isMaximumExact
  }
}

extension ValueBounds {
  /// Bounds of text, the lower cut to at most `bytesMax` bytes, the upper cut and rounded up; both end between code
  /// points. Nil when nothing so short is above the greatest value.
  init?(text minimum: [UInt8], _ maximum: [UInt8], bytesMax: Int) {
    let lower = minimum.count <= bytesMax ? minimum : ValueBounds.prefix(minimum, bytesMax)
    var upper: [UInt8]? = maximum
    if maximum.count > bytesMax { upper = ValueBounds.successor(of: ValueBounds.prefix(maximum, bytesMax)) }
    guard let upper, let lowerText = String(validating: lower, as: UTF8.self),
      let upperText = String(validating: upper, as: UTF8.self)
    else { return nil }
    self.init(
      minimum: .text(lowerText), maximum: .text(upperText), isMinimumExact: lower.count == minimum.count,
      isMaximumExact: maximum.count <= bytesMax)
  }

  /// The longest prefix of at most `bytesMax` bytes that ends between code points.
  private static func prefix(_ text: [UInt8], _ bytesMax: Int) -> [UInt8] {
    var end = bytesMax
    while end > 0 && text[end] & 0xC0 == 0x80 { end -= 1 }
    return Array(text[..<end])
  }

  /// The least text that is above every text starting with `prefix`: its last code point that can be raised, raised,
  /// and nothing behind it.
  private static func successor(of prefix: [UInt8]) -> [UInt8]? {
    var scalars = Array(String(decoding: prefix, as: UTF8.self).unicodeScalars)
    while let last = scalars.popLast() {
      guard last.value < 0x10FFFF else { continue }
      // Between them lie the surrogates, which are no code points of a text.
      let raised = last.value == 0xD7FF ? 0xE000 : last.value + 1
      scalars.append(Unicode.Scalar(raised)!)
      return scalars.flatMap { Array(UTF8.encode($0)!) }
    }
    return nil
  }
}

extension Statistics {
  /// As files of ours have it.
  init(nullCount: Int, bounds: ValueBounds?, type: DataType) {
    self.init(nullCount: nullCount)
    guard let bounds else { return }
    minimum = Statistics.bytes(bounds.minimum, type)
    maximum = Statistics.bytes(bounds.maximum, type)
    isMinimumExact = bounds.isMinimumExact
    isMaximumExact = bounds.isMaximumExact
  }

  /// PLAIN, texts without length.
  private static func bytes(_ value: Value, _ type: DataType) -> [UInt8] {
    func little(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    switch value {
    case .null: return []
    case .boolean(let value): return [value ? 1 : 0]
    case .int64(let value), .timestamp(let value): return little(value)
    case .date(let value): return little(Int32(truncatingIfNeeded: value))
    case .double(let value): return little(value.bitPattern)
    case .text(let value), .json(let value): return Array(value.utf8)
    case .decimal(let unscaled, _):
      if type.storage == .int64 { return little(Int64(truncatingIfNeeded: unscaled)) }
      return withUnsafeBytes(of: unscaled.bigEndian) { Array($0) }
    }
  }
}
