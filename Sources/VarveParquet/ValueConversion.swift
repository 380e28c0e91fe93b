internal import VarveTables

extension LeafReading {
  /// Whether decoded values are final as they are, or after a check in place.
  var isInPlace: Bool { decodedStorage == type.storage && conversion != .uuid }

  /// Finishes the values from `first` on, in place.
  func finish(_ values: ValueBuffer, from first: Int) throws(Damage) {
    let count = values.count - first
    let numbers = values.numbers.base.assumingMemoryBound(to: Int64.self) + first
    switch conversion {
    case .unsigned32: for index in 0..<count { numbers[index] &= 0xFFFF_FFFF }
    case .unsigned64:
      for index in 0..<count where numbers[index] < 0 {
        throw Damage("holds \(UInt64(bitPattern: numbers[index])), which is no int64")
      }
    case .fromMillis:
      for index in 0..<count {
        let (micros, overflows) = numbers[index].multipliedReportingOverflow(by: 1000)
        guard !overflows else { throw Damage("holds a timestamp of \(numbers[index]) milliseconds, out of range") }
        numbers[index] = micros
      }
    case .fromNanos:
      for index in 0..<count {
        let (micros, rest) = numbers[index].quotientAndRemainder(dividingBy: 1000)
        guard rest == 0 else {
          throw Damage("holds a timestamp of \(numbers[index]) nanoseconds, which microseconds cannot express")
        }
        numbers[index] = micros
      }
    case .utf8: guard values.isUTF8(from: first) else { throw Damage("holds text that is no UTF-8") }
    default: break
    }
  }

  /// Appends the finished values of `decoded`, which have another storage, to `target`.
  func convert(_ decoded: ValueBuffer, into target: ValueBuffer) throws(Damage) {
    let numbers = decoded.numbers.values(of: Int64.self)
    let text = decoded.text.base
    switch conversion {
    case .wide: for value in numbers { target.numbers.append(Int128(value)) }
    case .time(let unit): for value in numbers { try LeafReading.appendTime(value, unit, to: target) }
    case .null: throw Damage("holds values, though it is of no type")
    case .uuid:
      for index in 0..<decoded.count { LeafReading.appendUUID(text + decoded.range(index).lowerBound, to: target) }
    case .float16:
      for index in 0..<decoded.count {
        let bits = text.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
        target.numbers.append(LeafReading.double(float16: UInt16(littleEndian: bits)))
      }
    case .int96:
      for index in 0..<decoded.count { target.numbers.append(try LeafReading.micros(int96: text + index * 12)) }
    case .decimalBytes:
      for index in 0..<decoded.count {
        let range = decoded.range(index)
        let value = try LeafReading.number(UnsafeRawBufferPointer(rebasing: decoded.text.bytes[range]))
        if target.storage == .int128 {
          target.numbers.append(value)
        } else {
          guard let narrow = Int64(exactly: value) else {
            throw Damage("holds a decimal with more digits than declared")
          }
          target.numbers.append(narrow)
        }
      }
    default: preconditionFailure("a conversion in place changes no storage")
    }
  }

  private static func number(_ bytes: UnsafeRawBufferPointer) throws(Damage) -> Int128 {
    var value: Int128 = bytes.first.map { $0 >= 0x80 } ?? false ? -1 : 0
    for (index, byte) in bytes.enumerated() {
      // More than 16 bytes: those in front only repeat the sign.
      let isSign = bytes.count - index > 16
      guard !isSign || byte == UInt8(truncatingIfNeeded: value) else {
        throw Damage("holds a decimal of more than 128 bits")
      }
      if !isSign { value = value << 8 | Int128(byte) }
    }
    if bytes.count > 16, (value < 0) != (bytes[0] >= 0x80) { throw Damage("holds a decimal of more than 128 bits") }
    return value
  }

  private static func micros(int96 bytes: UnsafeRawPointer) throws(Damage) -> Int64 {
    let nanos = Int64(littleEndian: bytes.loadUnaligned(as: Int64.self))
    let julianDay = Int64(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: Int32.self)))
    guard nanos % 1000 == 0 else {
      throw Damage("holds a timestamp of \(nanos) nanoseconds of a day, which microseconds cannot express")
    }
    // 1970-01-01 is Julian day 2,440,588.
    let (days, overflows) = (julianDay - 2_440_588).multipliedReportingOverflow(by: 86_400_000_000)
    let (micros, overflowsToo) = days.addingReportingOverflow(nanos / 1000)
    guard !overflows, !overflowsToo else { throw Damage("holds a timestamp of Julian day \(julianDay), out of range") }
    return micros
  }

  private static func double(float16 bits: UInt16) -> Double {
    let magnitude: Double
    let (exponent, fraction) = (Int(bits >> 10 & 0x1F), Double(bits & 0x3FF) / 1024)
    switch exponent {
    case 0: magnitude = fraction * 0x1p-14
    case 31: magnitude = fraction == 0 ? .infinity : .nan
    default: magnitude = (1 + fraction) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
    }
    return bits & 0x8000 == 0 ? magnitude : -magnitude
  }

  private static func appendTime(_ value: Int64, _ unit: TimeUnit, to target: ValueBuffer) throws(Damage) {
    let digits = unit == .millis ? 3 : unit == .micros ? 6 : 9
    var unitsPerSecond: Int64 = 1
    for _ in 0..<digits { unitsPerSecond *= 10 }
    guard value >= 0, value < 86_400 * unitsPerSecond else { throw Damage("holds a time of day out of range") }
    var text: [UInt8] = []
    func append(_ number: Int64, width: Int) {
      var divisor: Int64 = 1
      for _ in 1..<width { divisor *= 10 }
      while divisor > 0 {
        text.append(UInt8(48 + number / divisor % 10))
        divisor /= 10
      }
    }
    let seconds = value / unitsPerSecond
    append(seconds / 3600, width: 2)
    text.append(UInt8(ascii: ":"))
    append(seconds / 60 % 60, width: 2)
    text.append(UInt8(ascii: ":"))
    append(seconds % 60, width: 2)
    if value % unitsPerSecond != 0 {
      text.append(UInt8(ascii: "."))
      append(value % unitsPerSecond, width: digits)
      while text.last == UInt8(ascii: "0") { text.removeLast() }
    }
    text.withUnsafeBytes { target.appendBytes($0.baseAddress!, $0.count) }
  }

  private static func appendUUID(_ bytes: UnsafeRawPointer, to target: ValueBuffer) {
    let hex = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for index in 0..<16 {
      if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
      let byte = Int((bytes + index).load(as: UInt8.self))
      text.append(hex[byte >> 4])
      text.append(hex[byte & 15])
    }
    text.withUnsafeBytes { target.appendBytes($0.baseAddress!, $0.count) }
  }
}
