import VarveTables

/// The type of a column by the rules as they are written down, all cells at once and without care for speed.
func referenceType(_ cells: [Cell]) -> DataType? {
  let valued = cells.filter { ![.absent, .null, .error].contains($0.kind) }
  if valued.isEmpty { return nil }
  if valued.contains(where: { $0.kind == .json }) { return .json }
  let telling = valued.filter { $0 != Cell(.untyped, "") }
  if telling.isEmpty { return .text }
  let shapes = Set(telling.map(shape))
  switch shapes {
  case ["boolean"]: return .boolean
  case ["date"]: return .date
  case ["timestamp"], ["date", "timestamp"]: return .timestamp
  case ["int64"]: return .int64
  case ["int64", "number"], ["number"]:
    let numbers = telling.map { plain($0.text.filter { $0 != " " }) }
    let isDouble = zip(telling, numbers).allSatisfy { cell, number in
      if shape(cell) == "int64" { return Int64(cell.text.filter { $0 != " " })!.magnitude < 1 << 53 }
      let double = Double(cell.text.filter { $0 != " " })!
      return double.isFinite && plain(double.description) == number
    }
    if isDouble { return .double }
    let scale = numbers.map { max(0, -$0.exponent) }.max()!
    let integers = numbers.map { max(0, $0.digits.count + $0.exponent) }.max()!
    return scale + integers <= 38 ? .decimal(precision: max(1, scale + integers), scale: scale) : .text
  default: return .text
  }
}

private func shape(_ cell: Cell) -> String {
  let text =
    cell.kind == .untyped ? String(cell.text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) : cell.text
  let isNumber = text.wholeMatch(of: #/-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/#) != nil
  let isInteger = isNumber && text.allSatisfy { $0 == "-" || $0.isNumber }
  switch cell.kind {
  case .boolean: return "boolean"
  case .number: return isInteger && Int64(text) != nil ? "int64" : "number"
  case .date, .dateTime: return timeShape(text) ?? "text"
  case .untyped:
    if ["true", "false", "TRUE", "FALSE", "True", "False"].contains(text) { return "boolean" }
    if isInteger { return plain(text, keepingZeros: true).digits.count <= 15 ? "int64" : "text" }
    if isNumber {
      let double = Double(text)!
      return double.isFinite && plain(double.description) == plain(text) ? "number" : "text"
    }
    return timeShape(text) ?? "text"
  default: return "text"
  }
}

private func timeShape(_ text: String) -> String? {
  let zone = #/(Z|[+-][0-9]{2}(:?[0-9]{2})?)?/#
  guard text.prefix(10).wholeMatch(of: #/[0-9]{4}-[0-9]{2}-[0-9]{2}/#) != nil else { return nil }
  let parts = text.prefix(10).split(separator: "-").map { Int($0)! }
  let lengths =
    [31, parts[0].isMultiple(of: 4) && (!parts[0].isMultiple(of: 100) || parts[0].isMultiple(of: 400)) ? 29 : 28]
    + [31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  guard parts[0] > 0, (1...12).contains(parts[1]), (1...lengths[parts[1] - 1]).contains(parts[2]) else { return nil }
  if text.count == 10 { return "date" }
  let time = text.dropFirst(10)
  guard let match = time.prefixMatch(of: #/[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6}0*)?)?/#),
    time[match.range.upperBound...].wholeMatch(of: zone) != nil
  else { return nil }
  return "timestamp"
}

/// Digits without zeros at either end, and the power of ten of the last one.
private func plain(_ text: String, keepingZeros: Bool = false) -> (digits: String, exponent: Int) {
  let parts = text.lowercased().split(separator: "e")
  let mantissa = parts[0].filter { $0 != "-" }
  let fraction =
    mantissa.split(separator: ".", omittingEmptySubsequences: false).dropFirst().first.map { $0.count } ?? 0
  var digits = String(mantissa.filter { $0 != "." }.drop { $0 == "0" })
  var exponent = (parts.count > 1 ? Int(parts[1])! : 0) - fraction
  if digits.isEmpty { return ("", 0) }
  while !keepingZeros, digits.last == "0" {
    digits.removeLast()
    exponent += 1
  }
  return (digits, exponent)
}
