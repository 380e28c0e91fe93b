/// What went wrong, where, and what to do about it: the one error that leaves any module of Varve.
///
/// Printed as one sentence: `products.xlsx, sheet "Prices", row 7, column "price": "n/a" is no double; …`.
public struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
  /// Kinds are chosen by what the caller does next; each has its exit code.
  public enum Kind: String, Sendable {
    /// Unreadable or rejected input, an unknown table or column, bad SQL, a failing disk: exit 1.
    case failed
    /// A command that cannot be understood: exit 2.
    case usage
    /// Understood, possible, and not done, to protect data: conflict, schema, stale executions, guard rails: exit 3.
    case refused
    /// What is stored is not what was written: exit 4.
    case damaged
    /// Stopped by the user: exit 130.
    case interrupted
  }

  /// What the caller would do next.
  public var kind: Kind
  /// Where, from the outside in: file, sheet, row, column. Empty when the sentence says it all.
  public var place: [String]
  /// What is wrong, without a full stop.
  public var what: String
  /// What to do about it, if there is something: an imperative, without a full stop.
  public var advice: String?

  /// A problem at a place, from the outermost inwards: `["feed.csv", "line 7"]`.
  public init(_ kind: Kind, at place: [String] = [], _ what: String, advice: String? = nil) {
    self.kind = kind
    self.place = place
    self.what = what
    self.advice = advice
  }

  /// Place, what is wrong and advice, as one sentence.
  public var description: String {
    let head = place.isEmpty ? what : place.joined(separator: ", ") + ": " + what
    guard let advice else { return head }
    return head + "; " + advice
  }
}
