/// Raw cells into a column whose type is found as its values come (architecture, "Values").
///
/// A guess, the type so far, is tried in one pass that reads, checks and stores. Only a batch that does not bear it out is
/// looked at again, cell by cell, and stored under the type that then holds.
struct InferringTyping: Sendable {
  private(set) var evidence = TypeEvidence()
  private let name: String
  private let options: TypingOptions
  /// Rows typed so far.
  private var ordinal = 0
  /// The fast pass failed although the type stayed: it would fail again.
  private var isIrregular = false

  init(_ name: String, _ options: TypingOptions) {
    self.name = name
    self.options = options
  }

  mutating func type(_ raw: RawColumn, _ origins: Origins) -> TypedColumn {
    let source = Source(raw: raw, origins: origins, ordinal: ordinal)
    let kinds = KindSet(of: raw)
    defer { ordinal += raw.count }
    var typed: TypedColumn
    if let fast = typeFast(source, kinds) {
      typed = fast
    } else {
      let before = evidence.type
      if !evidence.has(.json) { classify(source, kinds) }
      isIrregular = before == evidence.type
      typed = store(raw, origins, kinds)
    }
    if kinds.contains(KindSet(.absent)), typed.absent.isEmpty { typed.absent = raw.kinds.map { $0 == .absent } }
    return typed
  }

  /// A batch and its place in the feed.
  private struct Source {
    let raw: RawColumn
    let origins: Origins
    /// Of its first row.
    let ordinal: Int

    func witness(_ row: Int) -> TypeEvidence.Witness {
      TypeEvidence.Witness(ordinal: ordinal + row, origin: origins[row], text: raw.bytes[raw.range(row)])
    }
  }

  // MARK: One pass

  private mutating func typeFast(_ source: Source, _ kinds: KindSet) -> TypedColumn? {
    let isUntyped = kinds.subtracting(.none) == KindSet(.untyped)
    let isNumber = kinds.subtracting(.none) == KindSet(.number)
    switch evidence.type {
    case .text where evidence.has(.text):
      // Nothing but JSON and error cells can still say anything.
      if kinds.contains(KindSet(.json)) || kinds.contains(KindSet(.error)) { return nil }
      return store(source.raw, source.origins, kinds)
    case .int64 where (isUntyped || isNumber) && !isIrregular:
      return typeIntegers(source, kinds, digitsMax: isUntyped ? 15 : 18)
    case .double where (isUntyped || isNumber) && !isIrregular:
      return typeDoubles(source, kinds, isUntyped: isUntyped)
    case nil where kinds.isSubset(of: .none):
      return TypedColumn()
    default: return nil
    }
  }

  /// Nil when a cell is no integer in its canonical spelling.
  private mutating func typeIntegers(
    _ source: Source, _ kinds: KindSet, digitsMax: Int
  ) -> TypedColumn? {
    let raw = source.raw
    let count = raw.count
    let hasNulls = !kinds.isDisjoint(with: .none)
    var validity = [Bool](repeating: true, count: hasNulls ? count : 0)
    var largest: UInt64 = 0
    var isPlain = true
    let values = [Int64](unsafeUninitializedCapacity: count) { values, filled in
      raw.bytes.withUnsafeBufferPointer { bytes in
        raw.ends.withUnsafeBufferPointer { ends in
          var start = 0
          for row in 0..<count {
            let text = UnsafeBufferPointer(rebasing: bytes[start..<ends[row]])
            start = ends[row]
            if hasNulls, raw.kinds[row].rawValue <= RawKind.null.rawValue {
              validity[row] = false
              values.initializeElement(at: row, to: 0)
            } else if let value = IntegerText.short(text, digitsMax: digitsMax), Self.isCanonical(text) {
              values.initializeElement(at: row, to: value)
              largest = max(largest, value.magnitude)
            } else {
              isPlain = false
              return
            }
            filled = row + 1
          }
        }
      }
    }
    guard isPlain else { return nil }
    var rows = 0
    for isValid in validity where isValid { rows += 1 }
    if !hasNulls { rows = count }
    evidence.add(.integer, count: rows, first: source.witness(validity.firstIndex(of: true) ?? 0))
    if largest >= 1 << 53 {
      var large = TypeEvidence()
      for row in 0..<count where values[row].magnitude >= 1 << 53 {
        large.add(.largeInteger, count: 1, first: source.witness(row))
      }
      evidence.add(large)
    }
    evidence.addDigits(integer: Int128(largest).decimalDigits, scale: 0)
    let column = Column(.int64, .int64(values), validity: validity)
    return TypedColumn(column: column, spellings: usualSpellings(raw, column, kinds))
  }

  /// Neither `-0` nor a zero before another digit.
  @inline(__always)
  private static func isCanonical(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = text[0] == UInt8(ascii: "-") ? 1 : 0
    return text[start] != UInt8(ascii: "0") || text.count == 1
  }

  /// Nil when a cell is no number that a double holds.
  private mutating func typeDoubles(
    _ source: Source, _ kinds: KindSet, isUntyped: Bool
  ) -> TypedColumn? {
    let raw = source.raw
    let count = raw.count
    let hasNulls = !kinds.isDisjoint(with: .none)
    var validity = [Bool](repeating: true, count: hasNulls ? count : 0)
    var integers = 0
    var firstInteger = 0
    var fractions = 0
    var firstFraction = 0
    var integerDigits = 0
    var scale = 0
    var spellings = Spellings()
    let point = isUntyped ? options.point : UInt8(ascii: ".")
    spellings.style = CellStyle.guess(raw, .double, point: point)
    spellings.kind = isUntyped ? .untyped : .number
    setNullKind(raw, kinds, &spellings)
    let leastFraction = Int(spellings.style.fractionDigits)
    var isBorneOut = true
    let values = [Double](unsafeUninitializedCapacity: count) { values, filled in
      raw.bytes.withUnsafeBufferPointer { bytes in
        raw.ends.withUnsafeBufferPointer { ends in
          var start = 0
          for row in 0..<count {
            let text = UnsafeBufferPointer(rebasing: bytes[start..<ends[row]])
            start = ends[row]
            filled = row + 1
            let kind = raw.kinds[row]
            if hasNulls, kind.rawValue <= RawKind.null.rawValue {
              validity[row] = false
              values.initializeElement(at: row, to: 0)
              if kind != spellings.nullKind { spellings.list(row, kind, text: nil) }
              continue
            }
            values.initializeElement(at: row, to: 0)
            guard let number = NumberText(text, point: point), number.isPlain else {
              isBorneOut = false
              return
            }
            let isShort = number.significantDigits <= 15
            if number.isInteger {
              // A whole number of 16 digits may lie beyond 2^53, and is an identifier where it is untyped.
              guard isShort else {
                isBorneOut = false
                return
              }
              if integers == 0 { firstInteger = row }
              integers += 1
            } else {
              if fractions == 0 { firstFraction = row }
              fractions += 1
            }
            guard let value = number.double(text, point: point),
              isShort && number.isOrdinary || number.survives(as: value)
            else {
              isBorneOut = false
              return
            }
            values[row] = value
            integerDigits = max(integerDigits, number.integerDigits)
            scale = max(scale, number.scale)
            // A double prints without an exponent from 1e-4 to 2^53, and its digits are those of the text.
            let isUsual =
              !number.hasExponent && number.fractionDigits == max(number.scale, leastFraction)
              && (number.isZero || (value.magnitude >= 1e-4 && value.magnitude < 0x1p53))
            if !isUsual { spellings.list(row, kind, text: text) }
          }
        }
      }
    }
    guard isBorneOut else { return nil }
    evidence.add(.integer, count: integers, first: source.witness(firstInteger))
    evidence.add(.fraction, count: fractions, first: source.witness(firstFraction))
    evidence.addDigits(integer: integerDigits, scale: scale)
    return TypedColumn(column: Column(.double, .double(values), validity: validity), spellings: spellings)
  }

  private func setNullKind(_ raw: RawColumn, _ kinds: KindSet, _ spellings: inout Spellings) {
    if kinds.contains(KindSet(.absent)), let row = raw.kinds.firstIndex(where: { $0.rawValue <= RawKind.null.rawValue })
    {
      spellings.nullKind = raw.kinds[row]
    }
  }

  /// Of a column whose texts are all canonical: only kinds can differ.
  private func usualSpellings(_ raw: RawColumn, _ column: Column, _ kinds: KindSet) -> Spellings {
    var spellings = Spellings()
    spellings.setUsualKinds(raw, column)
    let kind = spellings.kind
    let nullKind = spellings.nullKind
    if kinds.isSubset(of: KindSet(kind, nullKind)) { return spellings }
    for row in 0..<raw.count where raw.kinds[row] != kind && raw.kinds[row] != nullKind {
      spellings.list(row, raw.kinds[row], text: nil)
    }
    return spellings
  }

  // MARK: Cell by cell

  private mutating func classify(_ source: Source, _ kinds: KindSet) {
    let raw = source.raw
    let cells = CellClassifier(options: options)
    if kinds.contains(KindSet(.json)), let row = raw.kinds.firstIndex(of: .json) {
      evidence.add(.json, count: 1, first: source.witness(row))
      return
    }
    raw.bytes.withUnsafeBufferPointer { bytes in
      for row in 0..<raw.count where raw.kinds[row].rawValue > RawKind.null.rawValue {
        let text = UnsafeBufferPointer(rebasing: bytes[raw.range(row)])
        cells.classify(raw.kinds[row], text) { fact in
          evidence.add(fact, count: 1, first: source.witness(row))
        } digits: {
          evidence.addDigits(integer: $0, scale: $1)
        }
        // Text is text whatever else comes.
        if evidence.has(.text) { return }
      }
    }
  }

  // MARK: Storing

  private func store(_ raw: RawColumn, _ origins: Origins, _ kinds: KindSet) -> TypedColumn {
    guard let type = evidence.type else {
      // Error cells are rejected even where no value has come.
      var typed = DeclaredTyping(plain: Field(name, .text), options).type(raw, origins)
      typed.column = nil
      return typed
    }
    var typed = DeclaredTyping(plain: Field(name, type), options).type(raw, origins)
    guard let column = typed.column else { return typed }
    if type == .text, !kinds.contains(KindSet(.error)) {
      typed.spellings = usualSpellings(raw, column, kinds)
    } else {
      typed.spellings = Spellings(
        of: raw, as: column, zone: options.zone,
        point: kinds.contains(KindSet(.untyped)) ? options.point : UInt8(ascii: "."))
    }
    return typed
  }
}
