/// One column of a table.
public struct Field: Hashable, Sendable {
  /// The name in the table: none of ` ,;{}()\n\t=`, and no other field's name but for case.
  public var name: String
  /// What its values are.
  public var type: DataType
  /// Whether a row may have no value.
  public var isNullable: Bool
  /// The header as the feed spelled it, where it differs from `name`.
  public var header: String?
  /// Other headers under which feeds may bring this column.
  public var aliases: [String]
  /// How feeds write it, for dates and times: `DD.MM.YYYY`.
  public var format: String?
  /// Texts that stand for null, beside the empty one.
  public var nulls: [String]
  /// The decimal separator in feeds: `.` or `,`.
  public var decimal: String
  /// What stands between groups of three digits in feeds: `.`, `,`, `'` or a blank; nil: nothing.
  public var grouping: String?
  /// What feeds may do to it; nil: as the table says.
  public var contract: ColumnContract?
  /// What it is known by from version to version: set where its name is another than its first, or was another column's
  /// before; nil: its name.
  package var identity: String?

  /// Equal for what is one column in two versions of a table, whatever it is called.
  package var lineage: String { identity ?? name }

  /// A column of that name and type.
  public init(
    _ name: String, _ type: DataType, isNullable: Bool = true, header: String? = nil, aliases: [String] = [],
    format: String? = nil, nulls: [String] = [], decimal: String = ".", grouping: String? = nil
  ) {
    self.name = name
    self.type = type
    self.isNullable = isNullable
    self.header = header
    self.aliases = aliases
    self.format = format
    self.nulls = nulls
    self.decimal = decimal
    self.grouping = grouping
  }
}

/// What a feed may do to a table's columns.
public enum ColumnContract: String, Sendable, CaseIterable {
  /// Columns widen where a feed needs it, and new ones are added; what does not fit is as `BadRowPolicy` says.
  case evolve
  /// A feed that would change a column, add one or does not fit is refused as a whole.
  case freeze
  /// Rows that would change a column, add one or do not fit are laid aside.
  case quarantine
}

/// The columns of a table, or of one version of it, in order.
public struct Schema: Hashable, Sendable {
  /// In order; no two names are equal but for case.
  public var fields: [Field]

  /// Of these columns.
  public init(_ fields: [Field]) { self.fields = fields }

  /// A feed writes its numbers so, whatever the fields say: what groups digits in one of them may be that very mark.
  package mutating func setDecimal(_ decimal: String) {
    for index in fields.indices {
      fields[index].decimal = decimal
      if fields[index].grouping == decimal { fields[index].grouping = nil }
    }
  }

  /// The position of the field of exactly that name.
  public func index(of name: String) -> Int? { fields.firstIndex { $0.name == name } }

  /// The field of exactly that name.
  public subscript(_ name: String) -> Field? { index(of: name).map { fields[$0] } }
}
