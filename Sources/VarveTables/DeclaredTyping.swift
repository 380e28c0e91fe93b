/// Raw cells into a column of a type that is known.
///
/// | type | takes |
/// | --- | --- |
/// | boolean | booleans; `true`, `false` in any case; with a format `ja/nein`, those two words instead, in any case |
/// | int64, double, decimal | numbers and their text, blanks around it, a plus sign and leading zeros allowed; whole and exact where the type is, while a double may round |
/// | date | dates, times at midnight, their ISO text; with a format, text and numbers of that format |
/// | timestamp | the same; a date is its midnight; a time without offset is taken in the zone |
/// | text | every kind, as spelled |
/// | json | JSON, numbers and booleans as they stand; all else as a JSON string |
///
/// A field's decimal separator and grouping say how text spells numbers; `1.234,56` is one only where both are declared.
///
/// Empty text is null in all but text and json, and every text of `nulls` is null in all.
struct DeclaredTyping: Sendable {
  let field: Field
  let options: TypingOptions
  private var format: TimeFormat?
  private var words: (yes: [UInt8], no: [UInt8])?
  private var nulls: [[UInt8]]
  private var point: UInt8
  private let grouping: DigitGrouping?

  init(_ field: Field, _ options: TypingOptions) throws {
    self.init(plain: field, options)
    let place = ["column \"\(field.name)\""]
    if let mark = field.grouping { try checkGrouping(mark, place) }
    guard let text = field.format else { return }
    switch field.type {
    case .date, .timestamp:
      format = try TimeFormat(text, place: place)
    case .boolean:
      let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { lowercase(Array($0.utf8)) }
      guard parts.count == 2, parts[0] != parts[1], !parts.contains([]) else {
        throw Problem(.usage, at: place, "\"\(text)\" is no format of a boolean", advice: "write it as ja/nein")
      }
      words = (parts[0], parts[1])
    default:
      throw Problem(
        .usage, at: place, "a \(field.type.name) column takes no format", advice: "leave \"format\" out")
    }
  }

  private func checkGrouping(_ mark: String, _ place: [String]) throws {
    switch field.type {
    case .int64, .double, .decimal: break
    default:
      throw Problem(
        .usage, at: place, "a \(field.type.name) column takes no grouping", advice: "leave \"grouping\" out")
    }
    guard grouping != nil else {
      throw Problem(
        .usage, at: place, "\"\(mark)\" is no grouping of digits", advice: "write \".\", \",\", \"'\" or \" \"")
    }
    guard mark != field.decimal else {
      throw Problem(
        .usage, at: place, "\"\(mark)\" is both its grouping and its decimal separator",
        advice: "declare the \"decimal\" that its feeds write")
    }
  }

  /// Of a field without a format.
  init(plain field: Field, _ options: TypingOptions) {
    self.field = field
    self.options = options
    nulls = field.nulls.map { Array($0.utf8) }
    point = field.decimal == "," ? UInt8(ascii: ",") : options.point
    grouping = field.grouping.flatMap(DigitGrouping.init)
  }

  func type(_ raw: RawColumn, _ origins: Origins) -> TypedColumn {
    let kinds = KindSet(of: raw)
    switch field.type.storage {
    case .int64:
      switch field.type {
      case .boolean:
        return fill(raw, origins, kinds, 0, { .int64($0) }) { boolean($0, $1).map { $0 ? 1 : 0 } }
      case .date: return fill(raw, origins, kinds, 0, { .int64($0) }) { date($0, $1) }
      case .timestamp: return fill(raw, origins, kinds, 0, { .int64($0) }) { timestamp($0, $1) }
      case .decimal(let precision, let scale):
        return fill(raw, origins, kinds, 0, { .int64($0) }) {
          decimal($0, $1, precision, scale).map { Int64($0) }
        }
      default: return fill(raw, origins, kinds, 0, { .int64($0) }) { int64($0, $1) }
      }
    case .int128:
      guard case .decimal(let precision, let scale) = field.type else { preconditionFailure("128 bits hold decimals") }
      return fill(raw, origins, kinds, 0, { .int128($0) }) { decimal($0, $1, precision, scale) }
    case .double: return fill(raw, origins, kinds, 0, { .double($0) }) { double($0, $1) }
    case .bytes: return fillBytes(raw, origins, kinds)
    }
  }

  // MARK: One kind of value each

  private func boolean(_ kind: RawKind, _ text: UnsafeBufferPointer<UInt8>) -> Bool? {
    switch kind {
    case .boolean: return text.first == UInt8(ascii: "t")
    case .untyped, .text, .number:
      let text = trimmed(text)
      if let words {
        let word = lowercase(Array(text))
        return word == words.yes ? true : (word == words.no ? false : nil)
      }
      return kind == .number ? nil : BooleanText.value(text)
    default: return nil
    }
  }

  private func number(_ kind: RawKind, _ text: UnsafeBufferPointer<UInt8>) -> NumberText? {
    switch kind {
    case .number: NumberText(text)
    case .untyped, .text:
      spelled(text) { NumberText($0, point: point) }
        .flatMap { options.keepsIdentifiers && $0.isIdentifier ? nil : $0 }
    default: nil
    }
  }

  /// The text without blanks around it and without what groups its digits.
  private func spelled<Result>(
    _ text: UnsafeBufferPointer<UInt8>, _ read: (UnsafeBufferPointer<UInt8>) -> Result
  ) -> Result {
    guard let grouping, let digits = grouping.removed(from: trimmed(text), point: point) else {
      return read(trimmed(text))
    }
    return digits.withUnsafeBufferPointer(read)
  }

  private func int64(_ kind: RawKind, _ text: UnsafeBufferPointer<UInt8>) -> Int64? {
    if kind == .untyped || kind == .number, let short = IntegerText.short(text, digitsMax: 18),
      !options.keepsIdentifiers || kind == .number || IntegerText.isCanonical(text)
    {
      return short
    }
    return number(kind, text)?.int64
  }

  private func double(_ kind: RawKind, _ text: UnsafeBufferPointer<UInt8>) -> Double? {
    let point = kind == .number ? UInt8(ascii: ".") : point
    if kind == .number || kind == .untyped || kind == .text, let short = ShortDecimal(text, point: point) {
      return short.value
    }
    guard let number = number(kind, text) else { return nil }
    return spelled(text) { number.double($0, point: point)?.value }
  }

  private func decimal(
    _ kind: RawKind, _ text: UnsafeBufferPointer<UInt8>, _ precision: Int, _ scale: Int
  ) -> Int128? {
    guard let number = number(kind, text), number.integerDigits <= precision - scale else { return nil }
    return number.unscaled(scale: scale)
  }

  private func date(_ kind: RawKind, _ text: UnsafeBufferPointer<UInt8>) -> Int64? {
    guard let local = local(kind, text) else { return nil }
    let (days, rest) = local.microseconds.flooredDivision(by: CivilTime.microsecondsPerDay)
    return rest == 0 ? days : nil
  }

  private func timestamp(_ kind: RawKind, _ text: UnsafeBufferPointer<UInt8>) -> Int64? {
    local(kind, text).flatMap { options.zone.instant(of: $0) }
  }

  private func local(_ kind: RawKind, _ text: UnsafeBufferPointer<UInt8>) -> CivilTime.LocalTime? {
    switch kind {
    case .date, .dateTime: CivilTime.local(iso: text)
    case .untyped, .text: format.map { $0.local(trimmed(text)) } ?? CivilTime.local(iso: trimmed(text))
    case .number: format?.local(text)
    default: nil
    }
  }

  // MARK: Why not

  private func reason(_ kind: RawKind, _ text: UnsafeBufferPointer<UInt8>) -> String {
    let shown = "\"\(String(decoding: text.prefix(200), as: UTF8.self))\(text.count > 200 ? "…" : "")\""
    if kind == .error {
      return text.first == UInt8(ascii: "=")
        ? "the workbook keeps no value of the formula \(shown): open and save it in Excel or LibreOffice"
        : "\(shown) is an error cell"
    }
    if options.keepsIdentifiers, kind == .untyped || kind == .text,
      let number = NumberText(trimmed(text), point: point), number.isIdentifier
    {
      switch field.type {
      case .int64, .double, .decimal:
        return "\(shown) would lose its \(number.hasPlus ? "plus sign" : "leading zeros") as \(field.type.name)"
      default: break
      }
    }
    switch field.type {
    case .boolean:
      return words.map {
        "\(shown) is neither \"\(String(decoding: $0.yes, as: UTF8.self))\" nor \"\(String(decoding: $0.no, as: UTF8.self))\""
      } ?? "\(shown) is no boolean"
    case .int64:
      guard let number = number(kind, text) else { break }
      return number.scale > 0 ? "\(shown) has a fraction" : "\(shown) does not fit in 64 bits"
    case .decimal(let precision, let scale):
      guard let number = number(kind, text) else { break }
      if number.scale > scale { return "\(shown) has more than \(scale) digits after the point" }
      return "\(shown) has more than \(precision - scale) digits before the point"
    case .double:
      if number(kind, text) != nil { return "\(shown) is beyond the range of a double" }
    case .date, .timestamp:
      if let local = local(kind, text) {
        if field.type == .date { return "\(shown) has a time of day" }
        return local.offset == nil && options.zone.instant(ofLocal: local.microseconds) == nil
          ? "\(shown) does not exist in \(options.zone.name), whose clocks jump over it"
          : "\(shown) lies outside the years 0001 to 9999"
      }
      if let format = field.format { return "\(shown) is no \(field.type.name) of the form \(format)" }
    default: break
    }
    return "\(shown) is no \(field.type.name)"
  }

  // MARK: Whole columns

  private struct Outcome {
    var validity: [Bool] = []
    var rejections: [Rejection] = []
    var rejectedRows: [Int] = []
  }

  @inline(__always)
  private func fill<Slot>(
    _ raw: RawColumn, _ origins: Origins, _ kinds: KindSet, _ empty: Slot, _ store: ([Slot]) -> Column.Values,
    _ read: (RawKind, UnsafeBufferPointer<UInt8>) -> Slot?
  ) -> TypedColumn {
    var values: [Slot] = []
    values.reserveCapacity(raw.count)
    var outcome = Outcome()
    raw.bytes.withUnsafeBufferPointer { bytes in
      var start = 0
      for row in 0..<raw.count {
        let text = UnsafeBufferPointer(rebasing: bytes[start..<raw.ends[row]])
        start = raw.ends[row]
        let kind = raw.kinds[row]
        if isNull(kind, text) {
          markNull(row, raw.count, &outcome)
          values.append(empty)
        } else if let value = read(kind, text) {
          values.append(value)
        } else {
          markNull(row, raw.count, &outcome)
          values.append(empty)
          if kind != .error || options.errorCells != .null { reject(row, kind, text, origins, &outcome) }
        }
      }
    }
    return finish(Column(field.type, store(values)), raw, origins, kinds, outcome)
  }

  private func fillBytes(_ raw: RawColumn, _ origins: Origins, _ kinds: KindSet) -> TypedColumn {
    var outcome = Outcome()
    let isJSON = field.type == .json
    if !isJSON, nulls.isEmpty, options.errorCells == .text || !kinds.contains(KindSet(.error)) {
      // Text as spelled is the raw bytes themselves.
      if !kinds.isDisjoint(with: .none) {
        outcome.validity = raw.kinds.map { $0.rawValue > RawKind.null.rawValue }
      }
      let values = ByteValues(bytes: raw.bytes, ends: raw.ends)
      return finish(Column(field.type, .bytes(values)), raw, origins, kinds, outcome)
    }
    var values = ByteValues()
    values.bytes.reserveCapacity(raw.bytes.count)
    values.ends.reserveCapacity(raw.count)
    raw.bytes.withUnsafeBufferPointer { bytes in
      for row in 0..<raw.count {
        let text = UnsafeBufferPointer(rebasing: bytes[raw.range(row)])
        let kind = raw.kinds[row]
        if isNull(kind, text) {
          markNull(row, raw.count, &outcome)
        } else if kind == .error, options.errorCells != .text {
          markNull(row, raw.count, &outcome)
          if options.errorCells == .reject { reject(row, kind, text, origins, &outcome) }
        } else if !isJSON || kind.isSpelledAsJSON {
          values.bytes.append(contentsOf: text)
        } else if kind == .untyped, let json = options.canonicalJSON?(Array(text)) {
          values.bytes.append(contentsOf: json)
        } else {
          JSONString.append(text, to: &values.bytes)
        }
        values.ends.append(values.bytes.count)
      }
    }
    return finish(Column(field.type, .bytes(values)), raw, origins, kinds, outcome)
  }

  @inline(__always)
  private func isNull(_ kind: RawKind, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    if kind.rawValue <= RawKind.null.rawValue { return true }
    if text.isEmpty || text[0] == UInt8(ascii: " ") {
      if kind == .untyped || kind == .text, field.type.storage != .bytes, trimmed(text).isEmpty { return true }
    }
    return !nulls.isEmpty && nulls.contains { $0.elementsEqual(text) }
  }

  private func markNull(_ row: Int, _ count: Int, _ outcome: inout Outcome) {
    if outcome.validity.isEmpty { outcome.validity = [Bool](repeating: true, count: count) }
    outcome.validity[row] = false
  }

  private func reject(
    _ row: Int, _ kind: RawKind, _ text: UnsafeBufferPointer<UInt8>, _ origins: Origins, _ outcome: inout Outcome
  ) {
    outcome.rejectedRows.append(row)
    outcome.rejections.append(
      Rejection(
        origin: origins[row], column: field.name, raw: String(decoding: text, as: UTF8.self), reason: reason(kind, text)
      ))
  }

  private func finish(
    _ column: Column, _ raw: RawColumn, _ origins: Origins, _ kinds: KindSet, _ outcome: Outcome
  ) -> TypedColumn {
    var typed = TypedColumn(
      column: column, absent: kinds.contains(KindSet(.absent)) ? raw.kinds.map { $0 == .absent } : [],
      rejections: outcome.rejections, rejectedRows: outcome.rejectedRows)
    typed.column?.validity = outcome.validity
    if !field.isNullable { refuseNulls(&typed, raw, origins) }
    return typed
  }

  /// A missing key is no null as long as the row may keep what it has; whoever inserts such a row checks it then.
  private func refuseNulls(_ typed: inout TypedColumn, _ raw: RawColumn, _ origins: Origins) {
    guard let validity = typed.column?.validity, !validity.isEmpty else { return }
    var all: [(row: Int, rejection: Rejection)] = Array(zip(typed.rejectedRows, typed.rejections))
    let rejected = Set(typed.rejectedRows)
    for row in validity.indices where !validity[row] && !rejected.contains(row) {
      if raw.kinds[row] == .absent, !options.absentIsNull { continue }
      let text = String(decoding: raw.bytes[raw.range(row)], as: UTF8.self)
      let what = raw.kinds[row] == .absent ? "is missing" : (text.isEmpty ? "is null" : "\"\(text)\" counts as null")
      all.append(
        (
          row,
          Rejection(
            origin: origins[row], column: field.name, raw: text, reason: what + ", and the column must have a value")
        ))
    }
    all.sort { $0.row < $1.row }
    typed.rejectedRows = all.map(\.row)
    typed.rejections = all.map(\.rejection)
  }
}

extension Zone {
  /// The instant of a time read from text, or nil when it never came or lies outside the years 0001 to 9999.
  func instant(of local: CivilTime.LocalTime) -> Int64? {
    let instant =
      local.offset.map { local.microseconds - Int64($0) * 1_000_000 } ?? self.instant(ofLocal: local.microseconds)
    return instant.flatMap { CivilTime.microseconds.contains($0) ? $0 : nil }
  }
}

enum BooleanText {
  /// How `true` or `false` is capitalised; nil when it is `tRuE`.
  static func capitals(_ text: UnsafeBufferPointer<UInt8>) -> CellStyle.Capitals? {
    let isFirstLower = text[0] & 0x20 != 0
    let isLower = text[1] & 0x20 != 0
    for index in 2..<text.count where (text[index] & 0x20 != 0) != isLower { return nil }
    if isFirstLower { return isLower ? CellStyle.Capitals.none : nil }
    return isLower ? .first : .all
  }

  /// `true`, `TRUE`, `True`, and so on.
  static func value(_ text: UnsafeBufferPointer<UInt8>) -> Bool? {
    func isWord(_ word: StaticString) -> Bool {
      guard text.count == word.utf8CodeUnitCount else { return false }
      for index in text.indices where text[index] | 0x20 != word.utf8Start[index] { return false }
      return true
    }
    return isWord("true") ? true : (isWord("false") ? false : nil)
  }
}

enum IntegerText {
  /// Digits, perhaps after a minus; nil when it is anything else or has more digits than that (at most 18).
  @inline(__always)
  static func short(_ text: UnsafeBufferPointer<UInt8>, digitsMax: Int) -> Int64? {
    let count = text.count
    guard count > 0 else { return nil }
    let isNegative = text[0] == UInt8(ascii: "-")
    let start = isNegative ? 1 : 0
    guard count - start > 0, count - start <= digitsMax else { return nil }
    var magnitude: Int64 = 0
    for index in start..<count {
      let digit = text[index] &- UInt8(ascii: "0")
      guard digit < 10 else { return nil }
      magnitude = magnitude &* 10 &+ Int64(digit)
    }
    return isNegative ? -magnitude : magnitude
  }

  /// Of such digits: neither `-0` nor a zero before another digit.
  @inline(__always)
  static func isCanonical(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = text[0] == UInt8(ascii: "-") ? 1 : 0
    return text[start] != UInt8(ascii: "0") || text.count == 1
  }
}

/// Without the blanks around it.
@inline(__always)
func trimmed(_ text: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
  var range = 0..<text.count
  while let last = range.last, text[last] == UInt8(ascii: " ") { range = range.dropLast() }
  while let first = range.first, text[first] == UInt8(ascii: " ") { range = range.dropFirst() }
  return range.count == text.count ? text : UnsafeBufferPointer(rebasing: text[range])
}

private func lowercase(_ text: [UInt8]) -> [UInt8] {
  Array(String(decoding: text, as: UTF8.self).lowercased().utf8)
}
