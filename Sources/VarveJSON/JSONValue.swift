/// One JSON value (RFC 8259), numbers as they are spelled and members in their order.
///
/// Equality is exact: strings by code points (never by Unicode equivalence), numbers by spelling, members by order.
package enum JSONValue: Sendable {
  case null
  case boolean(Bool)
  /// In the grammar of RFC 8259, section 6.
  case number(String)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  package init(_ value: Bool) { self = .boolean(value) }
  package init(_ value: some FixedWidthInteger) { self = .number(String(value)) }
  /// Null where the double is no number, for JSON has no spelling for those.
  package init(_ value: Double) { self = value.isFinite ? .number(JSONNumber.text(of: value)) : .null }
  package init(_ value: String) { self = .string(value) }
  package init(_ values: [JSONValue]) { self = .array(values) }
  package init(_ object: JSONObject) { self = .object(object) }
}

extension JSONValue {
  package var isNull: Bool { if case .null = self { true } else { false } }

  package var boolean: Bool? { if case .boolean(let value) = self { value } else { nil } }

  package var string: String? { if case .string(let value) = self { value } else { nil } }

  /// The number as spelled.
  package var number: String? { if case .number(let spelling) = self { spelling } else { nil } }

  /// The number, if it is spelled as an integer and fits.
  package var int64: Int64? { number.flatMap { Int64($0) } }

  /// The number, if it is spelled as an integer and fits.
  package var int: Int? { number.flatMap { Int($0) } }

  /// The double nearest to the number, if there is a finite one.
  package var double: Double? { number.flatMap { Double($0) }.flatMap { $0.isFinite ? $0 : nil } }

  package var array: [JSONValue]? { if case .array(let values) = self { values } else { nil } }

  package var object: JSONObject? { if case .object(let object) = self { object } else { nil } }

  /// The member of that key: nil where there is none, or no object.
  package subscript(_ key: String) -> JSONValue? { object?[key] }

  /// The element at that index: nil where there is none, or no array.
  package subscript(_ index: Int) -> JSONValue? {
    guard case .array(let values) = self, values.indices.contains(index) else { return nil }
    return values[index]
  }
}

extension JSONValue: Hashable {
  package static func == (one: JSONValue, other: JSONValue) -> Bool {
    switch (one, other) {
    case (.null, .null): true
    case (.boolean(let one), .boolean(let other)): one == other
    case (.number(let one), .number(let other)): one == other
    case (.string(let one), .string(let other)): one.utf8.elementsEqual(other.utf8)
    case (.array(let one), .array(let other)): one == other
    case (.object(let one), .object(let other)): one == other
    default: false
    }
  }

  package func hash(into hasher: inout Hasher) {
    switch self {
    case .null: hasher.combine(0)
    case .boolean(let value): hasher.combine(value)
    case .number(let spelling): hasher.combine(spelling)
    case .string(let value): JSONKey(value).hash(into: &hasher)
    case .array(let values): hasher.combine(values)
    case .object(let object): hasher.combine(object)
    }
  }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  package init(nilLiteral: ()) { self = .null }
  package init(booleanLiteral value: Bool) { self = .boolean(value) }
  package init(integerLiteral value: Int64) { self.init(value) }
  package init(floatLiteral value: Double) { self.init(value) }
  package init(stringLiteral value: String) { self = .string(value) }
  package init(arrayLiteral values: JSONValue...) { self = .array(values) }
  package init(dictionaryLiteral members: (String, JSONValue)...) { self = .object(JSONObject(members)) }
}
