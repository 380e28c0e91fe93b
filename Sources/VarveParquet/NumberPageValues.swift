internal import VarveTables

/// Numbers of up to 64 bits, doubles among them.
final class Int64PageValues: PageValues {
  private var page: NumberPage<Int64>

  init(_ type: DataType, _ options: ParquetOptions, byteWidth: Int = 8) {
    page = NumberPage(type, options, byteWidth: byteWidth)
  }

  var rowsMax: Int { page.rowsMax }
  var openByteCount: Int { page.openByteCount }
  var bounds: ValueBounds? { page.bounds }

  func add(_ values: Column.Values, validity: UnsafePointer<Bool>?, _ rows: Range<Int>) -> Int {
    page.add(values, validity, rows)
  }

  func encodePage(into body: ByteBuffer, isLast: Bool) -> Encoding { page.encode(into: body, isLast: isLast) }
  func leaveDictionary() { page.leaveDictionary() }
  func dictionaryPage() -> (page: ByteBuffer, valueCount: Int)? { page.dictionaryPage() }
}

/// Decimals of more than 18 digits.
final class Int128PageValues: PageValues {
  private var page: NumberPage<Int128>

  init(_ type: DataType, _ options: ParquetOptions) { page = NumberPage(type, options, byteWidth: 16) }

  var rowsMax: Int { page.rowsMax }
  var openByteCount: Int { page.openByteCount }
  var bounds: ValueBounds? { page.bounds }

  func add(_ values: Column.Values, validity: UnsafePointer<Bool>?, _ rows: Range<Int>) -> Int {
    page.add(values, validity, rows)
  }

  func encodePage(into body: ByteBuffer, isLast: Bool) -> Encoding { page.encode(into: body, isLast: isLast) }
  func leaveDictionary() { page.leaveDictionary() }
  func dictionaryPage() -> (page: ByteBuffer, valueCount: Int)? { page.dictionaryPage() }
}

/// The open page of a column of numbers. Doubles are keyed by their bit patterns.
///
/// A structure within classes that are not generic: methods of a generic class would not be compiled for its key.
private struct NumberPage<Key: FixedWidthInteger & SignedInteger & BitwiseCopyable> {
  let rowsMax: Int
  private let type: DataType
  /// Bytes of a PLAIN value.
  private let byteWidth: Int
  private let dictionaryBytesMax: Int
  private let dictionary: NumberDictionary<Key>
  private let indices = ByteBuffer()
  /// The open page's values, without dictionary.
  private let open = ByteBuffer()
  private var usesDictionary = true
  private var isDictionaryReferred = false
  private var least: Key?
  private var greatest: Key = 0

  init(_ type: DataType, _ options: ParquetOptions, byteWidth: Int) {
    self.type = type
    self.byteWidth = byteWidth
    rowsMax = max(1, options.pageBytesMax / byteWidth)
    dictionaryBytesMax = options.dictionaryBytesMax
    dictionary = NumberDictionary(countMax: options.dictionaryBytesMax / byteWidth)
  }

  var openByteCount: Int { indices.count / 4 + open.count + dictionary.count * byteWidth }

  func add(_ values: Column.Values, _ validity: UnsafePointer<Bool>?, _ rows: Range<Int>) -> Int {
    func take(_ bytes: UnsafeRawBufferPointer) -> Int {
      let source = bytes.baseAddress!.assumingMemoryBound(to: Key.self) + rows.lowerBound
      return add(source, validity.map { $0 + rows.lowerBound }, rows.count)
    }
    guard !rows.isEmpty else { return 0 }
    return switch values {
    case .int64(let values): values.withUnsafeBytes(take)
    case .int128(let values): values.withUnsafeBytes(take)
    case .double(let values): values.withUnsafeBytes(take)
    case .bytes: preconditionFailure("numbers are not stored as bytes")
    }
  }

  private func add(_ source: UnsafePointer<Key>, _ validity: UnsafePointer<Bool>?, _ rows: Int) -> Int {
    if usesDictionary {
      let target = indices.reserve(rows * 4).assumingMemoryBound(to: UInt32.self)
      let added = dictionary.add(source, validity, count: rows, into: target)
      indices.advance(added.indices * 4)
      return added.rows
    }
    let stride = MemoryLayout<Key>.stride
    if let validity {
      let target = open.reserve(rows * stride).assumingMemoryBound(to: Key.self)
      var written = 0
      for row in 0..<rows {
        target[written] = source[row]
        written += validity[row] ? 1 : 0
      }
      open.advance(written * stride)
    } else {
      open.append(source, count: rows * stride)
    }
    return rows
  }

  mutating func encode(into body: ByteBuffer, isLast: Bool) -> Encoding {
    if usesDictionary && (isDictionaryReferred || dictionaryPays(isLast)) {
      isDictionaryReferred = true
      encodeIndices(indices, distinct: dictionary.count, into: body)
      return .rleDictionary
    }
    if usesDictionary {
      let known = dictionary.values
      for index in indices.values(of: UInt32.self) { open.append(known[Int(index)]) }
      indices.removeAll()
      usesDictionary = false
    }
    let values = open.values(of: Key.self)
    noteBounds(values)
    defer { open.removeAll() }
    if Key.bitWidth == 64, type != .double, encodeDeltas(into: body) { return .deltaBinaryPacked }
    encodePlain(values, into: body)
    return .plain
  }

  private func dictionaryPays(_ isLast: Bool) -> Bool {
    DictionaryTrial(
      distinct: dictionary.count, distinctByteCount: dictionary.count * byteWidth, values: indices.count / 4,
      valueByteCount: indices.count / 4 * byteWidth
    ).pays(isLast: isLast, byteCountMax: dictionaryBytesMax)
  }

  /// Deltas, if they take less than half of the plain values; else nothing.
  private func encodeDeltas(into body: ByteBuffer) -> Bool {
    let values = open.values(of: Int64.self)
    let start = body.count
    DeltaRuns.encode(values, isNarrow: byteWidth == 4, into: body)
    guard (body.count - start) * 2 < values.count * byteWidth else {
      body.truncate(to: start)
      return false
    }
    return true
  }

  private func encodePlain(_ values: UnsafeBufferPointer<Key>, into body: ByteBuffer) {
    let target = body.reserve(values.count * byteWidth)
    if byteWidth == 4 {
      for index in values.indices {
        let narrow = Int32(truncatingIfNeeded: values[index]).littleEndian
        target.storeBytes(of: narrow, toByteOffset: index * 4, as: Int32.self)
      }
    } else if Key.bitWidth > 64 {
      for index in values.indices {
        target.storeBytes(of: values[index].bigEndian, toByteOffset: index * byteWidth, as: Key.self)
      }
    } else if let start = values.baseAddress {
      target.copyMemory(from: start, byteCount: values.count * byteWidth)
    }
    body.advance(values.count * byteWidth)
  }

  mutating func leaveDictionary() { usesDictionary = false }

  mutating func dictionaryPage() -> (page: ByteBuffer, valueCount: Int)? {
    guard isDictionaryReferred else { return nil }
    noteBounds(dictionary.values)
    let page = ByteBuffer()
    encodePlain(dictionary.values, into: page)
    return (page, dictionary.count)
  }

  private mutating func noteBounds(_ values: UnsafeBufferPointer<Key>) {
    if type == .double { return noteDoubleBounds(values) }
    guard let first = values.first else { return }
    var low = least ?? first
    var high = least == nil ? first : greatest
    for index in values.indices {
      let value = values[index]
      low = value < low ? value : low
      high = value > high ? value : high
    }
    (least, greatest) = (low, high)
  }

  private mutating func noteDoubleBounds(_ values: UnsafeBufferPointer<Key>) {
    var low = least == nil ? Double.infinity : NumberPage.double(least!)
    var high = least == nil ? -.infinity : NumberPage.double(greatest)
    // NaN is neither less nor greater than anything.
    for index in values.indices {
      let number = NumberPage.double(values[index])
      low = number < low ? number : low
      high = number > high ? number : high
    }
    // Neither was touched: there was no number but NaN.
    guard low <= high else { return }
    (least, greatest) = (Key(truncatingIfNeeded: low.bitPattern), Key(truncatingIfNeeded: high.bitPattern))
  }

  private static func double(_ key: Key) -> Double { Double(bitPattern: UInt64(truncatingIfNeeded: key)) }

  var bounds: ValueBounds? {
    guard let least else { return nil }
    guard type == .double else {
      return ValueBounds(minimum: NumberPage.value(least, type), maximum: NumberPage.value(greatest, type))
    }
    let (low, high) = (NumberPage.double(least), NumberPage.double(greatest))
    // The zeros are equal: bounds must hold for a reader that tells them apart.
    return ValueBounds(minimum: .double(low == 0 ? -0.0 : low), maximum: .double(high == 0 ? 0.0 : high))
  }

  private static func value(_ key: Key, _ type: DataType) -> Value {
    switch type {
    case .date: .date(Int64(truncatingIfNeeded: key))
    case .timestamp: .timestamp(Int64(truncatingIfNeeded: key))
    case .decimal(_, let scale): .decimal(unscaled: Int128(truncatingIfNeeded: key), scale: scale)
    default: .int64(Int64(truncatingIfNeeded: key))
    }
  }
}
