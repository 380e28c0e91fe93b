internal import VarveJSON
package import VarveTables

/// The statistics of a file as the log holds them: JSON text (Delta protocol, "Per-file Statistics").
///
/// Wrong bounds silently lose rows in every reader, so a bound is written only where all of them read it exactly, and
/// is rounded outward where it is cut.
package enum StatisticsText {
  /// Longer texts are cut to this many code points, the upper bound rounded up.
  private static let codePointsMax = 32
  /// Numbers of more digits are no bounds, since some readers take JSON numbers for doubles.
  private static let decimalDigitsMax = 15

  package static func text(_ statistics: FileStatistics, _ schema: Schema) -> String {
    var minima: JSONObject = [:]
    var maxima: JSONObject = [:]
    var nullCounts: JSONObject = [:]
    for field in schema.fields {
      guard let bounds = statistics.columns[field.name] else { continue }
      if let nullCount = bounds.nullCount { nullCounts[field.name] = JSONValue(nullCount) }
      guard let minimum = bounds.minimum, let maximum = bounds.maximum,
        let low = lower(minimum, field.type), let high = upper(maximum, field.type)
      else { continue }
      minima[field.name] = low
      maxima[field.name] = high
    }
    return JSONValue.object([
      "numRecords": JSONValue(statistics.rowCount), "minValues": .object(minima), "maxValues": .object(maxima),
      "nullCount": .object(nullCounts),
    ]).text()
  }

  /// The same, of a file of which rows are struck out: bounds hold, and need not be reached (`tightBounds`).
  package static func loosened(_ text: String) -> String {
    guard case .object(var object)? = try? JSONValue(parsing: text, duplicateKeys: .lastWins) else { return text }
    object["tightBounds"] = false
    return JSONValue.object(object).text()
  }

  private static func lower(_ value: Value, _ type: DataType) -> JSONValue? {
    switch value {
    case .text(let text) where type == .text:
      return .string(String(String.UnicodeScalarView(text.unicodeScalars.prefix(codePointsMax))))
    case .timestamp(let microseconds):
      return timestamp(microseconds.flooredQuotient(by: 1000))
    default: return exact(value)
    }
  }

  private static func upper(_ value: Value, _ type: DataType) -> JSONValue? {
    switch value {
    case .text(let text) where type == .text:
      return roundedUp(text).map(JSONValue.string)
    case .timestamp(let microseconds):
      return timestamp(-(-microseconds).flooredQuotient(by: 1000))
    default: return exact(value)
    }
  }

  private static func exact(_ value: Value) -> JSONValue? {
    switch value {
    case .int64(let number): return JSONValue(number)
    case .double(let number): return number.isFinite ? JSONValue(number) : nil
    case .decimal(let unscaled, _):
      guard String(unscaled.magnitude).utf8.count <= decimalDigitsMax else { return nil }
      return value.text.map(JSONValue.number)
    case .date(let days): return CivilTime.days.contains(days) ? value.text.map(JSONValue.string) : nil
    case .null, .boolean, .json, .text, .timestamp: return nil
    }
  }

  /// `2024-01-31T08:30:00.000Z`: always three digits, as Spark writes it.
  private static func timestamp(_ milliseconds: Int64) -> JSONValue? {
    let seconds = milliseconds.flooredQuotient(by: 1000)
    guard CivilTime.microseconds.contains(seconds * 1_000_000),
      let text = Value.timestamp(seconds * 1_000_000).text
    else { return nil }
    return .string("\(text.dropLast()).\(Layout.digits(milliseconds - seconds * 1000, 3))Z")
  }

  /// The shortest text that is cut at the limit and not below any text that begins as this one does; nil if there is
  /// none.
  private static func roundedUp(_ text: String) -> String? {
    var scalars = Array(text.unicodeScalars.prefix(codePointsMax))
    guard text.unicodeScalars.dropFirst(codePointsMax).first != nil else { return text }
    while let last = scalars.popLast() {
      // U+D800 to U+DFFF are no code points of text.
      let next = last.value == 0xD7FF ? 0xE000 : last.value + 1
      if let scalar = Unicode.Scalar(next) {
        scalars.append(scalar)
        return String(String.UnicodeScalarView(scalars))
      }
    }
    return nil
  }

  // MARK: Reading

  /// Nil where the text says nothing of use. Bounds that cannot be read exactly are left out or widened.
  package static func parse(_ text: String, _ schema: Schema) -> FileStatistics? {
    guard let json = try? JSONValue(parsing: text, duplicateKeys: .lastWins), let rowCount = json["numRecords"]?.int,
      rowCount >= 0
    else { return nil }
    var statistics = FileStatistics(rowCount: rowCount)
    let (minima, maxima, nullCounts) = (json["minValues"], json["maxValues"], json["nullCount"])
    for field in schema.fields {
      let bounds = ColumnBounds(
        minimum: minima?[field.name].flatMap { value($0, field.type) },
        maximum: maxima?[field.name].flatMap { value($0, field.type) }.flatMap(widened),
        nullCount: nullCounts?[field.name]?.int)
      if bounds != ColumnBounds() { statistics.columns[field.name] = bounds }
    }
    return statistics
  }

  private static func value(_ json: JSONValue, _ type: DataType) -> Value? {
    switch type {
    case .boolean, .json: return nil
    case .text: return json.string.map(Value.text)
    case .date, .timestamp: return json.string.flatMap { Value(text: $0, type: type) }
    case .int64, .double, .decimal: return (json.number ?? json.string).flatMap { Value(text: $0, type: type) }
    }
  }

  /// Others cut timestamps to milliseconds downward, upper bounds too.
  private static func widened(_ maximum: Value) -> Value? {
    guard case .timestamp(let microseconds) = maximum else { return maximum }
    guard microseconds.flooredQuotient(by: 1000) * 1000 == microseconds else { return maximum }
    return .timestamp(microseconds + 999)
  }
}

extension Int64 {
  /// The quotient rounded down.
  func flooredQuotient(by divisor: Int64) -> Int64 {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }
}
