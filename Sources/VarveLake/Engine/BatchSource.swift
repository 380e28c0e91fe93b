package import VarveTables

/// Batches of one schema, one after the other.
package protocol BatchSource: AnyObject {
  var schema: Schema { get }
  /// The next rows, at least one, or nil at the end.
  func next() throws -> Batch?
}

/// Batches that are there already.
package final class BatchList: BatchSource {
  package let schema: Schema
  private var batches: ArraySlice<Batch>

  package init(_ schema: Schema, _ batches: [Batch]) {
    self.schema = schema
    self.batches = batches.filter { $0.rowCount > 0 }[...]
  }

  package func next() -> Batch? { batches.popFirst() }
}
