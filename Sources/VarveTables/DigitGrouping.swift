/// How feeds group the digits before the decimal separator by threes: `1.234.567`.
struct DigitGrouping: Sendable {
  /// In UTF-8, what may stand between two groups.
  private let marks: [[UInt8]]

  /// `.`, `,`, `'` or a blank; an apostrophe and a blank have their typographic forms, too. Nil for all else.
  init?(_ mark: String) {
    switch mark {
    case ".", ",": marks = [Array(mark.utf8)]
    case "'": marks = ["'", "\u{2019}"].map { Array($0.utf8) }
    case " ": marks = [" ", "\u{A0}", "\u{202F}"].map { Array($0.utf8) }
    default: return nil
    }
  }

  /// The number without the marks; nil where there are none, or where they do not part digits by threes. A first group
  /// that begins with 0 is none: `0.125` was more likely meant as a fraction.
  func removed(from text: UnsafeBufferPointer<UInt8>, point: UInt8) -> [UInt8]? {
    func digits(at start: Int) -> Int {
      var end = start
      while end < text.count, text[end] &- UInt8(ascii: "0") < 10 { end += 1 }
      return end - start
    }
    let hasSign = text.first == UInt8(ascii: "-") || text.first == UInt8(ascii: "+")
    let start = hasSign ? 1 : 0
    let first = digits(at: start)
    guard (1...3).contains(first), text[start] != UInt8(ascii: "0") else { return nil }
    var number = Array(text[..<(start + first)])
    var position = start + first
    while let mark = mark(in: text, at: position) {
      let group = position + mark.count
      guard digits(at: group) == 3 else { return nil }
      number += text[group..<group + 3]
      position = group + 3
    }
    // An ungrouped number needs no help, and what follows must be a fraction.
    guard position > start + first, position == text.count || text[position] == point else { return nil }
    return number + text[position...]
  }

  private func mark(in text: UnsafeBufferPointer<UInt8>, at position: Int) -> [UInt8]? {
    marks.first { text[position...].starts(with: $0) }
  }
}
