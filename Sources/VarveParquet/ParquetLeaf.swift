package import VarveTables

/// A leaf of a file's schema, with the path that leads to it.
package struct ParquetLeaf: Sendable {
  package let path: [String]
  /// One per component of the path.
  package let repetitions: [ParquetNode.Repetition]
  /// What each component of the path gathers, by its own account.
  package let annotations: [ParquetNode.Annotation]
  /// The definition level at which a value is there.
  package let maxDefinition: Int
  package let maxRepetition: Int
  let element: SchemaElement
  let reading: Result<LeafReading, Damage>

  /// Nil when it is stored in a way that Varve does not read.
  package var type: DataType? { try? reading.get().type }

  package var unreadableReason: String? {
    guard case .failure(let damage) = reading else { return nil }
    return damage.what
  }

  /// Times are what some clock showed, without a zone.
  package var isLocalTime: Bool {
    if case .timestamp(_, let isAdjustedToUTC) = element.logical { !isAdjustedToUTC } else { false }
  }

  var isFlat: Bool { path.count == 1 && maxRepetition == 0 }

  /// The definition level from which on the node at that depth of the path (0: the top-level column) is there.
  package func definitionLevel(depth: Int) -> Int {
    repetitions[...depth].reduce(0) { $0 + ($1 == .required ? 0 : 1) }
  }

  /// The leaves of a schema listed depth first, its root before all.
  static func leaves(of elements: [SchemaElement]) throws(Damage) -> [ParquetLeaf] {
    var leaves: [ParquetLeaf] = []
    /// The groups that are open, with their children still to come.
    var open: [(element: SchemaElement, childrenLeft: Int)] = []
    for (index, element) in elements.enumerated() {
      if index == 0 {
        guard element.physical == nil, (0..<elements.count).contains(element.childCount) else {
          throw Damage("its schema has no root")
        }
        open.append((element, element.childCount))
        continue
      }
      while let last = open.last, last.childrenLeft == 0 { open.removeLast() }
      guard !open.isEmpty else { throw Damage("its schema has more elements than its root says") }
      open[open.count - 1].childrenLeft -= 1
      if element.physical == nil {
        guard (0..<elements.count).contains(element.childCount), open.count < 64 else {
          throw Damage("its schema is nested too deeply, or counts its children wrong")
        }
        open.append((element, element.childCount))
      } else {
        leaves.append(ParquetLeaf(open.dropFirst().map(\.element) + [element]))
      }
    }
    guard open.allSatisfy({ $0.childrenLeft == 0 }) else { throw Damage("its schema has fewer elements than it says") }
    return leaves
  }

  private init(_ nodes: [SchemaElement]) {
    path = nodes.map(\.name)
    repetitions = nodes.map(\.repetition)
    annotations = nodes.map { node in
      switch node.logical ?? LogicalType(converted: node) {
      case .list: .list
      case .map: .map
      default: .none
      }
    }
    maxDefinition = repetitions.count { $0 != .required }
    maxRepetition = repetitions.count { $0 == .repeated }
    element = nodes[nodes.count - 1]
    do {
      reading = .success(try LeafReading(element))
    } catch {
      reading = .failure(error)
    }
  }
}
