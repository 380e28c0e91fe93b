/// A table for people: aligned columns, numbers to the right, cut to the width of the terminal.
package struct TextTable {
  package enum Alignment: Sendable { case left, right }

  package struct Heading: Sendable {
    /// What becomes of a column where the terminal has no room for all.
    package enum Fate: Sendable {
      /// Text is cut, down to a few characters. Numbers and times are shown whole, and the column may be left out.
      case cut
      /// A name by which something is called again: much of it stays.
      case name
      /// A time, which loses its fractions, then its seconds.
      case time
    }

    package var name: String
    package var alignment: Alignment
    package var fate: Fate
    /// Stands for the name where there is no room for that.
    package var short: String?
    /// Whether it is left out before others are cut.
    package var isMinor = false

    package init(
      _ name: String, _ alignment: Alignment = .left, fate: Fate = .cut, short: String? = nil, isMinor: Bool = false
    ) {
      self.name = name
      self.alignment = alignment
      self.fate = fate
      self.short = short
      self.isMinor = isMinor
    }
  }

  package var headings: [Heading]
  /// Nil is null, which is shown apart from the text of that name.
  package var rows: [[String?]] = []
  /// What is said below a row, by its index, in as many lines as it takes.
  package var notes: [Int: String] = [:]

  package init(_ headings: [Heading]) { self.headings = headings }

  /// Lines without ends. `width` nil leaves every column as wide as it wants to be.
  package func lines(width: Int?, style: TextStyle) -> [String] {
    let layout = TableLayout(self, rows.map { $0.map { $0.map(printable) } }, width: width)
    func line(_ text: (Int) -> (String, TextStyle.Look?)) -> String {
      var result = ""
      for column in layout.shown {
        let (full, look) = text(column)
        let room = layout.widths[column]
        let cell = headings[column].fate == .time ? shortened(time: full, to: room) : cut(full, to: room)
        let gap = String(repeating: " ", count: room - displayWidth(cell))
        let painted = look.map { style.paint(cell, $0) } ?? cell
        if column != layout.shown[0] { result += "  " }
        result += headings[column].alignment == .right ? gap + painted : painted + gap
      }
      while result.last == " " { result.removeLast() }
      return result + (layout.leavesOut ? " …" : "")
    }
    var lines = [line { (layout.names[$0], .heading) }]
    lines.append(
      line { column in
        let isLast = column == layout.shown.last && headings[column].alignment == .left
        let width = layout.widths[column]
        return (String(repeating: "─", count: isLast ? min(width, lastRuleMax) : width), .faint)
      })
    for (index, row) in layout.cells.enumerated() {
      lines.append(line { row[$0].map { ($0, nil) } ?? (nullMark, .faint) })
      if let note = notes[index].map(printable) {
        lines += (width.map { wrapped(note, width: $0 - 2) } ?? [note]).map { "  " + $0 }
      }
    }
    return lines
  }
}

/// Which columns of a table are shown, how wide, and under which names.
private struct TableLayout {
  let cells: [[String?]]
  private(set) var names: [String]
  /// Of each column, those that are not shown as well.
  private(set) var widths: [Int]
  private(set) var shown: [Int]
  /// Whether something is not shown that is more than blank.
  private(set) var leavesOut = false

  private let headings: [TextTable.Heading]
  /// The width of each column's values, its name apart.
  private let values: [Int]

  init(_ table: TextTable, _ cells: [[String?]], width: Int?) {
    self.cells = cells
    headings = table.headings
    names = headings.map { printable($0.name) }
    values = headings.indices.map { column in
      cells.reduce(0) { max($0, displayWidth($1[column] ?? nullMark)) }
    }
    shown = Array(headings.indices)
    widths = zip(names, values).map { max(displayWidth($0), $1) }
    if let width { fit(width) }
  }

  /// Names and times are shortened, then minor columns left out, then texts are cut, the widest first, and then columns
  /// at the right are left out, which makes room again. What is blank is the first to go, and the first column stays.
  private mutating func fit(_ width: Int) {
    if total < width + 1 { return }
    shown.removeAll { values[$0] == 0 && headings[$0].isMinor && $0 > 0 }
    var room = width
    while true {
      for isShort in [false, true] {
        for timeWidth in [24, 20, 17] {
          set(isShort: isShort, timeWidth: timeWidth)
          if total <= room { return }
        }
      }
      guard let minor = shown.last(where: { headings[$0].isMinor && $0 > 0 }) else { break }
      shown.removeAll { $0 == minor }
      // Two columns at the end stay free for the mark that says more was there.
      (leavesOut, room) = (true, width - 2)
    }
    let least = headings.indices.map { column in
      let least = headings[column].fate == .name ? nameWidthMin : cutWidthMin
      return isWhole(column) ? widths[column] : min(widths[column], least)
    }
    while shown.count > 1, total(least) > room {
      shown.removeLast()
      (leavesOut, room) = (true, width - 2)
    }
    while total > room {
      let open = shown.filter { widths[$0] > least[$0] }
      guard let widest = open.map({ widths[$0] }).max() else { break }
      let atWidest = open.filter { widths[$0] == widest }
      let next = open.map { widths[$0] }.filter { $0 < widest }.max() ?? 0
      let share = max(1, min(widest - next, (total - room) / atWidest.count))
      for column in atWidest where total > room {
        widths[column] = max(least[column], widest - share)
      }
    }
    if shown.count == 1 { widths[0] = min(widths[0], max(1, room)) }
  }

  private mutating func set(isShort: Bool, timeWidth: Int) {
    for (column, heading) in headings.enumerated() {
      names[column] = printable(isShort ? heading.short ?? heading.name : heading.name)
      let value = heading.fate == .time ? min(values[column], timeWidth) : values[column]
      widths[column] = max(displayWidth(names[column]), value)
    }
  }

  private var total: Int { total(widths) }

  private func total(_ widths: [Int]) -> Int { shown.reduce(0) { $0 + widths[$1] } + 2 * max(0, shown.count - 1) }

  /// Whether a column is shown whole or not at all: the start of a number or of a time tells something else.
  private func isWhole(_ column: Int) -> Bool {
    if headings[column].alignment == .right || headings[column].fate == .time { return true }
    let texts = cells.lazy.compactMap { $0[column] }.filter { !$0.isEmpty }
    return !texts.isEmpty && texts.allSatisfy(isTime)
  }
}

/// `2024-10-06T12:00:00.003Z` without its fractions, or without its seconds too, where there is no room for them.
private func shortened(time: String, to width: Int) -> String {
  guard displayWidth(time) > width, isTime(time) else { return cut(time, to: width) }
  return String(time.prefix(width >= 20 ? 19 : 16)) + "Z"
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
private let cutWidthMin = 8
private let nameWidthMin = 24
/// The rule below the last heading need not be as long as the longest text.
private let lastRuleMax = 40
