internal import VarveTables

/// How one table is read in one query, as chosen when the query was prepared.
struct ScanPlan {
  /// A constraint whose right side comes with each run of the scan.
  struct Argument {
    var column: Int
    var comparison: Comparison
    /// What the right side comes to, if it is a literal of the query.
    var constant: ConstraintOutcome?
    /// Whether it is the right side of an equality that changes from run to run: the key of a join.
    var isJoinKey: Bool { comparison == .equals && constant == nil }
  }

  enum Comparison: Hashable {
    case equals
    /// Equal, or both null.
    case isSame
    case isOneOf
    case isLess
    case isLessOrEqual
    case isGreater
    case isGreaterOrEqual
  }

  var columns: [Int]
  var arguments: [Argument] = []
  /// Constraints without a right side: tests for null.
  var fixed: [ScanConstraint] = []
  var limit: Int?

  /// What is known before the query runs.
  var constantRequest: ScanRequest? {
    var request = ScanRequest(columns: columns, constraints: fixed, limit: limit)
    for argument in arguments {
      switch argument.constant {
      case .never?: return nil
      case .conditions(let conditions)?:
        request.constraints += conditions.map { ScanConstraint(column: argument.column, $0) }
      case nil: break
      }
    }
    return request
  }
}

/// What a comparison says about the values of a column. No row that SQLite would keep is shut out by it.
enum ConstraintOutcome: Hashable {
  /// No row satisfies it.
  case never
  /// All of these hold; none where nothing can be said.
  case conditions([ScanConstraint.Condition])

  static let unknown = ConstraintOutcome.conditions([])
}
