internal import VarveTables

extension Statistics {
  /// The bounds, where they are there and their order is the one of our type.
  func bounds(_ reading: LeafReading, hasTypeOrder: Bool) -> ValueBounds? {
    // Before column orders were written, only signed numbers were ordered as one would expect.
    let isSignedNumber: Bool
    switch (reading.physical, reading.conversion) {
    case (_, .float16), (_, .null), (.int96, _): return nil
    case (.int32, .unsigned32), (.int64, .unsigned64): isSignedNumber = false
    case (.boolean, _), (.int32, _), (.int64, _), (.float, _), (.double, _): isSignedNumber = true
    default: isSignedNumber = false
    }
    guard hasTypeOrder || isSignedNumber else { return nil }
    let minimum = self.minimum ?? (isSignedNumber ? legacyMinimum : nil)
    let maximum = self.maximum ?? (isSignedNumber ? legacyMaximum : nil)
    guard let minimum, let maximum, var low = Statistics.value(minimum, reading),
      var high = Statistics.value(maximum, reading)
    else { return nil }
    if case (.double(let least), .double(let greatest)) = (low, high) {
      guard !least.isNaN, !greatest.isNaN else { return nil }
      // Writers may have kept either zero.
      if least == 0 { low = .double(-0.0) }
      if greatest == 0 { high = .double(0.0) }
    }
    let isText = reading.type.storage == .bytes
    return ValueBounds(
      minimum: low, maximum: high, isMinimumExact: isMinimumExact ?? !isText, isMaximumExact: isMaximumExact ?? !isText)
  }

  private static func value(_ bytes: [UInt8], _ reading: LeafReading) -> Value? {
    let decoded = ValueBuffer(reading.decodedStorage)
    let source = ByteBuffer()
    if reading.physical == .byteArray { source.append(UInt32(bytes.count)) }
    source.append(bytes)
    var decoder = PlainDecoder(source.bytes, reading.physical, reading.byteWidth)
    let values = reading.isInPlace ? decoded : ValueBuffer(reading.type.storage)
    do {
      _ = try decoder.decode(1, into: decoded, bytesMax: .max)
      if reading.isInPlace {
        try reading.finish(values, from: 0)
      } else {
        try reading.convert(decoded, into: values)
      }
    } catch {
      return nil
    }
    withExtendedLifetime(source) {}
    switch reading.type {
    case .boolean: return .boolean(values.numbers.values(of: Int64.self)[0] != 0)
    case .int64: return .int64(values.numbers.values(of: Int64.self)[0])
    case .date: return .date(values.numbers.values(of: Int64.self)[0])
    case .timestamp: return .timestamp(values.numbers.values(of: Int64.self)[0])
    case .double: return .double(values.numbers.values(of: Double.self)[0])
    case .decimal(_, let scale):
      let isWide = values.storage == .int128
      let unscaled =
        isWide ? values.numbers.values(of: Int128.self)[0] : Int128(values.numbers.values(of: Int64.self)[0])
      return .decimal(unscaled: unscaled, scale: scale)
    case .text, .json: return .text(String(decoding: values.text.bytes, as: UTF8.self))
    }
  }
}
