package import VarveJSON
package import VarveTables

/// What is expected of a table's rows, declared beside its columns and kept as a table property.
///
/// | JSON | of | holds where |
/// | --- | --- | --- |
/// | `{"column": C, "not_null": true}` | each row | C has a value |
/// | `{"column": C, "min": V, "max": V}` | each row | C is null, or not below `min` and not above `max` |
/// | `{"column": C, "one_of": [V, …]}` | each row | C is null, or one of them |
/// | `{"column": C, "matches": REGEX}` | each row | C is null, or the whole of it matches |
/// | `{"unique": [C, …]}` | the version | no two rows have the same values there; a row with a null is passed over |
/// | `{"rows": {"min": N, "max": N}}` | the version | it has so many rows |
/// | `{"drift": {"rows": X, "nulls": Y}}` | both versions | the number of rows differs by at most X of what is published, the share of nulls of each column by at most Y |
package struct Expectations: Hashable, Sendable {
  package var rules: [Expectation]

  /// Rules that each row is held to by itself.
  package var ofRows: [Expectation] { rules.filter { $0.column != nil } }

  package init(_ json: JSONValue, place: [String]) throws {
    func wrong(_ what: String, _ advice: String? = nil) -> Problem {
      Problem(.failed, at: place + ["expectations"], what, advice: advice)
    }
    guard let entries = json.array else { throw wrong("must be an array of objects") }
    var rules: [Expectation] = []
    func number(_ json: JSONValue?, _ name: String) throws -> Double? {
      guard let json, !json.isNull else { return nil }
      guard let number = Double(json.scalar ?? ""), number >= 0 else {
        throw wrong("\"\(name)\" is no number from 0", nil)
      }
      return number
    }
    for entry in entries {
      guard let members = entry.object?.members else { throw wrong("must be an array of objects") }
      let known = ["column", "not_null", "min", "max", "one_of", "matches", "unique", "rows", "drift"]
      if let other = members.first(where: { !known.contains($0.key) }) {
        throw wrong("there is no \"\(other.key)\"", "use \(known.joined(separator: ", "))")
      }
      let before = rules.count
      if let column = entry["column"]?.string {
        func add(_ kind: Expectation.Kind) { rules.append(Expectation(column: column, kind)) }
        if entry["not_null"]?.boolean == true { add(.notNull) }
        if let bound = entry["min"]?.scalar { add(.minimum(bound)) }
        if let bound = entry["max"]?.scalar { add(.maximum(bound)) }
        if let values = entry["one_of"]?.array { add(.oneOf(values.compactMap(\.scalar))) }
        if let pattern = entry["matches"]?.string {
          guard (try? Regex(pattern)) != nil else { throw wrong("\"\(pattern)\" is no regular expression") }
          add(.matches(pattern))
        }
      } else if let columns = entry["unique"]?.array?.compactMap(\.string), !columns.isEmpty {
        rules.append(Expectation(.unique(columns)))
      }
      if let minimum = try number(entry["rows"]?["min"], "min") {
        rules.append(Expectation(.rowsMinimum(Int(minimum))))
      }
      if let maximum = try number(entry["rows"]?["max"], "max") {
        rules.append(Expectation(.rowsMaximum(Int(maximum))))
      }
      if let share = try number(entry["drift"]?["rows"], "rows") { rules.append(Expectation(.rowDrift(share))) }
      if let share = try number(entry["drift"]?["nulls"], "nulls") { rules.append(Expectation(.nullDrift(share))) }
      guard rules.count > before else {
        throw wrong("an entry says nothing: \(entry.text())", "see Documentation/Quality.md")
      }
    }
    self.rules = rules
  }
}

/// One rule.
package struct Expectation: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case notNull
    /// As spelled: compared as numbers where the column holds some, else as a value of its type.
    case minimum(String)
    case maximum(String)
    case oneOf([String])
    case matches(String)
    case unique([String])
    case rowsMinimum(Int)
    case rowsMaximum(Int)
    case rowDrift(Double)
    case nullDrift(Double)
  }

  /// Nil of a rule for whole versions.
  package var column: String?
  package var kind: Kind

  init(column: String? = nil, _ kind: Kind) {
    self.column = column
    self.kind = kind
  }

  /// One word, as quarantines and reports have it.
  package var name: String {
    switch kind {
    case .notNull: "not_null"
    case .minimum: "min"
    case .maximum: "max"
    case .oneOf: "one_of"
    case .matches: "matches"
    case .unique: "unique"
    case .rowsMinimum, .rowsMaximum: "rows"
    case .rowDrift, .nullDrift: "drift"
    }
  }

  /// What is wrong with a value that breaks it.
  package func complaint(_ value: String?) -> String {
    let shown = value.map { "\"\($0)\"" } ?? "null"
    return switch kind {
    case .notNull: "has no value"
    case .minimum(let bound): "\(shown) is below \(bound)"
    case .maximum(let bound): "\(shown) is above \(bound)"
    case .oneOf(let values): "\(shown) is none of \(values.prefix(10).joined(separator: ", "))"
    case .matches(let pattern): "\(shown) does not match \(pattern)"
    default: "breaks \(name)"
    }
  }

  /// The rows of a column that break a rule of rows, in order.
  ///
  /// `type` is the table's, where the column is of a feed that is still being typed: values are judged as what they will
  /// be, and those that will not fit the type are for others to judge.
  package func violations(in column: Column, as type: DataType? = nil) -> [Int] {
    guard let type, type != column.type, kind != .notNull, !(type.isNumber && column.type.isNumber) else {
      return violationsAsTyped(column)
    }
    if column.type != .text, case .converted(let converted) = column.converted(to: type) {
      return violationsAsTyped(converted)
    }
    let texts = column.texts()
    return (0..<column.count).filter { row in
      guard !column.isNull(row),
        let value = Value(text: String(decoding: texts[row], as: UTF8.self), type: type)
      else { return false }
      return !violationsAsTyped(.repeating(value, type, count: 1)).isEmpty
    }
  }

  private func violationsAsTyped(_ column: Column) -> [Int] {
    let rows = 0..<column.count
    switch kind {
    case .notNull: return rows.filter { column.isNull($0) }
    case .minimum(let bound):
      return outside(column, bound) {
        $0 < $1
      } value: {
        $0 < $1
      }
    case .maximum(let bound):
      return outside(column, bound) {
        $0 > $1
      } value: {
        $0 > $1
      }
    case .oneOf(let values):
      let allowed = Set(values.map { Array($0.utf8) })
      let texts = column.texts()
      return rows.filter { !column.isNull($0) && !allowed.contains(Array(texts[$0])) }
    case .matches(let pattern):
      guard let regex = try? Regex(pattern) else { return [] }
      let texts = column.texts()
      return rows.filter { row in
        guard !column.isNull(row) else { return false }
        return (try? regex.wholeMatch(in: String(decoding: texts[row], as: UTF8.self))) == nil
      }
    default: return []
    }
  }

  private func outside(
    _ column: Column, _ bound: String, _ isOutside: (Double, Double) -> Bool,
    value isValueOutside: (Value, Value) -> Bool
  ) -> [Int] {
    let rows = (0..<column.count).filter { !column.isNull($0) }
    switch column.type {
    case .int64, .double, .decimal:
      guard let limit = Double(bound) else { return [] }
      switch column.values {
      case .double(let values): return rows.filter { isOutside(values[$0], limit) }
      case .int64(let values) where column.type == .int64: return rows.filter { isOutside(Double(values[$0]), limit) }
      default: return rows.filter { isOutside(Double(column.value(at: $0).text ?? "") ?? limit, limit) }
      }
    default:
      guard let limit = Value(text: bound, type: column.type) else { return [] }
      return rows.filter { isValueOutside(column.value(at: $0), limit) }
    }
  }
}

extension DataType {
  fileprivate var isNumber: Bool {
    switch self {
    case .int64, .double, .decimal: true
    default: false
    }
  }
}

extension JSONValue {
  /// A text, a number as spelled, or a truth value.
  fileprivate var scalar: String? {
    switch self {
    case .string(let text): text
    case .number, .boolean: self.text()
    default: nil
    }
  }
}

extension TableMetadata {
  /// What is expected of its rows; nil where nothing is.
  package var expectations: Expectations? {
    get throws {
      guard let text = self[.expectations] else { return nil }
      guard let json = try? JSONValue(parsing: text) else {
        throw Problem(.damaged, at: [Property.expectations.rawValue], "is no JSON")
      }
      let expectations = try Expectations(json, place: ["the table"])
      return expectations.rules.isEmpty ? nil : expectations
    }
  }
}
