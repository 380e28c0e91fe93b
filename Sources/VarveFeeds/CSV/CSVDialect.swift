/// The marks of a CSV file.
struct CSVDialect: Hashable {
  var delimiter: UInt8
  var quote: UInt8
  var escape: UInt8?

  /// NUL, which text does not have: a file of one column has no delimiter.
  static let noDelimiter: UInt8 = 0

  /// The delimiter in words.
  var delimiterName: String {
    delimiter == UInt8(ascii: "\t") ? "tab" : "\"\(Character(Unicode.Scalar(delimiter)))\""
  }
}

/// Finds the dialect of the start of a file, as far as it is not given.
struct CSVDialectSearch {
  private let options: CSVFeedOptions
  private let sample: UnsafeBufferPointer<UInt8>
  /// The sample is the whole file.
  private let isWhole: Bool

  private static let delimiters: [UInt8] = [",", ";", "\t", "|"].map { UInt8(ascii: $0) }
  private static let recordsMax = 500

  init(_ sample: UnsafeBufferPointer<UInt8>, isWhole: Bool, options: CSVFeedOptions) {
    self.sample = sample
    self.isWhole = isWhole
    self.options = options
  }

  /// What speaks for one dialect.
  private struct Trial {
    var dialect: CSVDialect
    /// Fields of the header, or of the first record.
    var width = 0
    var recordCount = 0
    /// The share of records that have so many.
    var share = 0.0
    /// The share of records behind the header that have the commonest number of fields, if that is more than one.
    var innerShare = 0.0
    var hasQuotes = false
    var isBroken = false

    func isBetter(than other: Trial) -> Bool {
      if isBroken != other.isBroken { return !isBroken }
      return share != other.share ? share > other.share : width > other.width
    }
  }

  func find() -> CSVDialect {
    let double = UInt8(ascii: "\"")
    let single = UInt8(ascii: "'")
    var best = bestTrial(quote: options.quote ?? double)
    if options.quote == nil, !best.hasQuotes {
      // Apostrophes are quotes only if they close wherever they open, and nothing is in double quotes.
      let other = bestTrial(quote: single)
      if other.hasQuotes, !other.isBroken, other.share >= best.share { best = other }
    }
    return best.dialect
  }

  /// Whether this is CSV beyond doubt: several records, nearly all of the same number of fields, more than one.
  var isConvincing: Bool {
    let best = bestTrial(quote: UInt8(ascii: "\""))
    return !best.isBroken && best.width > 1 && best.share >= 0.9 && best.recordCount > 1
  }

  private func bestTrial(quote: UInt8) -> Trial {
    let escape = options.escape == quote ? nil : options.escape
    if let delimiter = options.delimiter {
      return trial(CSVDialect(delimiter: delimiter, quote: quote, escape: escape))
    }
    let trials = Self.delimiters.map { trial(CSVDialect(delimiter: $0, quote: quote, escape: escape)) }
    var best: Trial?
    for trial in trials where trial.width > 1 {
      if let former = best, !trial.isBetter(than: former) { continue }
      best = trial
    }
    if let best { return best }
    // A header of one field above records of several is a title, or a file to be refused, but no file of one column.
    if let titled = trials.max(by: { $0.innerShare < $1.innerShare }), titled.innerShare >= 0.9 { return titled }
    return trial(CSVDialect(delimiter: CSVDialect.noDelimiter, quote: quote, escape: escape))
  }

  private func trial(_ dialect: CSVDialect) -> Trial {
    var trial = Trial(dialect: dialect)
    var parser = CSVRecordParser(dialect: dialect, line: 1)
    var position = CSVRecordParser.skip(lines: options.linesAbove, of: sample)
    var widths: [Int] = []
    while position < sample.count, widths.count < Self.recordsMax {
      do {
        guard let record = try parser.record(sample, &position, isFinal: isWhole) else { break }
        if record.isBlank { continue }
        if record.fields.contains(where: \.isQuoted) { trial.hasQuotes = true }
        widths.append(record.fields.count)
      } catch {
        trial.isBroken = true
        trial.hasQuotes = true
        break
      }
    }
    guard let width = widths.first else { return trial }
    trial.width = width
    trial.recordCount = widths.count
    trial.share = Double(widths.count { $0 == width }) / Double(widths.count)
    let inner = widths.dropFirst()
    if let usual = Dictionary(grouping: inner, by: { $0 }).max(by: { $0.value.count < $1.value.count }), usual.key > 1 {
      trial.innerShare = Double(usual.value.count) / Double(inner.count)
    }
    return trial
  }
}

/// Takes single records apart, field by field: for headers and samples, where speed does not matter.
struct CSVRecordParser {
  let dialect: CSVDialect
  /// The line on which the next record starts.
  var line: Int

  struct Field {
    var text: [UInt8] = []
    var isQuoted = false
  }

  struct Record {
    var fields: [Field]
    var isBlank: Bool { fields.allSatisfy { $0.text.isEmpty && !$0.isQuoted } }
  }

  /// The position behind that many lines.
  static func skip(lines: Int, of bytes: UnsafeBufferPointer<UInt8>) -> Int {
    var position = 0
    for _ in 0..<lines {
      while position < bytes.count, bytes[position] != 0x0A, bytes[position] != 0x0D { position += 1 }
      if position + 1 < bytes.count, bytes[position] == 0x0D, bytes[position + 1] == 0x0A { position += 1 }
      if position < bytes.count { position += 1 }
    }
    return position
  }

  /// The record at `position`, which moves behind it; nil, and nothing moves, when it is not all there.
  mutating func record(
    _ bytes: UnsafeBufferPointer<UInt8>, _ position: inout Int, isFinal: Bool
  ) throws -> Record? {
    var record = Record(fields: [Field()])
    var index = position
    var lines = 0
    var isInQuotes = false
    var openedAt = line
    var isClosed = false
    func next(_ offset: Int) -> UInt8? { index + offset < bytes.count ? bytes[index + offset] : nil }
    func add(_ byte: UInt8) { record.fields[record.fields.count - 1].text.append(byte) }
    while true {
      guard let byte = next(0) else {
        if !isFinal { return nil }
        if isInQuotes {
          throw CSVScanner.Wrong(
            line: openedAt, what: "a quote is opened and never closed",
            advice: "close it, or double the quotes that belong to the text")
        }
        break
      }
      if isInQuotes || byte == dialect.escape, byte == dialect.escape, byte != dialect.quote {
        guard let escaped = next(1) else {
          if !isFinal { return nil }
          throw CSVScanner.Wrong(line: line + lines, what: "the file ends behind an escape character")
        }
        if escaped == 0x0A { lines += 1 }
        add(escaped)
        index += 2
      } else if isInQuotes {
        if byte == dialect.quote {
          guard next(1) != nil || isFinal else { return nil }
          if next(1) == dialect.quote {
            add(byte)
            index += 2
          } else {
            isInQuotes = false
            isClosed = true
            index += 1
          }
        } else {
          if byte == 0x0A || (byte == 0x0D && next(1) != 0x0A) { lines += 1 }
          add(byte)
          index += 1
        }
      } else if byte == dialect.delimiter {
        record.fields.append(Field())
        isClosed = false
        index += 1
      } else if byte == 0x0A || byte == 0x0D {
        if byte == 0x0D, next(1) == nil, !isFinal { return nil }
        index += byte == 0x0D && next(1) == 0x0A ? 2 : 1
        lines += 1
        break
      } else if isClosed {
        guard byte == UInt8(ascii: " ") else {
          throw CSVScanner.Wrong(
            line: line + lines, what: "text follows a closing quote",
            advice: "double the quotes that belong to the text, or give --quote or --escape")
        }
        index += 1
      } else if byte == dialect.quote, record.fields[record.fields.count - 1].text.isEmpty {
        openedAt = line + lines
        isInQuotes = true
        record.fields[record.fields.count - 1].isQuoted = true
        index += 1
      } else {
        add(byte)
        index += 1
      }
    }
    line += lines
    position = index
    return record
  }
}
