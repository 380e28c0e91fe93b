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
    let widths = width.map { fit(wanted, into: $0) } ?? wanted
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

  /// The widest columns give way first, down to `columnWidthMin`; then columns at the right are left out.
  private func fit(_ wanted: [Int], into width: Int) -> [Int] {
    var widths = wanted
    func total() -> Int { widths.reduce(0, +) + 2 * max(0, widths.count - 1) }
    while total() > width, let widest = widths.max(), widest > columnWidthMin {
      let next = max(columnWidthMin, widths.filter { $0 < widest }.max() ?? 0)
      let atWidest = widths.indices.filter { widths[$0] == widest }
      let share = max(1, min(widest - next, (total() - width) / atWidest.count))
      for column in atWidest where total() > width { widths[column] = max(columnWidthMin, widest - share) }
    }
    guard total() > width else { return widths }
    var used = 0
    for column in widths.indices {
      // Two columns at the end stay free for the mark that says more was there.
      let needed = widths[column] + (column == 0 ? 0 : 2)
      if column > 0 && used + needed > width - 2 {
        for rest in column..<widths.count { widths[rest] = 0 }
        break
      }
      used += needed
    }
    return widths
  }
}

private let nullMark = "null"
private let columnWidthMin = 8
/// The rule below the last heading need not be as long as the longest text.
private let lastRuleMax = 40
