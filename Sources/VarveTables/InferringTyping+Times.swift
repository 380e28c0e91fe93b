/// One pass over batches of dates, times and booleans whose type was guessed right.
extension InferringTyping {
  /// Nil when a cell is no date.
  mutating func typeDates(_ source: Source, _ kinds: KindSet) -> TypedColumn? {
    var spellings = Spellings()
    let read = fill(source, kinds, &spellings) { text, _ in CivilTime.days(iso: text).map { ($0, true) } }
    guard let read else { return nil }
    evidence.add(.date, count: read.count, first: source.witness(read.first))
    return TypedColumn(column: Column(.date, .int64(read.values), validity: read.validity), spellings: spellings)
  }

  /// Nil when a cell is neither time nor date.
  mutating func typeTimes(_ source: Source, _ kinds: KindSet) -> TypedColumn? {
    var spellings = Spellings()
    let style = CellStyle.guess(source.raw, .timestamp, point: options.point)
    spellings.style = style
    let fraction = style.fractionDigits > 0 ? Int(style.fractionDigits) + 1 : 0
    let length = 19 + fraction + (style.isInstant ? 1 : 0)
    let separator = UInt8(ascii: style.hasBlank ? " " : "T")
    let zone = options.zone
    var dates = 0
    var firstDate = 0
    var firstTime: Int?
    let read = fill(source, kinds, &spellings) { text, row in
      guard let local = CivilTime.local(iso: text), let instant = zone.instant(of: local) else { return nil }
      if !local.hasTime {
        if dates == 0 { firstDate = row }
        dates += 1
      } else if firstTime == nil {
        firstTime = row
      }
      let isUsual =
        text.count == length && text[10] == separator && (fraction == 0 || text[19] == UInt8(ascii: "."))
        && (style.isInstant ? text[length - 1] == UInt8(ascii: "Z") : local.offset == nil)
      return (instant, isUsual)
    }
    guard let read else { return nil }
    evidence.add(.date, count: dates, first: source.witness(firstDate))
    evidence.add(.timestamp, count: read.count - dates, first: source.witness(firstTime ?? 0))
    return TypedColumn(column: Column(.timestamp, .int64(read.values), validity: read.validity), spellings: spellings)
  }

  /// Nil when a cell is neither true nor false.
  mutating func typeBooleans(_ source: Source, _ kinds: KindSet) -> TypedColumn? {
    var spellings = Spellings()
    let capitals = CellStyle.guess(source.raw, .boolean, point: options.point).capitals
    spellings.style.capitals = capitals
    let read = fill(source, kinds, &spellings) { text, _ in
      guard let value = BooleanText.value(text), let written = BooleanText.capitals(text) else { return nil }
      return (value ? 1 : 0, written == capitals)
    }
    guard let read else { return nil }
    evidence.add(.boolean, count: read.count, first: source.witness(read.first))
    return TypedColumn(column: Column(.boolean, .int64(read.values), validity: read.validity), spellings: spellings)
  }

  private struct Filled {
    var values: [Int64]
    var validity: [Bool]
    /// Rows with a value, and the first of them.
    var count: Int
    var first: Int
  }

  /// Cells that are null, or that `read` takes: their value, and whether they are spelled in the usual way.
  @inline(__always)
  private func fill(
    _ source: Source, _ kinds: KindSet, _ spellings: inout Spellings,
    _ read: (UnsafeBufferPointer<UInt8>, Int) -> (Int64, Bool)?
  ) -> Filled? {
    let raw = source.raw
    let hasNulls = !kinds.isDisjoint(with: .none)
    var filled = Filled(
      values: [], validity: [Bool](repeating: true, count: hasNulls ? raw.count : 0), count: 0, first: 0)
    setNullKind(raw, kinds, &spellings)
    var isBorneOut = true
    filled.values = [Int64](unsafeUninitializedCapacity: raw.count) { values, valueCount in
      raw.bytes.withUnsafeBufferPointer { bytes in
        raw.ends.withUnsafeBufferPointer { ends in
          var start = 0
          for row in 0..<raw.count {
            let text = UnsafeBufferPointer(rebasing: bytes[start..<ends[row]])
            start = ends[row]
            let kind = raw.kinds[row]
            valueCount = row + 1
            if hasNulls, kind.rawValue <= RawKind.null.rawValue {
              filled.validity[row] = false
              values.initializeElement(at: row, to: 0)
              if kind != spellings.nullKind { spellings.list(row, kind, text: nil) }
              continue
            }
            guard let (value, isUsual) = read(text, row) else {
              values.initializeElement(at: row, to: 0)
              isBorneOut = false
              return
            }
            values.initializeElement(at: row, to: value)
            if filled.count == 0 {
              filled.first = row
              spellings.kind = kind
            }
            filled.count += 1
            if !isUsual { spellings.list(row, kind, text: text) }
          }
        }
      }
    }
    return isBorneOut ? filled : nil
  }
}
