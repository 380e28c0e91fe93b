/// What the values of one column have been: enough, in bounded memory, to tell its type and the reason for it.
///
/// Evidence is a sum. Whatever way a feed is cut into batches, and in whatever order they are added up, the type and the
/// reason come out the same.
package struct TypeEvidence: Sendable {
  /// What one value can say. The type is decided by which of these were met, and by the digits of the numbers.
  enum Fact: Int, CaseIterable, Sendable {
    case boolean
    /// A whole number that an int64 holds.
    case integer
    /// One of 2^53 or more, or -2^53 or less, which a double might not hold.
    case largeInteger
    /// Any other number: with a point or an exponent, or beyond int64.
    case fraction
    /// A fraction that may be a thousands separator: `1.000`, `123.456`.
    case groupLike
    /// One that no double holds: the shortest text of the nearest one is another number.
    case noDouble
    case date
    case timestamp
    /// `''` in quotes: empty text in a text column, and null in any other.
    case quotedEmpty
    case leadingZeros
    case plusSign
    /// More than 15 significant digits, in a feed that does not tell numbers from text.
    case longNumber
    case text
    /// An object or array.
    case json
  }

  /// The first value that said it.
  struct Witness: Hashable, Sendable {
    /// Its row, counted through the feed.
    var ordinal: Int
    var origin: Origin
    var text: String

    static let textBytesMax = 60

    init(ordinal: Int, origin: Origin, text: ArraySlice<UInt8>) {
      self.ordinal = ordinal
      self.origin = origin
      let shown = String(decoding: text.prefix(Self.textBytesMax), as: UTF8.self)
      self.text = text.count > Self.textBytesMax ? shown + "…" : shown
    }
  }

  private(set) var counts = [Int](repeating: 0, count: Fact.allCases.count)
  private(set) var witnesses = [Witness?](repeating: nil, count: Fact.allCases.count)
  /// Digits that all numbers together need before and after the point.
  private(set) var integerDigits = 0
  private(set) var scale = 0

  package init() {}

  func has(_ fact: Fact) -> Bool { counts[fact.rawValue] > 0 }
  func count(_ fact: Fact) -> Int { counts[fact.rawValue] }

  mutating func add(_ fact: Fact, count: Int, first: @autoclosure () -> Witness) {
    guard count > 0 else { return }
    counts[fact.rawValue] += count
    if witnesses[fact.rawValue] == nil { witnesses[fact.rawValue] = first() }
  }

  mutating func addDigits(integer: Int, scale: Int) {
    integerDigits = max(integerDigits, integer)
    self.scale = max(self.scale, scale)
  }

  package mutating func add(_ other: TypeEvidence) {
    for index in counts.indices {
      counts[index] += other.counts[index]
      if let theirs = other.witnesses[index], theirs.ordinal < witnesses[index]?.ordinal ?? .max {
        witnesses[index] = theirs
      }
    }
    addDigits(integer: other.integerDigits, scale: other.scale)
  }

  /// The values that numbers have in a table already, so that feed and table are decided together.
  package mutating func add(stored column: Column) {
    let origin = Origin(file: "the table", unit: .row, position: 0)
    func note(_ fact: Fact, _ row: Int) {
      add(fact, count: 1, first: Witness(ordinal: .max, origin: origin, text: ArraySlice(column.texts()[row])))
    }
    for row in 0..<column.count where !column.isNull(row) {
      switch (column.type, column.values) {
      case (.int64, .int64(let values)):
        note(.integer, row)
        if values[row].magnitude >= 1 << 53 { note(.largeInteger, row) }
        addDigits(integer: Int128(values[row]).decimalDigits, scale: 0)
      case (.double, .double(let values)):
        note(.fraction, row)
        var text = values[row].description
        text.withUTF8 { bytes in
          guard let number = NumberText(bytes) else { return }
          addDigits(integer: number.integerDigits, scale: number.scale)
        }
      default: return
      }
    }
  }
}

// MARK: The type

extension TypeEvidence {
  /// The narrowest type that holds every value so far, or nil while there is none.
  package var type: DataType? {
    if has(.json) { return .json }
    if has(.text) || has(.leadingZeros) || has(.plusSign) || has(.longNumber) { return .text }
    let isNumber = has(.integer) || has(.fraction)
    let isTime = has(.date) || has(.timestamp)
    switch (has(.boolean), isNumber, isTime) {
    case (false, false, false): return has(.quotedEmpty) ? .text : nil
    case (true, false, false): return .boolean
    case (false, true, false): return numberType
    case (false, false, true): return has(.timestamp) ? .timestamp : .date
    default: return .text
    }
  }

  private var numberType: DataType {
    if !has(.fraction) { return .int64 }
    if !has(.noDouble) && !has(.largeInteger) { return .double }
    let precision = integerDigits + scale
    return precision <= DataType.decimalPrecisionMax
      ? .decimal(precision: max(1, precision), scale: scale) : .text
  }

  /// Why it is that type, in words: `text: 3 of 1,204 values have leading zeros, first at row 7 ("007")`.
  package var reason: String {
    guard let type else { return "no value yet" }
    return "\(type.name): \(explanation(type))"
  }

  private func explanation(_ type: DataType) -> String {
    switch type {
    case .boolean: return all("are true or false") + emptied
    case .int64: return all("are whole numbers") + emptied
    case .double:
      return some(.fraction, "has a fraction or an exponent", "have a fraction or an exponent") + suspicion + emptied
    case .decimal: return beyondDouble + emptied
    case .date: return all("are dates") + emptied
    case .timestamp:
      return (has(.date) ? some(.timestamp, "has a time of day", "have a time of day") : all("are times")) + emptied
    case .json: return first(.json, "is an object or array")
    case .text:
      if has(.text) { return first(.text, "is text") }
      let identifiers = [
        (Fact.leadingZeros, "has leading zeros", "have leading zeros"),
        (.plusSign, "has a plus sign", "have a plus sign"),
        (.longNumber, "has more than 15 significant digits", "have more than 15 significant digits"),
      ].filter { has($0.0) }
      if !identifiers.isEmpty { return identifiers.map { some($0.0, $0.1, $0.2) }.joined(separator: "; ") }
      let kinds = [
        (Fact.boolean, "is true or false", "are true or false"), (.integer, "is a whole number", "are whole numbers"),
        (.fraction, "has a fraction or an exponent", "have a fraction or an exponent"),
        (.date, "is a date", "are dates"),
        (.timestamp, "is a time", "are times"),
      ].filter { has($0.0) }
      if kinds.isEmpty { return "every value is an empty text in quotes" }
      if kinds.allSatisfy({ $0.0 == .integer || $0.0 == .fraction }) {
        return "the numbers need more than \(DataType.decimalPrecisionMax) digits; \(beyondDouble)"
      }
      return kinds.map { some($0.0, $0.1, $0.2) }.joined(separator: "; ")
    }
  }

  private var beyondDouble: String {
    has(.noDouble)
      ? some(.noDouble, "is beyond the digits of a double", "are beyond the digits of a double")
      : some(.largeInteger, "is a whole number of 2^53 or more", "are whole numbers of 2^53 or more")
        + " beside fractions"
  }

  private var suspicion: String {
    count(.groupLike) == count(.fraction) ? "; if thousands are grouped so, declare \"grouping\" in a schema file" : ""
  }

  private var emptied: String {
    has(.quotedEmpty) ? "; \(grouped(count(.quotedEmpty))) empty in quotes count as null" : ""
  }

  /// Values of the column; facts that say more about a value already counted are left out.
  private var valueCount: Int {
    counts.reduce(0, +) - count(.largeInteger) - count(.groupLike) - count(.noDouble) - count(.quotedEmpty)
  }

  private func all(_ what: String) -> String {
    valueCount == 1 ? "the one value is: " + what.dropFirst(4) : "all \(grouped(valueCount)) values \(what)"
  }

  private func some(_ fact: Fact, _ one: String, _ many: String) -> String {
    let count = count(fact)
    let head = "\(grouped(count)) of \(grouped(valueCount)) values \(count == 1 ? one : many)"
    return head + (witnesses[fact.rawValue].map { ", \(count == 1 ? "" : "first ")at \(place($0))" } ?? "")
  }

  /// Of the rest nothing was counted: no count, so that the reason is the same however the feed is cut.
  private func first(_ fact: Fact, _ what: String) -> String {
    guard let witness = witnesses[fact.rawValue] else { return "a value \(what)" }
    return "\(position(witness)) \(what) (\(quoted(witness)))"
  }

  private func place(_ witness: Witness) -> String { "\(position(witness)) (\(quoted(witness)))" }

  private func position(_ witness: Witness) -> String {
    (witness.origin.sheet.map { "sheet \"\($0)\" " } ?? "")
      + "\(witness.origin.unit.rawValue) \(witness.origin.position)"
  }

  private func quoted(_ witness: Witness) -> String { "\"\(witness.text)\"" }
}

/// `1,204`.
private func grouped(_ number: Int) -> String {
  var text = ""
  for (index, digit) in String(number).reversed().enumerated() {
    if index > 0, index % 3 == 0, digit != "-" { text.append(",") }
    text.append(digit)
  }
  return String(text.reversed())
}
