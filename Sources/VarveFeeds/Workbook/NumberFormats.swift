import VarveTables

/// What a number in a cell means, by the number format of its style.
enum NumberMeaning: UInt8 {
  case number
  /// A number whose format is nothing but zeros, so that it is shown with zeros in front: `00000`.
  case zeros
  case date
  case dateTime
  case time
  /// An elapsed time: `[h]:mm`.
  case duration
}

/// The meaning of numbers by the style that a cell names (ISO/IEC 29500-1, 18.8.30 and 18.8.31).
struct NumberFormats {
  /// One per cell style; nil without a styles part, when every number is just one.
  private(set) var meanings: [NumberMeaning]?
  /// How many digits the styles show that mean `zeros`.
  private(set) var digitsShown: [Int: Int] = [:]

  static func read(_ part: String, in parts: ZipParts) throws -> NumberFormats {
    var declared: [Int: NumberMeaning] = [:]
    var zeros: [Int: Int] = [:]
    var styles: [Int] = []
    let stylesMax = 1 << 20
    try XMLElements.read(part, in: parts) { path, attributes in
      guard path.count == 3, path[0] == "styleSheet" else { return }
      switch (path[1], path[2]) {
      case ("numFmts", "numFmt"):
        if let id = attributes["numFmtId"].flatMap({ Int($0) }), let code = attributes["formatCode"] {
          declared[id] = meaning(ofCode: code)
          if declared[id] == .zeros { zeros[id] = code.utf8.count }
        }
      case ("cellXfs", "xf"):
        guard styles.count < stylesMax else {
          throw Problem(.failed, at: [parts.file.name, "the styles"], "are more than \(stylesMax)")
        }
        styles.append(attributes["numFmtId"].flatMap { Int($0) } ?? 0)
      default: break
      }
    }
    // A file may declare formats after the styles that use them, and anew those that are built in.
    var formats = NumberFormats(meanings: styles.map { declared[$0] ?? meaning(ofBuiltIn: $0) })
    for (style, format) in styles.enumerated() where declared[format] == .zeros {
      formats.digitsShown[style] = zeros[format]
    }
    return formats
  }

  /// The formats that have a number and no code; 27 to 36 and 50 to 58 are dates of East Asian editions.
  static func meaning(ofBuiltIn id: Int) -> NumberMeaning {
    switch id {
    case 14...17, 27...31, 36, 50...54, 57, 58: .date
    case 18...21, 32...35, 45, 47, 55, 56: .time
    case 22: .dateTime
    case 46: .duration
    default: .number
    }
  }

  /// Reads a format code such as `[$-407]dd.mm.yyyy\ hh:mm`, its first section: that for positive numbers.
  ///
  /// Quoted and escaped characters, colours, conditions and locales say nothing; `m` is minutes next to hours or seconds.
  static func meaning(ofCode code: String) -> NumberMeaning {
    if code.utf8.count > 1, code.utf8.allSatisfy({ $0 == UInt8(ascii: "0") }) { return .zeros }
    var hasDate = false
    var hasTime = false
    /// An `m` that is months unless seconds follow.
    var hasPendingMonth = false
    var lastIsHour = false
    var rest = Array(code.utf8)[...]
    if rest.count >= 7, rest.prefix(7).map({ $0 | 0x20 }) == Array("general".utf8) { return .number }
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: ";"): rest = []
      case UInt8(ascii: "\\"), UInt8(ascii: "_"), UInt8(ascii: "*"): _ = rest.popFirst()
      case UInt8(ascii: "\""): rest = rest.drop { $0 != UInt8(ascii: "\"") }.dropFirst()
      case UInt8(ascii: "["):
        let inside = rest.prefix { $0 != UInt8(ascii: "]") }
        rest = rest.dropFirst(inside.count + 1)
        if let unit = inside.first.map({ $0 | 0x20 }), [UInt8]("hms".utf8).contains(unit),
          inside.allSatisfy({ $0 | 0x20 == unit })
        {
          return .duration
        }
      default:
        let letter = byte | 0x20
        switch letter {
        case UInt8(ascii: "y"), UInt8(ascii: "d"), UInt8(ascii: "g"), UInt8(ascii: "b"):
          hasDate = true
          lastIsHour = false
        case UInt8(ascii: "e"):
          // `0.00E+00` is a number; `e` alone is a year of an era.
          if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { return .number }
          hasDate = true
        case UInt8(ascii: "h"):
          hasTime = true
          lastIsHour = true
        case UInt8(ascii: "s"):
          hasTime = true
          hasPendingMonth = false
          lastIsHour = false
        case UInt8(ascii: "m"):
          let run = rest.prefix { $0 | 0x20 == letter }
          rest = rest.dropFirst(run.count)
          if lastIsHour {
            hasTime = true
          } else {
            if hasPendingMonth { hasDate = true }
            hasPendingMonth = true
          }
          lastIsHour = false
        case UInt8(ascii: "a"):
          // AM/PM and A/P are a time; aaa and aaaa are weekdays.
          if rest.first.map({ $0 | 0x20 }) == UInt8(ascii: "m") {
            hasTime = true
            rest = rest.dropFirst(4)
          } else if rest.first == UInt8(ascii: "/") {
            hasTime = true
            rest = rest.dropFirst(2)
          } else {
            hasDate = true
          }
        default: break
        }
      }
    }
    if hasPendingMonth { hasDate = true }
    return hasDate ? (hasTime ? .dateTime : .date) : (hasTime ? .time : .number)
  }
}
