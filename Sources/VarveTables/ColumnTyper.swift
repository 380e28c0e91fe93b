/// Types one column of a feed, batch after batch, in feed order.
///
/// - *Declared*: the type is known. Cells that do not fit are rejections.
/// - *Inferring*: each batch comes back in the narrowest type that holds all values so far, with the spellings that give
///   back its raw cells. When the feed has ended, whoever keeps the batches restores those whose type is not the final
///   `type` and types them again with `init(retyping:)`: they come out as if the type had been known from the start.
package struct ColumnTyper: Sendable {
  private enum Mode: Sendable {
    case declared(DeclaredTyping)
    case inferring(InferringTyping)
  }

  private var mode: Mode
  private let name: String
  private let options: TypingOptions

  /// Of a field whose format nobody can read, throws a `Problem` of kind `usage`.
  package init(declared field: Field, options: TypingOptions = TypingOptions()) throws {
    mode = .declared(try DeclaredTyping(field, options))
    name = field.name
    self.options = options
  }

  package init(inferring name: String, options: TypingOptions = TypingOptions()) {
    mode = .inferring(InferringTyping(name, options))
    self.name = name
    self.options = options
  }

  /// For restored batches: as declared, but what was rejected once (an error cell) is null and not rejected again.
  package init(retyping name: String, to type: DataType, options: TypingOptions = TypingOptions()) {
    var quiet = options
    if quiet.errorCells == .reject { quiet.errorCells = .null }
    mode = .declared(DeclaredTyping(plain: Field(name, type), quiet))
    self.name = name
    self.options = quiet
  }

  /// The narrowest type that holds every value so far (nil while there is none), or the declared one.
  package var type: DataType? {
    switch mode {
    case .declared(let typing): typing.field.type
    case .inferring(let typing): typing.evidence.type
    }
  }

  /// What speaks for the type; nil when it was declared.
  package var evidence: TypeEvidence? {
    if case .inferring(let typing) = mode { return typing.evidence }
    return nil
  }

  /// `text: 3 of 1,204 values have leading zeros, first at row 7 ("007")`.
  package var reason: String {
    switch mode {
    case .declared(let typing): "\(typing.field.type.name): declared"
    case .inferring(let typing): typing.evidence.reason
    }
  }

  package mutating func type(_ raw: RawColumn, origins: Origins) -> TypedColumn {
    switch mode {
    case .declared(let typing): return typing.type(raw, origins)
    case .inferring(var typing):
      let typed = typing.type(raw, origins)
      mode = .inferring(typing)
      return typed
    }
  }

  /// The raw cells, kind and text, from which `type(_:origins:)` made this column.
  package func restore(_ column: Column, _ spellings: Spellings) -> RawColumn {
    spellings.restore(column, name: name, zone: options.zone)
  }
}

/// What typing a feed needs to be told.
package struct TypingOptions: Sendable {
  /// Where the clocks stood that times without a zone were read from.
  package var zone: Zone
  package var errorCells: ErrorCells
  /// Whether a missing key means null (a full record), or that the row keeps what it has.
  package var absentIsNull: Bool
  /// Between whole number and fraction in CSV fields; `.` unless told.
  package var decimal: String
  /// Whether text with leading zeros or a plus sign is refused in a numeric column: so where nobody but the table says
  /// that it is one, for `007` would become 7.
  package var keepsIdentifiers = false
  /// For CSV fields in a declared json column: the canonical form of a JSON text, nil when it is none.
  package var canonicalJSON: (@Sendable ([UInt8]) -> [UInt8]?)?

  package enum ErrorCells: String, Sendable { case reject, null, text }

  package init(
    zone: Zone = .utc, errorCells: ErrorCells = .reject, absentIsNull: Bool = false, decimal: String = ".",
    canonicalJSON: (@Sendable ([UInt8]) -> [UInt8]?)? = nil
  ) {
    self.zone = zone
    self.errorCells = errorCells
    self.absentIsNull = absentIsNull
    self.decimal = decimal
    self.canonicalJSON = canonicalJSON
  }

  var point: UInt8 { decimal == "," ? UInt8(ascii: ",") : UInt8(ascii: ".") }
}

/// One batch of one column, typed.
package struct TypedColumn: Sendable {
  /// Nil while no value has come: the batch has only nulls then.
  package var column: Column?
  /// Per row, whether the record has no such key at all. Empty when every record has it.
  package var absent: [Bool]
  /// Empty of a declared column, whose raw cells nobody asks for again.
  package var spellings: Spellings
  /// Rejected cells are null in `column`.
  package var rejections: [Rejection]
  /// The row in the batch of each rejection.
  package var rejectedRows: [Int]

  package init(
    column: Column? = nil, absent: [Bool] = [], spellings: Spellings = Spellings(), rejections: [Rejection] = [],
    rejectedRows: [Int] = []
  ) {
    self.column = column
    self.absent = absent
    self.spellings = spellings
    self.rejections = rejections
    self.rejectedRows = rejectedRows
  }
}

/// Which kinds of cell a batch of a column has.
struct KindSet: OptionSet, Sendable {
  var rawValue: UInt16

  init(rawValue: UInt16) { self.rawValue = rawValue }

  init(_ kinds: RawKind...) {
    rawValue = 0
    for kind in kinds { rawValue |= 1 << UInt16(kind.rawValue) }
  }

  init(of column: borrowing RawColumn) {
    var bits: UInt16 = 0
    column.kinds.withUnsafeBufferPointer { kinds in
      for kind in kinds { bits |= 1 << UInt16(kind.rawValue) }
    }
    rawValue = bits
  }

  static let none = KindSet(.absent, .null)
}
