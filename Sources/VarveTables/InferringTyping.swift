/// Raw cells into a column whose type is found as its values come.
///
/// A guess, the type so far, is tried in one pass that reads, checks and stores. Only a batch that does not bear it out is
/// looked at again, cell by cell, and stored under the type that then holds.
struct InferringTyping: Sendable {
  var evidence = TypeEvidence()
  private let name: String
  let options: TypingOptions
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
  struct Source {
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
    case .date where (isUntyped || kinds.subtracting(.none) == KindSet(.date)) && !isIrregular:
      return typeDates(source, kinds)
    case .timestamp where (isUntyped || kinds.subtracting(.none) == KindSet(.dateTime)) && !isIrregular:
      return typeTimes(source, kinds)
    case .boolean where (isUntyped || kinds.subtracting(.none) == KindSet(.boolean)) && !isIrregular:
      return typeBooleans(source, kinds)
    case nil where kinds.isSubset(of: .none):
      return TypedColumn()
    default: return nil
    }
  }

  func setNullKind(_ raw: RawColumn, _ kinds: KindSet, _ spellings: inout Spellings) {
    if kinds.contains(KindSet(.absent)), let row = raw.kinds.firstIndex(where: { $0.rawValue <= RawKind.null.rawValue })
    {
      spellings.nullKind = raw.kinds[row]
    }
  }

  /// Of a column whose texts are all canonical: only kinds can differ.
  func usualSpellings(_ raw: RawColumn, _ column: Column, _ kinds: KindSet) -> Spellings {
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
    // Counted here and added at the end, since most cells of a column say the same.
    let count = TypeEvidence.Fact.allCases.count
    var integerDigits = 0
    var scale = 0
    withUnsafeTemporaryAllocation(of: (count: Int, first: Int).self, capacity: count) { facts in
      facts.initialize(repeating: (0, 0))
      raw.bytes.withUnsafeBufferPointer { bytes in
        for row in 0..<raw.count where raw.kinds[row].rawValue > RawKind.null.rawValue {
          let text = UnsafeBufferPointer(rebasing: bytes[raw.range(row)])
          cells.classify(raw.kinds[row], text) { fact in
            if facts[fact.rawValue].count == 0 { facts[fact.rawValue].first = row }
            facts[fact.rawValue].count += 1
          } digits: {
            integerDigits = max(integerDigits, $0)
            scale = max(scale, $1)
          }
          // Text is text whatever else comes.
          if facts[TypeEvidence.Fact.text.rawValue].count > 0 { break }
        }
      }
      for fact in TypeEvidence.Fact.allCases {
        let (count, first) = facts[fact.rawValue]
        evidence.add(fact, count: count, first: source.witness(first))
      }
    }
    evidence.addDigits(integer: integerDigits, scale: scale)
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
