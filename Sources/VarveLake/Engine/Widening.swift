import VarveTables

extension Column {
  /// A column as Parquet has it, under the type that its table knows: JSON is stored as text.
  func known(as type: DataType) -> Column {
    self.type == .text && type == .json ? Column(.json, values, validity: validity) : self
  }

  /// The values in a wider type. A value that has no exact form there is refused, at `place` of its row.
  func widened(to target: DataType, place: (_ row: Int) throws -> [String]) throws -> Column {
    switch converted(to: target) {
    case .converted(let column): return column
    case .inexact(let row):
      throw Problem(
        .refused, at: try place(row), "\(value(at: row).text ?? "null") has no exact form as \(target.name)",
        advice: "declare the column as a type that holds both in a schema file")
    case .unknown:
      throw Problem(
        .refused, at: count > 0 ? try place(0) : [], "\(type.name) cannot become \(target.name)",
        advice: "declare the column's type in a schema file")
    }
  }
}
