internal import CSQLite
internal import VarveTables

/// What makes a query's answer depend on its tables alone: functions that SQLite does not promise to repeat (SQLite,
/// "Deterministic SQL Functions") are refused by name, and those of dates when they would read the clock or the zone of
/// this machine, which only their arguments tell.
final class RepeatableFunctions {
  /// What was refused last; SQLite carries only a text out of a function.
  private(set) var refused: Problem?
  private let unrepeatable: Set<String>
  /// Where SQLite's own functions of dates are called.
  private let own: Connection
  private var functions: [DateFunction] = []

  init(_ connection: Connection) throws {
    own = try Connection()
    let scalars = "SELECT DISTINCT name FROM pragma_function_list WHERE builtin AND type = 's'"
    unrepeatable = Set(
      try own.rows("\(scalars) AND NOT flags & \(SQLITE_DETERMINISTIC)").compactMap(RepeatableFunctions.text))
    let dates = "('date', 'time', 'datetime', 'julianday', 'unixepoch', 'strftime', 'timediff')"
    for name in try own.rows("\(scalars) AND name IN \(dates)").compactMap(RepeatableFunctions.text) {
      let function = DateFunction(name, own)
      functions.append(function)
      let flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS
      let code = sqlite3_create_function_v2(
        connection.handle, name, -1, flags, Unmanaged.passUnretained(function).toOpaque(),
        { context, count, values in
          guard let function = sqlite3_user_data(context) else { return }
          Unmanaged<DateFunction>.fromOpaque(function).takeUnretainedValue().call(context, count, values)
        }, nil, nil, nil)
      do { try check(code, connection.handle) } catch { throw error.problem("") }
    }
    for function in functions { function.refuse = { [unowned self] in refused = $0 } }
  }

  /// Of the statement that begins.
  func forget() { refused = nil }

  func allows(_ name: String) -> Bool {
    guard unrepeatable.contains(name) else { return true }
    refused =
      name.hasPrefix("current_")
      ? RepeatableFunctions.readsClock(name.uppercased())
      : Problem(
        .refused, at: ["SQL"], "\(name)() gives something else another time, \(RepeatableFunctions.promise)",
        advice: "leave it out")
    return false
  }

  private static func text(_ row: [SQLValue]) -> String? {
    guard case .text(let text)? = row.first else { return nil }
    return text
  }

  fileprivate static let promise = "and the same feed must always give the same rows"

  fileprivate static func readsClock(_ call: String) -> Problem {
    Problem(.refused, at: ["SQL"], "\(call) reads the clock, \(promise)", advice: "write the time itself: '2024-01-31'")
  }
}

/// One of SQLite's functions of dates, called unless it would look at the machine.
private final class DateFunction {
  private let name: String
  private let own: Connection
  /// By the number of arguments.
  private var statements: [Int32: Statement] = [:]
  var refuse: (Problem) -> Void = { _ in }

  init(_ name: String, _ own: Connection) { (self.name, self.own) = (name, own) }

  func call(_ context: OpaquePointer?, _ count: Int32, _ values: UnsafeMutablePointer<OpaquePointer?>?) {
    if let problem = problem(count, values) {
      refuse(problem)
      return sqlite3_result_error(context, problem.what, -1)
    }
    do {
      let places = (1...count).map { "?\($0)" }.joined(separator: ", ")
      let statement = try statements[count] ?? own.prepare("SELECT \(name)(\(places))")
      statements[count] = statement
      for place in 0..<count { sqlite3_bind_value(statement.handle, place + 1, values?[Int(place)]) }
      defer { statement.reset() }
      guard try statement.step() else { return }
      sqlite3_result_value(context, sqlite3_column_value(statement.handle, 0))
    } catch { sqlite3_result_error(context, "\(error)", -1) }
  }

  /// Of SQLite's manual, "Date And Time Functions": no time at all is now, `now` and `subsec` are, and two modifiers
  /// know the zone.
  private func problem(_ count: Int32, _ values: UnsafeMutablePointer<OpaquePointer?>?) -> Problem? {
    let first: Int32 = name == "strftime" ? 1 : 0
    if count <= first { return RepeatableFunctions.readsClock("\(name)() without a time") }
    for place in first..<count {
      guard let value = values?[Int(place)], let text = sqlite3_value_text(value) else { continue }
      let word = String(cString: text).lowercased()
      switch word {
      case "now": return RepeatableFunctions.readsClock("\(name)('now')")
      case "subsec" where place == first, "subsecond" where place == first:
        return RepeatableFunctions.readsClock("\(name)('\(word)')")
      case "localtime", "utc":
        return Problem(
          .refused, at: ["SQL"],
          "'\(word)' in \(name)() takes this machine's time zone, \(RepeatableFunctions.promise)",
          advice: "write the difference itself: '+2 hours'")
      default: continue
      }
    }
    return nil
  }
}
