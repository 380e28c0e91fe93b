internal import Glibc

/// Snappy's block format, decoding only (https://github.com/google/snappy/blob/main/format_description.txt).
enum Snappy {
  /// Fills `target`, or says why it cannot.
  static func decompress(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) throws(Damage) {
    var read = 0
    var declared = 0
    var shift = 0
    while true {
      guard read < source.count, shift <= 28 else { throw damaged }
      let byte = Int(source[read])
      read += 1
      declared |= (byte & 0x7F) << shift
      if byte < 0x80 { break }
      shift += 7
    }
    guard declared == target.count else {
      throw Damage("a page holds \(declared) bytes, not \(target.count) as declared")
    }
    guard let output = target.baseAddress, let input = source.baseAddress else {
      guard target.isEmpty else { throw damaged }
      return
    }

    var written = 0
    while read < source.count {
      let tag = Int(source[read])
      read += 1
      if tag & 3 == 0 {
        var length = tag >> 2
        if length >= 60 {
          let width = length - 59
          guard source.count - read >= width else { throw damaged }
          length = 0
          for byte in 0..<width { length |= Int(source[read + byte]) << (8 * byte) }
          read += width
        }
        length += 1
        guard source.count - read >= length, target.count - written >= length else { throw damaged }
        memcpy(output + written, input + read, length)
        read += length
        written += length
      } else {
        let width = tag & 3 == 3 ? 4 : tag & 3
        guard source.count - read >= width else { throw damaged }
        var length = tag >> 2 + 1
        var offset = 0
        switch tag & 3 {
        case 1:
          length = (tag >> 2 & 7) + 4
          offset = (tag >> 5) << 8 | Int(source[read])
        case 2: offset = Int(source[read]) | Int(source[read + 1]) << 8
        default: for byte in 0..<4 { offset |= Int(source[read + byte]) << (8 * byte) }
        }
        read += width
        guard offset > 0, offset <= written, target.count - written >= length else { throw damaged }
        copy(output + written, offset: offset, length: length)
        written += length
      }
    }
    guard written == target.count else { throw damaged }
  }

  private static var damaged: Damage { Damage("snappy cannot decompress a page") }

  /// The copied bytes may overlap those that they are copied to: then they repeat.
  private static func copy(_ target: UnsafeMutableRawPointer, offset: Int, length: Int) {
    if offset >= length {
      memcpy(target, target - offset, length)
    } else {
      for byte in 0..<length {
        target.storeBytes(of: (target + byte - offset).load(as: UInt8.self), toByteOffset: byte, as: UInt8.self)
      }
    }
  }
}
