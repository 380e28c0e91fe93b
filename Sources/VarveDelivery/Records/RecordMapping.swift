package import VarveJSON
package import VarveTables

/// How the columns of a table become the fields of the records that a target is sent.
public struct RecordMapping: Hashable, Sendable {
  /// What is sent of one column.
  public struct Column: Hashable, Sendable {
    /// How its values are spelled.
    public enum Form: String, Sendable {
      /// As JSON has them. Decimals of more than 15 digits, which a double does not hold, are sent as strings.
      case value
      /// Decimals as numbers; one that a double does not hold stops the push.
      case number
      /// The canonical text of every value, as a string.
      case string
    }

    /// What becomes of a number in nested JSON that neither a double nor 64 bits hold.
    public enum WideNumbers: String, Sendable {
      /// It stops the push, naming where it stands.
      case refuse
      /// It is sent as a string.
      case string
    }

    /// The column of the table.
    public var column: String
    /// The field of the record.
    public var field: String
    /// How its values are spelled.
    public var form: Form
    /// What becomes of numbers that a double does not hold.
    public var wideNumbers: WideNumbers

    /// A column that becomes a field.
    public init(
      _ column: String, field: String? = nil, form: Form = .value, wideNumbers: WideNumbers = .refuse
    ) {
      self.column = column
      self.field = field ?? column
      self.form = form
      self.wideNumbers = wideNumbers
    }
  }

  /// By column.
  public var columns: [Column]
  /// Whether columns that are not named are sent too, under their own names.
  public var sendsUnlisted: Bool

  /// Columns that become fields, and whether the others go under their own names.
  public init(_ columns: [Column] = [], sendsUnlisted: Bool) {
    self.columns = columns
    self.sendsUnlisted = sendsUnlisted
  }

  /// Every column under its own name.
  public static let identity = RecordMapping(sendsUnlisted: true)
}

extension RecordMapping {
  /// The columns that are sent of a table with these, each with its place among them. Refuses names that the table
  /// lacks, and fields that would come twice.
  func resolved(_ schema: Schema, place: [String]) throws -> [(index: Int, column: Column)] {
    for column in columns where schema.index(of: column.column) == nil {
      throw Problem(
        .failed, at: place, "the table has no column \"\(column.column)\", which the target's mapping names",
        advice: "change \"columns\" of the target; the table's are \(schema.fields.map(\.name).joined(separator: ", "))"
      )
    }
    var sent: [(index: Int, column: Column)] = []
    for (index, field) in schema.fields.enumerated() {
      if let column = columns.first(where: { $0.column == field.name }) {
        sent.append((index, column))
      } else if sendsUnlisted {
        sent.append((index, Column(field.name)))
      }
    }
    guard !sent.isEmpty else { throw Problem(.failed, at: place, "the target's mapping sends no column") }
    var seen: Set<[UInt8]> = []
    for (_, column) in sent where !seen.insert(Array(column.field.utf8)).inserted {
      throw Problem(
        .failed, at: place, "two columns would be sent as \"\(column.field)\"",
        advice: "give one of them another field in the target's \"columns\"")
    }
    return sent
  }

  // MARK: As JSON, in settings and in the plan of a delivery

  package init(_ json: JSONValue?, unlisted: JSONValue?, place: [String]) throws(Problem) {
    let isSending: Bool? =
      switch unlisted {
      case nil: json == nil
      case .string("send"): true
      case .string("leave"): false
      default: nil
      }
    guard let isSending else {
      throw Problem(.usage, at: place, "\"unlisted\" must be \"send\" or \"leave\"")
    }
    sendsUnlisted = isSending
    columns = []
    guard let json else { return }
    guard let members = json.object?.members else {
      throw Problem(
        .usage, at: place, "\"columns\" must be an object",
        advice: #"write {"price": {"field": "amount", "as": "string"}, "sku": "id"}"#)
    }
    for member in members {
      columns.append(try RecordMapping.column(member.key, member.value, place + ["column \"\(member.key)\""]))
    }
  }

  private static func column(_ name: String, _ json: JSONValue, _ place: [String]) throws(Problem) -> Column {
    if let field = json.string { return Column(name, field: field) }
    guard let object = json.object else {
      throw Problem(
        .usage, at: place, "must be the field's name, or an object with \"field\", \"as\", \"wide_numbers\"")
    }
    var column = Column(name)
    for member in object.members {
      switch (member.key, member.value.string) {
      case ("field", let field?): column.field = field
      case ("as", let text?):
        guard let form = Column.Form(rawValue: text) else {
          throw Problem(.usage, at: place, "\"as\" must be \"value\", \"number\" or \"string\"")
        }
        column.form = form
      case ("wide_numbers", let text?):
        guard let wideNumbers = Column.WideNumbers(rawValue: text) else {
          throw Problem(.usage, at: place, "\"wide_numbers\" must be \"refuse\" or \"string\"")
        }
        column.wideNumbers = wideNumbers
      default:
        throw Problem(.usage, at: place, "\"\(member.key)\" is no setting of a column, or no text")
      }
    }
    return column
  }

  package var json: (columns: JSONValue, unlisted: JSONValue) {
    let members = columns.map { column -> (String, JSONValue) in
      (
        column.column,
        [
          "field": .string(column.field), "as": .string(column.form.rawValue),
          "wide_numbers": .string(column.wideNumbers.rawValue),
        ]
      )
    }
    return (.object(JSONObject(members)), sendsUnlisted ? "send" : "leave")
  }
}
