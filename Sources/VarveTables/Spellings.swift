/// What a typed column does not say about the raw cells it came from: with it they can be given back, kind and text.
///
/// A batch has one usual way to write things (`kind`, `style`); only rows that are written otherwise are listed.
package struct Spellings: Hashable, Sendable {
  /// Of rows that have a value.
  package internal(set) var kind: RawKind = .untyped
  /// Of rows that have none.
  package internal(set) var nullKind: RawKind = .null
  var style = CellStyle()

  /// The exceptions, ascending, and what each was. Where `isSpelled` is false only the kind differs.
  var rows: [Int] = []
  var kinds: [RawKind] = []
  var isSpelled: [Bool] = []
  var texts = ByteValues()

  package init() {}

  /// Bytes that the exceptions take, for whoever keeps many of these.
  package var byteCount: Int { rows.count * 18 + texts.bytes.count }

  mutating func list(_ row: Int, _ kind: RawKind, text: UnsafeBufferPointer<UInt8>?) {
    rows.append(row)
    kinds.append(kind)
    isSpelled.append(text != nil)
    if let text { texts.bytes.append(contentsOf: text) }
    texts.ends.append(texts.bytes.count)
  }

  /// Those of the rows of these numbers (ascending), counted anew.
  package func gather(rows wanted: [Int]) -> Spellings {
    var gathered = self
    gathered.rows = []
    var kept: [Int] = []
    var next = 0
    for (new, old) in wanted.enumerated() {
      while next < rows.count, rows[next] < old { next += 1 }
      if next < rows.count, rows[next] == old {
        kept.append(next)
        gathered.rows.append(new)
      }
    }
    gathered.kinds = kept.map { kinds[$0] }
    gathered.isSpelled = kept.map { isSpelled[$0] }
    gathered.texts = texts.gather(rows: kept)
    return gathered
  }
}

/// How a batch usually writes the values of a type that has several texts.
struct CellStyle: Hashable, Sendable {
  /// Numbers: at least so many digits after the point (0: whole numbers have no point). Times: of the second's fraction.
  var fractionDigits: UInt8 = 0
  /// Numbers: between whole number and fraction.
  var point = UInt8(ascii: ".")
  /// true, TRUE, True.
  var capitals: Capitals = .none
  /// Times: the instant with `Z`, or what the zone's clocks show without one.
  var isInstant = false
  /// Times: a blank between date and time.
  var hasBlank = false

  enum Capitals: UInt8, Sendable { case none, all, first }
}

extension CellStyle {
  /// Writes a value (not null) of the column as a cell of that style.
  func append(_ column: Column, _ row: Int, zone: Zone, to bytes: inout [UInt8]) {
    switch (column.type, column.values) {
    case (.boolean, .int64(let values)):
      let isTrue = values[row] != 0
      switch capitals {
      case .none: bytes.append(contentsOf: isTrue ? "true".utf8 : "false".utf8)
      case .all: bytes.append(contentsOf: isTrue ? "TRUE".utf8 : "FALSE".utf8)
      case .first: bytes.append(contentsOf: isTrue ? "True".utf8 : "False".utf8)
      }
    case (.timestamp, .int64(let values)):
      appendTime(values[row], zone, to: &bytes)
    case (.double, _), (.decimal, _):
      let start = bytes.count
      column.appendText(row, to: &bytes)
      pad(&bytes, from: start)
    default: column.appendText(row, to: &bytes)
    }
  }

  private func appendTime(_ instant: Int64, _ zone: Zone, to bytes: inout [UInt8]) {
    let local = isInstant ? instant : zone.local(ofInstant: instant)
    let start = bytes.count
    CivilTime.append(localMicroseconds: local, separator: hasBlank ? UInt8(ascii: " ") : UInt8(ascii: "T"), to: &bytes)
    if fractionDigits > 0 {
      // YYYY-MM-DDThh:mm:ss are 19.
      var digits = bytes.count - start - 20
      if digits < 0 {
        bytes.append(UInt8(ascii: "."))
        digits = 0
      }
      while digits < fractionDigits {
        bytes.append(UInt8(ascii: "0"))
        digits += 1
      }
    }
    if isInstant { bytes.append(UInt8(ascii: "Z")) }
  }

  /// Brings a number's canonical text to the digits after the point that the style demands.
  private func pad(_ bytes: inout [UInt8], from start: Int) {
    var point: Int?
    for index in start..<bytes.count {
      if bytes[index] == UInt8(ascii: "e") { return }
      if bytes[index] == UInt8(ascii: ".") { point = index }
    }
    var digits = 0
    if let point {
      digits = bytes.count - point - 1
      while digits > fractionDigits, bytes.last == UInt8(ascii: "0") {
        bytes.removeLast()
        digits -= 1
      }
      if digits == 0 { bytes.removeLast() }
    }
    if digits == 0, fractionDigits > 0 { bytes.append(UInt8(ascii: ".")) }
    while digits < fractionDigits {
      bytes.append(UInt8(ascii: "0"))
      digits += 1
    }
    if self.point != UInt8(ascii: "."), let index = bytes[start...].firstIndex(of: UInt8(ascii: ".")) {
      bytes[index] = self.point
    }
  }

  /// The style of the first cells that show one.
  static func guess(_ raw: borrowing RawColumn, _ type: DataType, point: UInt8) -> CellStyle {
    var style = CellStyle()
    style.point = point
    var seen = 0
    var fewest = Int.max
    raw.bytes.withUnsafeBufferPointer { bytes in
      for row in 0..<raw.count where raw.kinds[row].rawValue > RawKind.null.rawValue {
        let text = UnsafeBufferPointer(rebasing: bytes[raw.range(row)])
        if text.isEmpty { continue }
        switch type {
        case .boolean:
          let isUpper = text[0] == UInt8(ascii: "T") || text[0] == UInt8(ascii: "F")
          style.capitals = !isUpper ? .none : (text[text.count - 1] == UInt8(ascii: "E") ? .all : .first)
          return
        case .timestamp:
          guard text.count >= 19 else { continue }
          style.isInstant = text[text.count - 1] == UInt8(ascii: "Z")
          style.hasBlank = text[10] == UInt8(ascii: " ")
          style.fractionDigits = UInt8(clamping: text.count - (style.isInstant ? 1 : 0) - 20)
          if style.fractionDigits > 6 { style.fractionDigits = 0 }
          return
        case .double, .decimal:
          guard let number = NumberText(text, point: point), !number.hasExponent else { continue }
          fewest = min(fewest, number.fractionDigits)
          style.fractionDigits = UInt8(clamping: fewest)
        default: return
        }
        seen += 1
        if seen == 64 { return }
      }
    }
    return style
  }
}

extension Spellings {
  /// What `column`, typed from `raw`, leaves unsaid.
  init(of raw: borrowing RawColumn, as column: Column, zone: Zone, point: UInt8) {
    self.init()
    style = CellStyle.guess(raw, column.type, point: point)
    setUsualKinds(raw, column)
    var written: [UInt8] = []
    raw.bytes.withUnsafeBufferPointer { bytes in
      for row in 0..<raw.count {
        let kind = raw.kinds[row]
        let text = UnsafeBufferPointer(rebasing: bytes[raw.range(row)])
        if column.isNull(row) {
          if kind != nullKind || !text.isEmpty { list(row, kind, text: text.isEmpty ? nil : text) }
          continue
        }
        written.removeAll(keepingCapacity: true)
        Self.append(column, row, kind, style, zone, to: &written)
        let isUsual = text.count == written.count && written.withUnsafeBufferPointer { compareBytes($0, text) } == 0
        if !isUsual || kind != self.kind { list(row, kind, text: isUsual ? nil : text) }
      }
    }
  }

  mutating func setUsualKinds(_ raw: borrowing RawColumn, _ column: Column) {
    if let row = raw.kinds.firstIndex(where: { $0.rawValue <= RawKind.null.rawValue }) { nullKind = raw.kinds[row] }
    for row in 0..<raw.count where !column.isNull(row) {
      kind = raw.kinds[row]
      return
    }
  }

  /// The text of a raw cell of that kind whose value is the column's.
  fileprivate static func append(
    _ column: Column, _ row: Int, _ kind: RawKind, _ style: CellStyle, _ zone: Zone, to bytes: inout [UInt8]
  ) {
    if column.type == .json, case .bytes(let values) = column.values, !kind.isSpelledAsJSON {
      values.bytes.withUnsafeBufferPointer {
        let string = UnsafeBufferPointer(rebasing: $0[values.range(row)])
        // An untyped cell may have been JSON itself.
        if string.first == UInt8(ascii: "\"") {
          JSONString.appendText(of: string, to: &bytes)
        } else {
          bytes.append(contentsOf: string)
        }
      }
    } else {
      style.append(column, row, zone: zone, to: &bytes)
    }
  }

  /// The raw cells of the column that these spellings belong to.
  func restore(_ column: Column, name: String, zone: Zone) -> RawColumn {
    var raw = RawColumn(name: name)
    raw.kinds.reserveCapacity(column.count)
    raw.ends.reserveCapacity(column.count)
    var next = 0
    for row in 0..<column.count {
      var kind = column.isNull(row) ? nullKind : self.kind
      var isWritten = false
      if next < rows.count, rows[next] == row {
        kind = kinds[next]
        isWritten = isSpelled[next]
        if isWritten { raw.bytes.append(contentsOf: texts[next]) }
        next += 1
      }
      if !isWritten, !column.isNull(row) { Self.append(column, row, kind, style, zone, to: &raw.bytes) }
      raw.kinds.append(kind)
      raw.ends.append(raw.bytes.count)
    }
    return raw
  }
}

extension RawKind {
  /// Whether a cell of this kind is, as it stands, a JSON value.
  var isSpelledAsJSON: Bool { self == .json || self == .number || self == .boolean }
}
