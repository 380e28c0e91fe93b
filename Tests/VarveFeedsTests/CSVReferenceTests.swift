import Given
import Testing
import VarveFeeds
import VarveTables

/// RFC 4180 with its liberties (README of feeds), read from the characters one by one, without care for speed.
///
/// Nil where the text is refused. A field is nil when it is null; what a short record lacks is left out.
private func reference(_ text: String) -> [[String?]]? {
  var rest = text.unicodeScalars[...]
  func atLineEnd() -> Bool { rest.isEmpty || rest.first == "\n" || rest.first == "\r" }
  var records: [[String?]] = []
  while !rest.isEmpty {
    var record: [String?] = []
    var isWide = false
    repeat {
      if !record.isEmpty { rest.removeFirst() }
      var field = ""
      if rest.first == "\"" {
        rest.removeFirst()
        var isOpen = true
        while isOpen {
          guard let scalar = rest.popFirst() else { return nil }
          if scalar != "\"" {
            field.unicodeScalars.append(scalar)
          } else if rest.first == "\"" {
            rest.removeFirst()
            field.append("\"")
          } else {
            isOpen = false
          }
        }
        while rest.first == " " { rest.removeFirst() }
        guard atLineEnd() || rest.first == "," else { return nil }
        record.append(field)
        isWide = true
      } else {
        while !atLineEnd(), rest.first != "," { field.unicodeScalars.append(rest.removeFirst()) }
        record.append(field.isEmpty ? nil : field)
        if field.contains(where: { $0 != " " }) { isWide = true }
      }
    } while rest.first == ","
    if rest.starts(with: ["\r", "\n"]) { rest.removeFirst() }
    if !rest.isEmpty { rest.removeFirst() }
    // A line of blanks alone is no record, unless there is just one column.
    let width = records.first?.count
    let isBlank = record.allSatisfy { $0 == nil } || (!isWide && record.count == 1 && width ?? 2 > 1)
    if isBlank, width != nil || record.allSatisfy({ $0 == nil }) { continue }
    while let width, record.count > width, record.last == .some(nil) { record.removeLast() }
    if let width, record.count > width { return nil }
    records.append(record)
  }
  return records.isEmpty ? nil : records
}

private func read(_ pieces: [[UInt8]]) -> [[String?]]? {
  var options = CSVFeedOptions(delimiter: UInt8(ascii: ","))
  options.quote = UInt8(ascii: "\"")
  options.header = .none
  options.ragged = .pad
  var records: [[String?]] = []
  do {
    let feed = try CSVFeed(name: "f.csv", pieces: pieces, options: options)
    while let batch = try feed.next() {
      for row in 0..<batch.rowCount {
        records.append(
          batch.columns.filter { $0.kinds[row] != .absent }.map { column in
            column.kinds[row] == .null ? nil : String(decoding: column.bytes[column.range(row)], as: UTF8.self)
          })
      }
    }
  } catch {
    return nil
  }
  return records
}

private let alphabet: [UInt8] = Array("a,\"\n\r ".utf8)

@Test func `every text of up to five characters is read as the rules say`() {
  for length in 1...5 {
    var digits = [Int](repeating: 0, count: length)
    repeat {
      let bytes = digits.map { alphabet[$0] }
      let expected = reference(String(decoding: bytes, as: UTF8.self))
      let actual = read([bytes])
      guard actual == expected else {
        Issue.record(
          "\(String(decoding: bytes, as: UTF8.self).debugDescription): \(actual as Any), not \(expected as Any)")
        return
      }
      var index = 0
      while index < length, digits[index] == alphabet.count - 1 {
        digits[index] = 0
        index += 1
      }
      if index == length { break }
      digits[index] += 1
    } while true
  }
}

@Test func `long random texts are read as the rules say, in any pieces`() {
  var random = Seed()
  let words: [[UInt8]] = [
    "a", ",", ",", "\"", "\"\"", "\",\"", "\n", "\r\n", "\r", " ", "lengthy word", "ö", "\",", "\"\n",
  ].map { Array($0.utf8) }
  for _ in 0..<3_000 {
    let bytes = (0..<Int.random(in: 5...60, using: &random)).flatMap { _ in words.randomElement(using: &random)! }
    let cut = Int.random(in: 0...bytes.count, using: &random)
    let actual = read([Array(bytes[..<cut]), Array(bytes[cut...])])
    let text = String(decoding: bytes, as: UTF8.self)
    guard actual == reference(text) else {
      Issue.record("\(text.debugDescription) cut at \(cut): \(actual as Any), not \(reference(text) as Any)")
      return
    }
  }
}
