public import VarveTables

/// One row of a feed on its way into a table, typed: a value per column that it has.
public struct FeedRow: Sendable {
  /// The columns that the row has, in order.
  public private(set) var columns: [String]
  private var values: [String: Value]
  /// Where it came from: `["products.xlsx", "sheet \"Prices\"", "row 7"]`.
  public let place: [String]

  init(_ columns: [String], _ values: [String: Value], place: [String]) {
    self.columns = columns
    self.values = values
    self.place = place
  }

  /// A column's value, `.null` where it is null; nil where the row has no such column. Setting nil takes the column away;
  /// a new one comes last.
  public subscript(_ column: String) -> Value? {
    get { values[column] }
    set {
      if newValue == nil {
        columns.removeAll { $0 == column }
      } else if values[column] == nil {
        columns.append(column)
      }
      values[column] = newValue
    }
  }
}

/// What becomes of each row of a feed before it is typed for the table.
///
/// ```swift
/// request.transform = FeedTransform("clean brands", version: "2") { row in
///   guard case .text(let brand)? = row["brand"] else { return [] }
///   var row = row
///   row["brand"] = .text(brand.uppercased())
///   return [row]
/// }
/// ```
///
/// Name and version stand for the closure, which nobody can look into: they are part of what makes a feed the same feed,
/// and stand in the table's history. A closure that does something else needs another version.
public struct FeedTransform: Sendable {
  /// Its name.
  public let name: String
  /// Its version, by which one that does something else is told apart.
  public let version: String
  let rows: @Sendable (FeedRow) throws -> [FeedRow]

  /// `rows` gives the rows that one becomes: none, itself changed, or several. It depends on the row alone, and is called
  /// from the thread that ingests.
  public init(_ name: String, version: String, _ rows: @escaping @Sendable (FeedRow) throws -> [FeedRow]) {
    self.name = name
    self.version = version
    self.rows = rows
  }
}
