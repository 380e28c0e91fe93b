internal import VarveTables

/// The values of one leaf in one row group, with their levels, decoded page by page.
final class LeafChunkReader {
  let reading: LeafReading
  private let pages: ChunkPages
  private let maxDefinition: Int
  private let maxRepetition: Int
  /// Values, null ones too, that the chunk still has to deliver, those of the open page among them.
  private(set) var valuesLeft: Int

  private let body = ByteBuffer()
  private var dictionary: ValueBuffer?
  private var pageOffset = 0
  private var pageLeft = 0
  private var pageEncoding = Encoding.plain
  private var pageValues = UnsafeRawBufferPointer(start: nil, count: 0)
  private var state = PageState()
  /// Values whose conversion changes their storage.
  private let decoded: ValueBuffer
  private let levels = ByteBuffer()

  /// Where decoding stands within the page; a copy of it is a place to return to.
  private struct PageState {
    var definitions: HybridDecoder?
    var repetitions: HybridDecoder?
    /// Nil before the page's first value that is not null.
    var values: ValueDecoder?
  }

  init(
    _ source: any ByteSource, _ range: Range<Int>, codec: Codec, valueCount: Int, _ reading: LeafReading,
    maxDefinition: Int, maxRepetition: Int
  ) {
    self.reading = reading
    self.maxDefinition = maxDefinition
    self.maxRepetition = maxRepetition
    pages = ChunkPages(source, range, codec)
    valuesLeft = valueCount
    decoded = ValueBuffer(reading.decodedStorage)
  }

  /// Passes over values, whole pages without reading them. Only for leaves that are not repeated.
  func skip(_ count: Int) throws {
    var left = count
    let scratch = ValueBuffer(reading.type.storage)
    while left > 0 {
      if pageLeft == 0 { left -= try openPage(passing: left) }
      guard left > 0 else { break }
      let some = min(left, pageLeft, 4096)
      var taken = 0
      while taken < some {
        scratch.removeAll()
        taken += try step(some - taken, into: scratch, bytesMax: 16 << 20).values
      }
      left -= some
    }
  }

  /// Appends up to `count` values to `target`, fewer when their strings would take more than `bytesMax` bytes, but at
  /// least one; each that is null takes a slot if `isSpread`. Levels are appended to the buffers given.
  /// Returns how many values, and how many of them are null; 0 at the chunk's end.
  func read(
    _ count: Int, into target: ValueBuffer, bytesMax: Int, isSpread: Bool, definitions: ByteBuffer? = nil,
    repetitions: ByteBuffer? = nil
  ) throws -> (values: Int, nulls: Int) {
    var values = 0
    var nulls = 0
    while values < count, valuesLeft > 0 {
      if pageLeft == 0 { _ = try openPage(passing: 0) }
      let isBytes = reading.type.storage == .bytes
      if values > 0, isBytes, target.text.count >= bytesMax { break }
      let wanted = min(count - values, pageLeft, isBytes ? 2048 : 1 << 16)
      let room = max(1, bytesMax - target.text.count)
      let base = target.count
      let done = try step(
        wanted, into: target, bytesMax: room, mayStop: values > 0, definitions: definitions, repetitions: repetitions)
      if done.values == 0 { break }
      if isSpread && done.nulls > 0 {
        target.spread(
          from: base, levels.values(of: UInt8.self).baseAddress!, rows: done.values, full: UInt8(maxDefinition))
      }
      values += done.values
      nulls += done.nulls
    }
    return (values, nulls)
  }

  /// Decodes up to `wanted` values of the open page, halving their number while their strings take too much; with
  /// `mayStop`, none rather than one that does.
  private func step(
    _ wanted: Int, into target: ValueBuffer, bytesMax: Int, mayStop: Bool = false, definitions: ByteBuffer? = nil,
    repetitions: ByteBuffer? = nil
  ) throws -> (values: Int, nulls: Int) {
    let at = pageOffset
    do {
      var count = wanted
      var bytesMax = bytesMax
      while true {
        let start = state
        levels.removeAll()
        var full = count
        if state.definitions != nil {
          let level = levels.reserve(count).assumingMemoryBound(to: UInt8.self)
          try state.definitions!.decode(into: level, count: count)
          levels.advance(count)
          full = 0
          var greatest: UInt8 = 0
          for index in 0..<count {
            full += level[index] == UInt8(truncatingIfNeeded: maxDefinition) ? 1 : 0
            greatest = max(greatest, level[index])
          }
          guard Int(greatest) <= maxDefinition else { throw Damage("a definition level of \(greatest)") }
        }
        guard try decodeValues(full, into: target, bytesMax: bytesMax) else {
          state = start
          if count > 1 {
            count /= 2
          } else if mayStop {
            return (0, 0)
          } else {
            bytesMax = .max
          }
          continue
        }
        definitions?.append(levels)
        if let repetitions {
          let level = repetitions.reserve(count).assumingMemoryBound(to: UInt8.self)
          level.update(repeating: 0, count: count)
          try state.repetitions?.decode(into: level, count: count)
          for index in 0..<count where Int(level[index]) > maxRepetition {
            throw Damage("a repetition level of \(level[index])")
          }
          repetitions.advance(count)
        }
        pageLeft -= count
        valuesLeft -= count
        return (count, count - full)
      }
    } catch let damage as Damage {
      throw Damage(damage.what, at: damage.offset ?? at)
    }
  }

  private func decodeValues(_ count: Int, into target: ValueBuffer, bytesMax: Int) throws(Damage) -> Bool {
    guard count > 0 else { return true }
    var decoder: ValueDecoder
    if let values = state.values {
      decoder = values
      // No second reference to what the decoder may change.
      state.values = nil
    } else {
      decoder = try ValueDecoder(pageEncoding, pageValues, reading, dictionary: dictionary, valueCount: pageLeft)
    }
    if decoder.isFinished {
      guard try decoder.decode(count, into: target, bytesMax: bytesMax) else { return false }
    } else if reading.isInPlace {
      let first = target.count
      guard try decoder.decode(count, into: target, bytesMax: bytesMax) else { return false }
      try reading.finish(target, from: first)
    } else {
      decoded.removeAll()
      guard try decoder.decode(count, into: decoded, bytesMax: bytesMax) else { return false }
      try reading.convert(decoded, into: target)
    }
    state.values = decoder
    return true
  }

  /// Opens the next data page that reaches beyond `passing` values; returns how many values it passed over.
  private func openPage(passing: Int) throws -> Int {
    var passed = 0
    while true {
      guard let header = try pages.nextHeader() else {
        throw Damage("its column chunk ends \(valuesLeft) values early", at: pages.position)
      }
      pageOffset = pages.position
      switch header.type {
      case PageType.data, PageType.dataV2:
        guard header.valueCount <= valuesLeft else {
          throw Damage("a page has \(header.valueCount) values, its column chunk only \(valuesLeft)", at: pageOffset)
        }
        if header.valueCount == 0 || passed + header.valueCount <= passing {
          pages.pass(header)
          passed += header.valueCount
          valuesLeft -= header.valueCount
          if passed == passing && passing > 0 { return passed }
          continue
        }
        try pages.read(header, into: body)
        try open(header)
        return passed
      case PageType.dictionary:
        guard dictionary == nil else { throw Damage("has two dictionaries", at: pageOffset) }
        try pages.read(header, into: body)
        do {
          dictionary = try readDictionary(header)
        } catch {
          throw Damage(error.what, at: pageOffset)
        }
      default: pages.pass(header)
      }
    }
  }

  private func readDictionary(_ header: PageHeader) throws(Damage) -> ValueBuffer {
    let count = header.valueCount
    // Each takes a byte at least, but for booleans, which have no dictionaries.
    guard count <= body.count else { throw Damage("a dictionary of \(count) entries has \(body.count) bytes") }
    let isPlain = header.encoding == .plain || header.encoding == .plainDictionary
    guard isPlain else { throw Damage("has a dictionary in encoding \(header.encoding.rawValue)") }
    let values = ValueBuffer(reading.type.storage)
    var decoder = PlainDecoder(body.bytes, reading.physical, reading.byteWidth)
    guard count > 0 else { return values }
    if reading.isInPlace {
      _ = try decoder.decode(count, into: values, bytesMax: .max)
      try reading.finish(values, from: 0)
    } else {
      decoded.removeAll()
      _ = try decoder.decode(count, into: decoded, bytesMax: .max)
      try reading.convert(decoded, into: values)
    }
    return values
  }

  /// Finds the levels in front of the page's values.
  private func open(_ header: PageHeader) throws {
    var rest = body.bytes
    state = PageState()
    do {
      if header.type == PageType.dataV2 {
        let repetitions = LeafChunkReader.take(header.repetitionByteCount, from: &rest)
        let definitions = LeafChunkReader.take(header.definitionByteCount, from: &rest)
        if maxRepetition > 0 { state.repetitions = try decoder(repetitions, maxRepetition) }
        if maxDefinition > 0 { state.definitions = try decoder(definitions, maxDefinition) }
      } else {
        if maxRepetition > 0 {
          guard header.repetitionEncoding == .rle else {
            throw Damage("has bit-packed levels, which are not supported")
          }
          state.repetitions = try decoder(try LeafChunkReader.takeWithLength(from: &rest), maxRepetition)
        }
        if maxDefinition > 0 {
          guard header.definitionEncoding == .rle else {
            throw Damage("has bit-packed levels, which are not supported")
          }
          state.definitions = try decoder(try LeafChunkReader.takeWithLength(from: &rest), maxDefinition)
        }
      }
    } catch let damage as Damage {
      throw Damage(damage.what, at: pageOffset)
    }
    pageValues = rest
    pageEncoding = header.encoding
    pageLeft = header.valueCount
  }

  private func decoder(_ bytes: UnsafeRawBufferPointer, _ maximum: Int) throws(Damage) -> HybridDecoder {
    try HybridDecoder(bytes, bitWidth: HybridRuns.bitWidth(of: maximum))
  }

  private static func takeWithLength(from rest: inout UnsafeRawBufferPointer) throws(Damage) -> UnsafeRawBufferPointer {
    guard rest.count >= 4 else { throw Damage("a page's levels end early") }
    let length = Int(UInt32(littleEndian: rest.loadUnaligned(as: UInt32.self)))
    guard length <= rest.count - 4 else { throw Damage("a page's levels end early") }
    _ = take(4, from: &rest)
    return take(length, from: &rest)
  }

  private static func take(_ count: Int, from rest: inout UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    let taken = UnsafeRawBufferPointer(start: rest.baseAddress, count: count)
    rest = UnsafeRawBufferPointer(start: rest.baseAddress! + count, count: rest.count - count)
    return taken
  }
}
