internal import CSystem
import Glibc

/// One line on a terminal's standard error that is drawn again and again, and gone when the work is done.
package final class ProgressBar {
  private let stream: Stream
  private let width: Int
  private var drawnAt: UInt64 = 0
  private var isDrawn = false

  /// Nil where the stream is no terminal: then there is no progress to show.
  package init?(on stream: Stream) {
    guard let width = stream.width else { return nil }
    self.stream = stream
    self.width = width
  }

  /// Draws, but no more than ten times a second.
  package func update(_ label: String, done: Int, total: Int, rows: Int) {
    draw { progressLine(label, done: done, total: total, rows: rows, width: $0) }
  }

  /// As `update`, for a line of another make; it is given its width.
  package func draw(_ line: (Int) -> String) {
    let now = monotonicNanoseconds()
    guard now - drawnAt >= 100_000_000 else { return }
    drawnAt = now
    let line = line(width - 1)
    try? stream.write("\r\u{1B}[K" + line)
    try? stream.flush()
    isDrawn = true
  }

  package func clear() {
    guard isDrawn else { return }
    try? stream.write("\r\u{1B}[K")
    try? stream.flush()
    isDrawn = false
  }
}

/// `reading  ████████░░░░  62 %  310,000 rows`.
package func progressLine(_ label: String, done: Int, total: Int, rows: Int, width: Int) -> String {
  progressLine(label, done: done, total: total, grouped(rows) + " rows", width: width)
}

/// The bar, the percentage and what else is said behind it.
package func progressLine(_ label: String, done: Int, total: Int, _ text: String, width: Int) -> String {
  let share = total > 0 ? min(1, max(0, Double(done) / Double(total))) : 0
  let percent = String(Int(share * 100))
  let tail = String(repeating: " ", count: 3 - percent.utf8.count) + percent + " %  " + text
  let barWidth = min(30, width - displayWidth(label) - displayWidth(tail) - 4)
  guard barWidth >= 5 else { return cut(label + "  " + tail, to: width) }
  let full = Int(share * Double(barWidth))
  let bar = String(repeating: "█", count: full) + String(repeating: "░", count: barWidth - full)
  return label + "  " + bar + "  " + tail
}

/// A whole number with commas between its thousands.
package func grouped(_ number: Int) -> String {
  let digits = Array(String(number.magnitude).utf8)
  var text = number < 0 ? "-" : ""
  for (index, digit) in digits.enumerated() {
    if index > 0 && (digits.count - index) % 3 == 0 { text += "," }
    text.unicodeScalars.append(Unicode.Scalar(digit))
  }
  return text
}

func monotonicNanoseconds() -> UInt64 { UInt64(varve_monotonic_nanoseconds()) }
