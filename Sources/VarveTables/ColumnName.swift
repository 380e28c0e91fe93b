/// The names of columns: from what feeds call them, and back to the columns of a table.
package enum ColumnName {
  package static let bytesMax = 255

  /// The name for that header: surrounding blanks cut, each of ` ,;{}()\n\t=` and other control characters an `_`.
  package static func columnName(fromHeader header: String) -> String {
    var scalars = header.unicodeScalars[...]
    while let first = scalars.first, isBlank(first) { scalars.removeFirst() }
    while let last = scalars.last, isBlank(last) { scalars.removeLast() }
    var name = String.UnicodeScalarView()
    for scalar in scalars {
      let isForbidden = scalar.value < 0x20 || scalar.value == 0x7F || " ,;{}()=".unicodeScalars.contains(scalar)
      name.append(isForbidden ? "_" : scalar)
    }
    return String(name)
  }

  private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
    scalar == " " || scalar == "\t" || scalar == "\n" || scalar == "\r" || scalar == "\u{a0}" || scalar == "\u{feff}"
  }

  /// Fields of type text for the headers of a feed, in their order.
  ///
  /// Headers that differ and clean to one name are numbered: `a b`, `a,b` become `a_b`, `a_b_2`. Refused are empty headers,
  /// a header that comes twice, and names that differ only in case.
  package static func fields(forHeaders headers: [String], place: [String] = []) throws -> [Field] {
    var positions: [String: Int] = [:]
    for (position, header) in headers.enumerated() {
      if columnName(fromHeader: header).isEmpty {
        throw Problem(
          .failed, at: place, "column \(position + 1) has no name",
          advice: "give it a header, or say which row is the header")
      }
      if let first = positions.updateValue(position, forKey: key(header)) {
        throw Problem(
          .failed, at: place, "columns \(first + 1) and \(position + 1) are both named \"\(header)\"",
          advice: "rename one of them")
      }
    }
    // A header that is a clean name keeps it, whichever comes first.
    let clean = Set(headers.filter { columnName(fromHeader: $0) == $0 }.map(key))
    var taken: Set<String> = []
    var fields: [Field] = []
    for header in headers {
      let base = columnName(fromHeader: header)
      var name = base
      var number = 2
      while taken.contains(key(name)) || (name != header && clean.contains(key(name))) {
        name = "\(base)_\(number)"
        number += 1
      }
      if name.utf8.count > bytesMax {
        throw Problem(
          .failed, at: place, "the column name \"\(name.prefix(40))…\" has more than \(bytesMax) bytes",
          advice: "shorten the header")
      }
      taken.insert(key(name))
      fields.append(Field(name, .text, header: name == header ? nil : header))
    }
    try refuseCaseTwins(fields.map(\.name), place: place)
    return fields
  }

  /// Names that are equal but for case would be one column to SQL and to other readers.
  package static func refuseCaseTwins(_ names: [String], place: [String] = []) throws {
    var seen: [String: String] = [:]
    for name in names {
      if let other = seen.updateValue(name, forKey: key(name.lowercased())) {
        throw Problem(
          .failed, at: place, "the columns \"\(other)\" and \"\(name)\" differ only in case",
          advice: "rename one of them")
      }
    }
  }

  /// Numbers the names of an answer that come twice: `price`, `price_2`.
  package static func distinct(_ names: [String]) -> [String] {
    var taken = Set(names)
    var seen: Set<String> = []
    return names.map { name in
      if seen.insert(name).inserted { return name }
      var number = 2
      while taken.contains("\(name)_\(number)") { number += 1 }
      taken.insert("\(name)_\(number)")
      return "\(name)_\(number)"
    }
  }

  /// The table's column that a feed's header means: by its own name, else by the header it came with, else by an alias,
  /// else by the header's cleaned name.
  package static func index(ofHeader header: String, in schema: Schema) -> Int? {
    let wanted = key(header)
    if let index = schema.fields.firstIndex(where: { key($0.name) == wanted }) { return index }
    if let index = schema.fields.firstIndex(where: { $0.header.map(key) == wanted }) { return index }
    if let index = schema.fields.firstIndex(where: { $0.aliases.contains { key($0) == wanted } }) { return index }
    let cleaned = key(columnName(fromHeader: header))
    return schema.fields.firstIndex { key($0.name) == cleaned }
  }

  /// A string that is equal to another only if the bytes are: Swift's own equality also follows Unicode's.
  private static func key(_ name: String) -> String {
    name.utf8.allSatisfy { $0 < 0x80 }
      ? name : "\u{0}" + name.unicodeScalars.map { String($0.value, radix: 16) }.joined(separator: ".")
  }
}
