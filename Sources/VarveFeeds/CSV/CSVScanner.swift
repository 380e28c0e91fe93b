import VarveTables

/// Finds the fields and records of CSV text (RFC 4180), eight bytes at a time.
///
/// It knows no columns: each field goes to `CSVColumns` as it is found. A record that is not all there is left alone, to
/// be read again from its start when there is more.
struct CSVScanner {
  let dialect: CSVDialect
  /// Too few fields are absent cells.
  let isPadded: Bool
  /// The line on which the next record starts, from 1.
  var line = 1

  private let delimiters: UInt64
  private let escapes: UInt64
  private let quotes: UInt64
  private static let ones: UInt64 = 0x0101_0101_0101_0101
  private static let newlines = ones &* 0x0A
  private static let returns = ones &* 0x0D

  init(_ dialect: CSVDialect, isPadded: Bool) {
    self.dialect = dialect
    self.isPadded = isPadded
    delimiters = Self.ones &* UInt64(dialect.delimiter)
    // A byte that UTF-8 does not have stands for none.
    escapes = Self.ones &* UInt64(dialect.escape ?? 0xFF)
    quotes = Self.ones &* UInt64(dialect.quote)
  }

  /// What ended a look at one record.
  enum Outcome {
    /// Read, `count` bytes; it has a value in some field.
    case row
    /// Read, and there is nothing in it.
    case blank
    /// Not all there.
    case incomplete
  }

  struct Wrong: Error {
    var line: Int
    var what: String
    var advice: String?
  }

  /// A byte of the word that is `pattern`'s: its high bit is set. Above the first such byte bits may be wrong.
  @inline(__always)
  private static func match(_ word: UInt64, _ pattern: UInt64) -> UInt64 {
    let difference = word ^ pattern
    return (difference &- ones) & ~difference & (ones << 7)
  }

  /// Reads the record that starts at `position`, and moves `position` and `line` behind it unless it is incomplete.
  @inline(__always)
  mutating func record(
    _ bytes: UnsafeBufferPointer<UInt8>, _ position: inout Int, isFinal: Bool, _ columns: borrowing CSVColumns
  ) throws -> Outcome {
    guard let base = bytes.baseAddress else { return .incomplete }
    let raw = UnsafeRawPointer(base)
    let count = bytes.count
    let row = columns.rowCount
    let columnCount = columns.count
    let quote = dialect.quote
    let delimiter = dialect.delimiter
    var index = position
    var field = 0
    var hasValue = false
    var innerLines = 0
    while true {
      let isSurplus = field >= columnCount
      let column = columns[isSurplus ? 0 : field]
      let used = row == 0 ? 0 : column.pointee.ends[row - 1]
      var target = used
      var kind = RawKind.null
      if index < count, base[index] == quote {
        kind = .untyped
        guard try quoted(raw, base, count, &index, isFinal, isSurplus ? nil : column, &target, &innerLines) else {
          return .incomplete
        }
      } else {
        let fieldStart = index
        while true {
          let word = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
          if !isSurplus {
            if target + 8 > column.pointee.byteCapacity { CSVColumns.grow(column, used: target, by: 8) }
            UnsafeMutableRawPointer(column.pointee.bytes + target).storeBytes(of: word, as: UInt64.self)
          }
          let found =
            Self.match(word, delimiters) | Self.match(word, Self.newlines) | Self.match(word, Self.returns)
            | Self.match(word, escapes)
          if found == 0 {
            index += 8
            target += 8
            if index >= count { break }
            continue
          }
          let step = found.trailingZeroBitCount >> 3
          index += step
          target += step
          guard index < count, base[index] == dialect.escape else { break }
          // The byte behind the escape is itself.
          if index + 1 >= count {
            if !isFinal { return .incomplete }
            throw Wrong(line: line + innerLines, what: "the file ends behind an escape character")
          }
          if !isSurplus {
            if target + 8 > column.pointee.byteCapacity { CSVColumns.grow(column, used: target, by: 8) }
            column.pointee.bytes[target] = base[index + 1]
          }
          if base[index + 1] == 0x0A { innerLines += 1 }
          target += 1
          index += 2
          if index >= count { break }
        }
        if index > count {
          target -= index - count
          index = count
        }
        if index > fieldStart { kind = .untyped }
      }
      if target - used > CSVLimits.fieldBytesMax { throw tooLong(line + innerLines) }
      if kind == .untyped { hasValue = true }
      if isSurplus {
        if kind == .untyped || !isPadded { throw tooMany(field + 1, columnCount) }
      } else {
        column.pointee.kinds[row] = kind
        column.pointee.ends[row] = target
      }
      field += 1
      if index < count, base[index] == delimiter {
        index += 1
        continue
      }
      // The end of the record: a line end, or the end of the text.
      var next = index
      if index == count {
        if !isFinal { return .incomplete }
      } else if base[index] == 0x0D {
        if index + 1 == count, !isFinal { return .incomplete }
        next = index + 1 < count && base[index + 1] == 0x0A ? index + 2 : index + 1
      } else {
        next = index + 1
      }
      if index - position > CSVLimits.recordBytesMax {
        throw Wrong(line: line, what: "the record is longer than \(CSVLimits.recordBytesMax >> 20) MB")
      }
      let isBlank = !hasValue || (field == 1 && columnCount > 1 && isOnlyBlanks(base, position, index))
      if !isBlank, field < columnCount {
        guard isPadded else { throw tooFew(field, columnCount) }
        for missing in field..<columnCount {
          columns[missing].pointee.kinds[row] = .absent
          columns[missing].pointee.ends[row] = row == 0 ? 0 : columns[missing].pointee.ends[row - 1]
        }
      }
      line += innerLines + (index < count ? 1 : 0)
      position = next
      return isBlank ? .blank : .row
    }
  }

  /// Reads a field in quotes and moves `index` behind it; false when its end is not there yet.
  private func quoted(
    _ raw: UnsafeRawPointer, _ base: UnsafePointer<UInt8>, _ count: Int, _ index: inout Int, _ isFinal: Bool,
    _ column: UnsafeMutablePointer<CSVColumns.Memory>?, _ target: inout Int, _ lines: inout Int
  ) throws -> Bool {
    let openedAt = line + lines
    let start = target
    index += 1
    while index < count {
      let word = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      if let column {
        if target + 8 > column.pointee.byteCapacity { CSVColumns.grow(column, used: target, by: 8) }
        UnsafeMutableRawPointer(column.pointee.bytes + target).storeBytes(of: word, as: UInt64.self)
      }
      let found =
        Self.match(word, quotes) | Self.match(word, Self.newlines) | Self.match(word, Self.returns)
        | Self.match(word, escapes)
      let step = found == 0 ? 8 : found.trailingZeroBitCount >> 3
      if index + step >= count {
        target += count - index
        index = count
        break
      }
      index += step
      target += step
      if target - start > CSVLimits.fieldBytesMax { throw tooLong(openedAt) }
      if found == 0 { continue }
      let byte = base[index]
      if byte == dialect.escape, byte != dialect.quote {
        if index + 1 == count { break }
        if base[index + 1] == 0x0A { lines += 1 }
        column?.pointee.bytes[target] = base[index + 1]
        target += 1
        index += 2
      } else if byte == dialect.quote {
        if index + 1 == count, !isFinal { return false }
        if index + 1 < count, base[index + 1] == dialect.quote {
          column?.pointee.bytes[target] = dialect.quote
          target += 1
          index += 2
          continue
        }
        index += 1
        return try closed(base, count, &index, isFinal, lines)
      } else {
        // A line end inside: CR LF counts once.
        if byte == 0x0A || (index + 1 < count && base[index + 1] != 0x0A) { lines += 1 }
        column?.pointee.bytes[target] = byte
        target += 1
        index += 1
      }
    }
    if target - start > CSVLimits.fieldBytesMax { throw tooLong(openedAt) }
    if !isFinal { return false }
    throw Wrong(
      line: openedAt, what: "a quote is opened and never closed",
      advice: "close it, or double the quotes that belong to the text")
  }

  /// Behind a closing quote only blanks may stand before the field's end.
  private func closed(
    _ base: UnsafePointer<UInt8>, _ count: Int, _ index: inout Int, _ isFinal: Bool, _ lines: Int
  ) throws -> Bool {
    while index < count, base[index] == UInt8(ascii: " "), dialect.delimiter != UInt8(ascii: " ") { index += 1 }
    if index == count { return isFinal }
    let byte = base[index]
    if byte == dialect.delimiter || byte == 0x0A || byte == 0x0D { return true }
    throw Wrong(
      line: line + lines, what: "text follows a closing quote",
      advice: "double the quotes that belong to the text, or give --quote or --escape")
  }

  private func isOnlyBlanks(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
    for index in start..<end where base[index] != UInt8(ascii: " ") && base[index] != UInt8(ascii: "\t") {
      return false
    }
    return true
  }

  private func tooLong(_ line: Int) -> Wrong {
    Wrong(
      line: line, what: "a field is longer than \(CSVLimits.fieldBytesMax >> 20) MB",
      advice: "look for a quote that is never closed")
  }

  private func tooMany(_ fields: Int, _ columns: Int) -> Wrong {
    if columns == 1 {
      return Wrong(
        line: line, what: "the record has several fields, and there is one column",
        advice: "pass over lines above the header with --skip, or give --delimiter")
    }
    return Wrong(
      line: line, what: "the record has more fields than the \(columns) columns",
      advice: "quote fields that contain the delimiter, or give --delimiter")
  }

  private func tooFew(_ fields: Int, _ columns: Int) -> Wrong {
    Wrong(
      line: line, what: "the record has \(fields) of \(columns) fields",
      advice: "complete it, or give --ragged pad to leave the others empty")
  }
}
