package import VarveTables

/// One entry of `--partition-by`: a column, or a period of a date or timestamp column, which is a column of its own.
///
/// | spelled | column | of 2024-12-30 |
/// | --- | --- | --- |
/// | `year(c)` | `c_year` | `2024` |
/// | `month(c)` | `c_month` | `2024-12` |
/// | `week(c)` | `c_week` | `2025-W01` (ISO 8601 week and week-year) |
/// | `day(c)` | `c_day` | `2024-12-30` |
///
/// Periods are text, in UTC, null where the column is null. They sort as the dates do.
package enum PartitionBy: Hashable, Sendable {
  case column(String)
  case period(Period, of: String)

  package enum Period: String, Hashable, Sendable, CaseIterable {
    case year, month, week, day
  }

  /// As on the command line: `market`, `week(updated_at)`. Anything else before a parenthesis is a usage error.
  package init(_ text: String) throws {
    guard text.hasSuffix(")"), let open = text.firstIndex(of: "(") else {
      self = .column(text)
      return
    }
    guard let period = Period(rawValue: String(text[..<open])) else {
      throw Problem(
        .usage, at: ["--partition-by \(text)"], "\"\(text[..<open])\" is no period",
        advice: "use year, month, week or day")
    }
    self = .period(period, of: String(text[text.index(after: open)...].dropLast()))
  }

  /// As `init` reads it.
  package var text: String {
    switch self {
    case .column(let name): name
    case .period(let period, let source): "\(period.rawValue)(\(source))"
    }
  }

  /// The partition column.
  package var name: String {
    switch self {
    case .column(let name): name
    case .period(let period, let source): "\(source)_\(period.rawValue)"
    }
  }

  /// The column whose value decides this one's.
  package var source: String {
    switch self {
    case .column(let name): name
    case .period(_, let source): source
    }
  }

  /// The schema with the period columns that it lacks at its end. Refuses a column that is not there, and a period of
  /// anything but a date or a timestamp.
  package static func extend(_ schema: Schema, by entries: [PartitionBy]) throws -> Schema {
    var extended = schema
    for entry in entries {
      guard let source = schema[entry.source] else {
        throw Problem(
          .failed, at: ["--partition-by \(entry.text)"], "there is no column \"\(entry.source)\"",
          advice: "the columns are \(schema.fields.map(\.name).joined(separator: ", "))")
      }
      guard case .period = entry else { continue }
      guard source.type == .date || source.type == .timestamp else {
        throw Problem(
          .failed, at: ["--partition-by \(entry.text)"],
          "the column is \(source.type.name), and not a date or timestamp",
          advice: "declare its type in a schema file")
      }
      if extended[entry.name] == nil { extended.fields.append(Field(entry.name, .text)) }
    }
    return extended
  }

  /// The period's text for each value of a date or timestamp column.
  static func column(_ period: Period, of source: Column) -> Column {
    let divisor = source.type == .timestamp ? CivilTime.microsecondsPerDay : 1
    var values = ByteValues()
    values.ends.reserveCapacity(source.count)
    // Neighbours often lie on the same day.
    var last: (days: Int64, text: [UInt8])?
    for (row, value) in source.int64s.enumerated() {
      if !source.isNull(row) {
        let days = (value - (value % divisor + divisor) % divisor) / divisor
        if last?.days != days { last = (days, Array(text(period, days: days).utf8)) }
        values.bytes.append(contentsOf: last!.text)
      }
      values.ends.append(values.bytes.count)
    }
    return Column(.text, .bytes(values), validity: source.validity)
  }

  /// `days` since 1970-01-01.
  package static func text(_ period: Period, days: Int64) -> String {
    let date = CivilTime.civil(days: days)
    switch period {
    case .year: return digits(date.year, 4)
    case .month: return "\(digits(date.year, 4))-\(digits(date.month, 2))"
    case .day: return "\(digits(date.year, 4))-\(digits(date.month, 2))-\(digits(date.day, 2))"
    case .week:
      // A week belongs to the year that its Thursday lies in (ISO 8601, 3.1.1.23); 1970-01-01 was a Thursday.
      let thursday = days - ((days + 3) % 7 + 7) % 7 + 3
      let year = CivilTime.civil(days: thursday).year
      guard let newYear = CivilTime.days(year: year, month: 1, day: 1) else { return "\(digits(year, 4))-W01" }
      return "\(digits(year, 4))-W\(digits(Int(thursday - newYear) / 7 + 1, 2))"
    }
  }

  private static func digits(_ number: Int, _ width: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
  }
}
