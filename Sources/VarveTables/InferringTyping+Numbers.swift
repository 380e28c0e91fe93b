/// One pass over batches of numbers whose type was guessed right.
extension InferringTyping {
  /// Nil when a cell is no integer in its canonical spelling.
  mutating func typeIntegers(
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
            } else if let value = IntegerText.short(text, digitsMax: digitsMax), IntegerText.isCanonical(text) {
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

  /// Nil when a cell is no number that a double holds.
  mutating func typeDoubles(
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
    var groupLike = 0
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
            if let short = ShortDecimal(text, point: point) {
              values.initializeElement(at: row, to: short.value)
              if short.isInteger {
                if integers == 0 { firstInteger = row }
                integers += 1
              } else {
                if fractions == 0 { firstFraction = row }
                fractions += 1
                if isUntyped, short.fractionDigits == 3, (1...3).contains(short.integerDigits) { groupLike += 1 }
              }
              integerDigits = max(integerDigits, short.integerDigits)
              scale = max(scale, short.scale)
              let isUsual =
                short.fractionDigits == max(short.scale, leastFraction)
                && (short.value == 0 || short.value.magnitude >= 1e-4)
              if !isUsual { spellings.list(row, kind, text: text) }
              continue
            }
            values.initializeElement(at: row, to: 0)
            guard let number = NumberText(text, point: point), number.isPlain else {
              isBorneOut = false
              return
            }
            if number.isInteger {
              // A whole number of 16 digits may lie beyond 2^53, and is an identifier where it is untyped.
              guard number.significantDigits <= 15 else {
                isBorneOut = false
                return
              }
              if integers == 0 { firstInteger = row }
              integers += 1
            } else {
              if fractions == 0 { firstFraction = row }
              fractions += 1
            }
            guard let (value, survives) = number.double(text, point: point), survives else {
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
    evidence.add(.groupLike, count: groupLike, first: source.witness(firstFraction))
    evidence.addDigits(integer: integerDigits, scale: scale)
    return TypedColumn(column: Column(.double, .double(values), validity: validity), spellings: spellings)
  }
}
