/// The candidate that a mistyped name most likely meant: at most a third of it is wrong, or it is the start of just one.
package func nearest(to name: String, among candidates: [String]) -> String? {
  let started = candidates.filter { $0.hasPrefix(name) }
  if started.count == 1 && name.count >= 2 { return started[0] }
  let wrongMax = max(1, name.count / 3)
  let best = candidates.map { ($0, distance(name, $0)) }.min { $0.1 < $1.1 }
  guard let best, best.1 <= wrongMax else { return nil }
  return best.0
}

/// Letters to insert, drop, replace or swap with their neighbour (optimal string alignment).
private func distance(_ left: String, _ right: String) -> Int {
  let a = Array(left.utf8)
  let b = Array(right.utf8)
  var rows = [Array(0...b.count)]
  for i in 0..<a.count {
    var row = [i + 1]
    for j in 0..<b.count {
      var least = min(row[j] + 1, rows[i][j + 1] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
      if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] { least = min(least, rows[i - 1][j - 1] + 1) }
      row.append(least)
    }
    rows.append(row)
  }
  return rows[a.count][b.count]
}
