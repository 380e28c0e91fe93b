internal import CSQLite
internal import VarveTables

/// Errors in SQL, as one clear sentence each.
enum QueryProblems {
  static func refused(_ action: String) -> Problem {
    Problem(
      .failed, at: ["SQL"], "\(action) is not possible: queries only read",
      advice: "write SELECT, VALUES, WITH or EXPLAIN; data comes in through `varve ingest`")
  }

  /// `tables` and `columns` are the names that could have been meant.
  static func problem(_ error: SQLiteError, _ sql: String, tables: [String], columns: [String]) -> Problem {
    let place = place(error.offset, sql)
    if let name = name(error.message, after: "no such table: ") {
      let given = String(name.prefix { $0 != "@" })
      let advice = nearest(to: given, among: tables).map { "did you mean \(quoted($0))?" } ?? known(tables)
      return Problem(.failed, at: place, "there is no table \(quoted(name))", advice: advice)
    }
    if let name = name(error.message, after: "no such column: ") {
      let given = name.split(separator: ".").last.map(String.init) ?? name
      let advice = nearest(to: given, among: columns).map { "did you mean \(quoted($0))?" }
      return Problem(.failed, at: place, "there is no column \(quoted(name))", advice: advice ?? textAdvice(sql, name))
    }
    if let name = name(error.message, after: "ambiguous column name: ") {
      return Problem(
        .failed, at: place, "column \(quoted(name)) is in more than one of the tables",
        advice: "write the table's name before it")
    }
    if error.message.hasSuffix(" may not be modified") { return refused("writing") }
    if error.message == "incomplete input" { return Problem(.failed, at: place, "the statement ends too early") }
    return Problem(.failed, at: place, error.message)
  }

  private static func place(_ offset: Int?, _ sql: String) -> [String] {
    guard let offset, offset <= sql.utf8.count else { return ["SQL"] }
    return ["SQL", "character \(String(decoding: sql.utf8.prefix(offset), as: UTF8.self).count + 1)"]
  }

  private static func name(_ message: String, after start: String) -> String? {
    message.hasPrefix(start) ? String(message.dropFirst(start.count)) : nil
  }

  private static func known(_ tables: [String]) -> String {
    guard !tables.isEmpty else { return "the warehouse has no tables yet" }
    let shown = tables.sorted().prefix(5).joined(separator: ", ")
    return "there \(tables.count == 1 ? "is" : "are") \(shown)" + (tables.count > 5 ? " and others" : "")
  }

  /// Many write texts in double quotes.
  private static func textAdvice(_ sql: String, _ name: String) -> String? {
    contains(sql.utf8, "\"\(name)\"".utf8) ? "if it is a text, write it in single quotes" : nil
  }

  private static func contains(_ text: String.UTF8View, _ part: String.UTF8View) -> Bool {
    var rest = text[...]
    while rest.count >= part.count {
      if rest.starts(with: part) { return true }
      rest = rest.dropFirst()
    }
    return false
  }
}
