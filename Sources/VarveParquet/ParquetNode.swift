package import VarveTables

/// One node of a file's schema (LogicalTypes.md, "Nested Types"): a leaf with values, or a group.
package struct ParquetNode: Hashable, Sendable {
  package enum Repetition: Int32, Sendable {
    case required = 0
    case optional = 1
    case repeated = 2
  }

  package enum Kind: Hashable, Sendable {
    case leaf(LeafType)
    case group([ParquetNode], Annotation)
  }

  package enum LeafType: Hashable, Sendable {
    /// Values travel as int64 columns.
    case int32
    case type(DataType)
  }

  package enum Annotation: Hashable, Sendable { case none, list, map }

  package var name: String
  package var repetition: Repetition
  package var kind: Kind
  /// By which other formats know a column, whatever it is called.
  package var fieldID: Int32?

  package init(_ name: String, _ repetition: Repetition, _ kind: Kind) {
    self.name = name
    self.repetition = repetition
    self.kind = kind
  }

  /// The same, with a field id.
  package func numbered(_ id: Int) -> ParquetNode {
    var node = self
    node.fieldID = Int32(id)
    return node
  }

  /// A leaf, optional unless told otherwise.
  package static func leaf(_ name: String, _ type: DataType, _ repetition: Repetition = .optional) -> ParquetNode {
    ParquetNode(name, repetition, .leaf(.type(type)))
  }

  package static func int32(_ name: String, _ repetition: Repetition = .optional) -> ParquetNode {
    ParquetNode(name, repetition, .leaf(.int32))
  }

  /// A structure.
  package static func group(
    _ name: String, _ fields: [ParquetNode], _ repetition: Repetition = .optional
  ) -> ParquetNode {
    ParquetNode(name, repetition, .group(fields, .none))
  }

  /// An optional list of three levels, its leaf at `name.list.element`.
  package static func list(_ name: String, of element: DataType) -> ParquetNode {
    let list = ParquetNode("list", .repeated, .group([.leaf("element", element)], .none))
    return ParquetNode(name, .optional, .group([list], .list))
  }

  /// An optional map, its leaves at `name.key_value.key` (required) and `name.key_value.value`.
  package static func map(_ name: String, key: DataType = .text, value: DataType = .text) -> ParquetNode {
    let pairs: [ParquetNode] = [.leaf("key", key, .required), .leaf("value", value)]
    return ParquetNode(name, .optional, .group([ParquetNode("key_value", .repeated, .group(pairs, .none))], .map))
  }
}

/// One element of the schema as the footer lists it, depth first (parquet.thrift, SchemaElement).
struct SchemaElement: Sendable {
  var name = ""
  var physical: PhysicalType?
  var byteWidth = 0
  var repetition = ParquetNode.Repetition.required
  var childCount = 0
  var converted: Int32?
  var scale = 0
  var precision = 0
  var logical: LogicalType?
  var fieldID: Int32?
}

extension SchemaElement {
  /// The elements of a file of ours.
  static func elements(of roots: [ParquetNode]) -> [SchemaElement] {
    var elements = [SchemaElement(name: "schema", childCount: roots.count)]
    for root in roots { append(root, to: &elements) }
    return elements
  }

  private static func append(_ node: ParquetNode, to elements: inout [SchemaElement]) {
    switch node.kind {
    case .leaf(let type):
      var element = SchemaElement(type)
      element.name = node.name
      element.repetition = node.repetition
      element.fieldID = node.fieldID
      elements.append(element)
    case .group(let fields, let annotation):
      var element = SchemaElement(name: node.name, repetition: node.repetition, childCount: fields.count)
      switch annotation {
      case .none: break
      case .list: (element.converted, element.logical) = (ConvertedType.list, .list)
      case .map: (element.converted, element.logical) = (ConvertedType.map, .map)
      }
      elements.append(element)
      for field in fields { append(field, to: &elements) }
    }
  }

  /// How values of a type are stored in files of ours, but for the name and repetition.
  init(_ type: ParquetNode.LeafType) {
    self.init()
    guard case .type(let type) = type else {
      physical = .int32
      return
    }
    switch type {
    case .boolean: physical = .boolean
    case .int64: physical = .int64
    case .double: physical = .double
    case .date: (physical, converted, logical) = (.int32, ConvertedType.date, .date)
    case .timestamp:
      (physical, converted) = (.int64, ConvertedType.timestampMicros)
      logical = .timestamp(.micros, isAdjustedToUTC: true)
    // That it is JSON stands elsewhere: the JSON annotation is not read by everyone.
    case .text, .json: (physical, converted, logical) = (.byteArray, ConvertedType.utf8, .string)
    case .decimal(let precision, let scale):
      let isSmall = precision <= DataType.int64DecimalPrecisionMax
      (physical, byteWidth) = isSmall ? (.int64, 0) : (.fixedLengthByteArray, 16)
      (self.precision, self.scale) = (precision, scale)
      (converted, logical) = (ConvertedType.decimal, .decimal(precision: precision, scale: scale))
    }
  }
}
