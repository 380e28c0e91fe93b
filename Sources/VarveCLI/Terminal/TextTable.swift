/// A table for people: aligned columns, numbers to the right, cut to the width of the terminal.
package struct TextTable {
  package enum Alignment: Sendable { case left, right }

  package struct Heading: Sendable {
    package var name: String
    package var alignment: Alignment

    package init(_ name: String, _ alignment: Alignment = .left) {
      self.name = name
      self.alignment = alignment
    }
  }

  package var headings: [Heading]
  /// Nil is null, which is shown apart from the text of that name.
  package var rows: [[String?]] = []

  package init(_ headings: [Heading]) { self.headings = headings }

  /// Lines without ends. `width` nil leaves every column as wide as it wants to be.
  package func lines(width: Int?, style: TextStyle) -> [String] {
    let cells = rows.map { $0.map { $0.map(printable) } }
    let wanted = headings.indices.map { column in
      cells.reduce(displayWidth(printable(headings[column].name))) { max($0, displayWidth($1[column] ?? nullMark)) }
    }
    let least = headings.indices.map { column in
      isWhole(column, cells) ? wanted[column] : min(wanted[column], columnWidthMin)
    }
    let widths = width.map { fit(wanted, least, into: $0) } ?? wanted
    // A column of width 0 did not fit any more.
    let shown = widths.indices.filter { widths[$0] > 0 }
    let more = shown.count < widths.count ? " …" : ""
    func line(_ text: (Int) -> (String, TextStyle.Look?)) -> String {
      var result = ""
      for column in shown {
        let (full, look) = text(column)
        let cell = cut(full, to: widths[column])
        let gap = String(repeating: " ", count: widths[column] - displayWidth(cell))
        let painted = look.map { style.paint(cell, $0) } ?? cell
        if column != shown[0] { result += "  " }
        result += headings[column].alignment == .right ? gap + painted : painted + gap
      }
      while result.last == " " { result.removeLast() }
      return result + more
    }
    var lines = [line { (printable(headings[$0].name), .heading) }]
    lines.append(
      line { column in
        let isLast = column == shown.last && headings[column].alignment == .left
        return (String(repeating: "─", count: isLast ? min(widths[column], lastRuleMax) : widths[column]), .faint)
      })
    for row in cells { lines.append(line { row[$0].map { ($0, nil) } ?? (nullMark, .faint) }) }
    return lines
  }

  /// Whether a column is shown whole or not at all: the start of a number or of a time tells something else.
  private func isWhole(_ column: Int, _ cells: [[String?]]) -> Bool {
    if headings[column].alignment == .right { return true }
    let texts = cells.lazy.compactMap { $0[column] }.filter { !$0.isEmpty }
    return !texts.isEmpty && texts.allSatisfy(isTime)
  }

  /// The widest columns give way first, down to `least`; then columns at the right are left out, which makes room again.
  private func fit(_ wanted: [Int], _ least: [Int], into width: Int) -> [Int] {
    func total(_ widths: ArraySlice<Int>) -> Int { widths.reduce(0, +) + 2 * max(0, widths.count - 1) }
    var shownCount = wanted.count
    var room = width
    if total(least[...]) > width {
      // Two columns at the end stay free for the mark that says more was there.
      room = width - 2
      while shownCount > 1, total(least[..<shownCount]) > room { shownCount -= 1 }
    }
    var widths = Array(wanted[..<shownCount])
    while total(widths[...]) > room {
      let open = widths.indices.filter { widths[$0] > least[$0] }
      guard let widest = open.map({ widths[$0] }).max() else { break }
      let atWidest = open.filter { widths[$0] == widest }
      let next = open.map { widths[$0] }.filter { $0 < widest }.max() ?? 0
      let share = max(1, min(widest - next, (total(widths[...]) - room) / atWidest.count))
      for column in atWidest where total(widths[...]) > room {
        widths[column] = max(least[column], widest - share)
      }
    }
    if shownCount == 1 { widths[0] = min(widths[0], max(1, room)) }
    return widths + [Int](repeating: 0, count: wanted.count - shownCount)
  }
}

/// Whether the text is a date, or a time that begins with one.
private func isTime(_ text: String) -> Bool {
  let form = "0000-00-00"
  guard text.utf8.count == 10 || (text.utf8.count >= 20 && text.utf8.last == UInt8(ascii: "Z")) else { return false }
  return zip(text.utf8, form.utf8).allSatisfy { byte, sign in
    sign == UInt8(ascii: "-") ? byte == sign : (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }
}

private let nullMark = "null"
private let columnWidthMin = 8
/// The rule below the last heading need not be as long as the longest text.
private let lastRuleMax = 40
