internal import Glibc
internal import VarveTables

/// The values of a chunk's open page, and what outlives pages: dictionary and bounds.
protocol PageValues: AnyObject {
  /// Rows after which a page is full, whatever their values are.
  var rowsMax: Int { get }
  /// Bytes that are not in a page yet, about.
  var openByteCount: Int { get }
  /// Takes the values of those rows that are valid (all, without `validity`). Returns the rows taken: fewer than asked
  /// when the page must be closed first.
  func add(_ values: Column.Values, validity: UnsafePointer<Bool>?, _ rows: Range<Int>) -> Int
  /// Appends the page's values and empties the page; `isLast` when no other follows.
  func encodePage(into body: ByteBuffer, isLast: Bool) -> Encoding
  /// The dictionary takes no more values; the open page is empty.
  func leaveDictionary()
  /// The page that the data pages refer to, if one does.
  func dictionaryPage() -> (page: ByteBuffer, valueCount: Int)?
  /// Of all pages closed so far.
  var bounds: ValueBounds? { get }
}

func pageValues(of type: ParquetNode.LeafType, _ options: ParquetOptions) -> any PageValues {
  switch type {
  case .int32: Int64PageValues(.int64, options, byteWidth: 4)
  case .type(let type): pageValues(of: type, options)
  }
}

func pageValues(of type: DataType, _ options: ParquetOptions) -> any PageValues {
  switch type {
  case .boolean: BooleanPageValues(options)
  case .text, .json: BytesPageValues(type, options)
  case .date: Int64PageValues(type, options, byteWidth: 4)
  case .int64, .timestamp, .double: Int64PageValues(type, options)
  case .decimal:
    type.storage == .int64 ? Int64PageValues(type, options) : Int128PageValues(type, options)
  }
}

/// What the first page tells about a dictionary.
struct DictionaryTrial {
  var distinct: Int
  var distinctByteCount: Int
  var values: Int
  /// In PLAIN.
  var valueByteCount: Int

  /// A chunk of one page: whether dictionary and indices take less than the values. Else whether the dictionary is
  /// likely to hold the values still to come: if values were drawn evenly from as many as it can hold, would there be
  /// more distinct ones than there are? Only arithmetic that is the same on every machine.
  func pays(isLast: Bool, byteCountMax: Int) -> Bool {
    guard values > 0 else { return false }
    let paysNow = distinctByteCount + values * HybridRuns.bitWidth(of: max(distinct - 1, 1)) / 8 < valueByteCount
    if isLast || paysNow { return paysNow }
    let distinctMax = Double(byteCountMax) * Double(distinct) / Double(distinctByteCount)
    let ratio = Double(values) / distinctMax
    // 1 - exp(-ratio), near enough.
    let share = 1 - 1 / (1 + ratio * (1 + ratio / 2 * (1 + ratio / 3)))
    return Double(distinct) < distinctMax * share
  }
}

/// RLE_DICTIONARY: the bit width, then the runs. A width of 0 is not read by everyone.
func encodeIndices(_ indices: ByteBuffer, distinct: Int, into body: ByteBuffer) {
  let bitWidth = HybridRuns.bitWidth(of: max(distinct - 1, 1))
  body.append(UInt8(bitWidth))
  HybridRuns.encode(indices.values(of: UInt32.self), bitWidth: bitWidth, into: body)
  indices.removeAll()
}

/// Booleans, bit by bit.
final class BooleanPageValues: PageValues {
  let rowsMax: Int
  private let open = ByteBuffer()
  private var hasFalse = false
  private var hasTrue = false

  init(_ options: ParquetOptions) { rowsMax = options.pageBytesMax }

  var openByteCount: Int { open.count / 8 }

  func add(_ values: Column.Values, validity: UnsafePointer<Bool>?, _ rows: Range<Int>) -> Int {
    guard case .int64(let values) = values else { preconditionFailure("booleans are stored as int64") }
    let target = open.reserve(rows.count).assumingMemoryBound(to: UInt8.self)
    var written = 0
    values.withUnsafeBufferPointer { values in
      for row in rows {
        target[written] = values[row] == 0 ? 0 : 1
        written += validity?[row] ?? true ? 1 : 0
      }
    }
    open.advance(written)
    return rows.count
  }

  func encodePage(into body: ByteBuffer, isLast: Bool) -> Encoding {
    let count = open.count
    let source = open.base.assumingMemoryBound(to: UInt8.self)
    let byteCount = (count + 7) / 8
    let target = body.reserve(byteCount).assumingMemoryBound(to: UInt8.self)
    var trues = 0
    for byte in 0..<byteCount {
      var bits: UInt8 = 0
      for bit in 0..<min(8, count - byte * 8) { bits |= source[byte * 8 + bit] << UInt8(bit) }
      target[byte] = bits
      trues += bits.nonzeroBitCount
    }
    body.advance(byteCount)
    hasTrue = hasTrue || trues > 0
    hasFalse = hasFalse || trues < count
    open.removeAll()
    return .plain
  }

  func leaveDictionary() {}

  func dictionaryPage() -> (page: ByteBuffer, valueCount: Int)? { nil }

  var bounds: ValueBounds? {
    guard hasTrue || hasFalse else { return nil }
    return ValueBounds(minimum: .boolean(!hasFalse), maximum: .boolean(hasTrue))
  }
}

/// text and json.
final class BytesPageValues: PageValues {
  let rowsMax = Int.max
  private let type: DataType
  private let options: ParquetOptions
  private let dictionary: BytesDictionary
  private let indices = ByteBuffer()
  /// The open page's PLAIN values, without dictionary.
  private let plain = ByteBuffer()
  private var usesDictionary = true
  private var isDictionaryReferred = false
  private var least: [UInt8]?
  private var greatest: [UInt8] = []

  init(_ type: DataType, _ options: ParquetOptions) {
    self.type = type
    self.options = options
    dictionary = BytesDictionary(byteCountMax: options.dictionaryBytesMax)
  }

  var openByteCount: Int { indices.count / 4 + plain.count + dictionary.plain.count }

  func add(_ values: Column.Values, validity: UnsafePointer<Bool>?, _ rows: Range<Int>) -> Int {
    guard case .bytes(let values) = values else { preconditionFailure("text is stored as bytes") }
    guard let first = rows.first else { return 0 }
    let start = first == 0 ? 0 : values.ends[first - 1]
    return values.bytes.withUnsafeBytes { bytes in
      values.ends.withUnsafeBufferPointer { ends in
        precondition(ends[rows.upperBound - 1] <= bytes.count, "a string ends behind the bytes of its column")
        // An empty array has no address, and none is read from then.
        let base = bytes.baseAddress ?? UnsafeRawPointer(plain.base)
        let rowEnds = ends.baseAddress! + first
        let rowValidity = validity.map { $0 + first }
        guard usesDictionary else { return addPlain(base, start, rowEnds, rowValidity, rows.count) }
        let target = indices.reserve(rows.count * 4).assumingMemoryBound(to: UInt32.self)
        let added = dictionary.add(base, from: start, rowEnds, rowValidity, count: rows.count, into: target)
        indices.advance(added.indices * 4)
        return added.rows
      }
    }
  }

  private func addPlain(
    _ bytes: UnsafeRawPointer, _ start: Int, _ ends: UnsafePointer<Int>, _ validity: UnsafePointer<Bool>?, _ rows: Int
  ) -> Int {
    var from = start
    for row in 0..<rows {
      let length = ends[row] - from
      if validity?[row] ?? true {
        if plain.count > 0, plain.count + 4 + length > options.pageBytesMax { return row }
        precondition(length <= Int(Int32.max) - 64, "a value of Parquet takes less than 2 GiB")
        let target = plain.reserve(4 + length)
        target.storeBytes(of: UInt32(truncatingIfNeeded: length).littleEndian, as: UInt32.self)
        memcpy(target + 4, bytes + from, length)
        plain.advance(4 + length)
      }
      from = ends[row]
    }
    return rows
  }

  func encodePage(into body: ByteBuffer, isLast: Bool) -> Encoding {
    if usesDictionary && !isDictionaryReferred && !dictionaryPays(isLast) {
      for index in indices.values(of: UInt32.self) {
        let range = dictionary.range(Int(index))
        plain.append(dictionary.plain.base + range.lowerBound, count: range.count)
      }
      indices.removeAll()
      usesDictionary = false
      noteBounds(plain)
      body.append(plain)
      plain.removeAll()
      return .plain
    }
    if usesDictionary {
      isDictionaryReferred = true
      encodeIndices(indices, distinct: dictionary.count, into: body)
      return .rleDictionary
    }
    noteBounds(plain)
    body.append(plain)
    plain.removeAll()
    return .plain
  }

  private func dictionaryPays(_ isLast: Bool) -> Bool {
    var plainByteCount = 0
    for index in indices.values(of: UInt32.self) { plainByteCount += dictionary.range(Int(index)).count }
    return DictionaryTrial(
      distinct: dictionary.count, distinctByteCount: dictionary.plain.count, values: indices.count / 4,
      valueByteCount: plainByteCount
    ).pays(isLast: isLast, byteCountMax: options.dictionaryBytesMax)
  }

  func leaveDictionary() { usesDictionary = false }

  func dictionaryPage() -> (page: ByteBuffer, valueCount: Int)? {
    guard isDictionaryReferred else { return nil }
    noteBounds(dictionary.plain)
    return (dictionary.plain, dictionary.count)
  }

  /// Widens the bounds by PLAIN values.
  private func noteBounds(_ values: ByteBuffer) {
    // Nobody looks for a range of documents.
    guard type != .json else { return }
    let base = values.base
    func string(_ at: Int) -> (start: UnsafeRawPointer, length: Int) {
      (UnsafeRawPointer(base + at + 4), Int(base.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
    }
    guard values.count > 0 else { return }
    var low = string(0)
    var high = low
    var at = 4 + low.length
    while at < values.count {
      let next = string(at)
      if BytesPageValues.isLess(next, low) {
        low = next
      } else if BytesPageValues.isLess(high, next) {
        high = next
      }
      at += 4 + next.length
    }
    let lowest = [UInt8](UnsafeRawBufferPointer(start: low.start, count: low.length))
    let highest = [UInt8](UnsafeRawBufferPointer(start: high.start, count: high.length))
    if let least {
      if lowest.lexicographicallyPrecedes(least) { self.least = lowest }
      if greatest.lexicographicallyPrecedes(highest) { greatest = highest }
    } else {
      least = lowest
      greatest = highest
    }
  }

  @inline(__always)
  private static func isLess(
    _ a: (start: UnsafeRawPointer, length: Int), _ b: (start: UnsafeRawPointer, length: Int)
  ) -> Bool {
    let order = memcmp(a.start, b.start, min(a.length, b.length))
    return order < 0 || order == 0 && a.length < b.length
  }

  var bounds: ValueBounds? {
    least.flatMap { ValueBounds(text: $0, greatest, bytesMax: options.statisticsBytesMax) }
  }
}
