/// The candidate that a mistyped name most likely meant: at most a third of it is wrong, or it is the start of just one.
/// Upper and lower case count as one.
package func nearest(to name: String, among candidates: [String]) -> String? {
  let given = Array(name.lowercased())
  let known = Set(candidates).sorted()
  let started = known.filter { $0.lowercased().hasPrefix(name.lowercased()) }
  if started.count == 1 && given.count >= 2 { return started[0] }
  var best: (distance: Int, name: String)?
  for candidate in known {
    let distance = distance(given, Array(candidate.lowercased()))
    if distance <= max(1, given.count / 3), distance < best?.distance ?? .max { best = (distance, candidate) }
  }
  return best?.name
}

/// Letters to insert, drop, replace or swap with their neighbour (optimal string alignment).
private func distance(_ left: [Character], _ right: [Character]) -> Int {
  var before: [Int] = []
  var previous = Array(0...right.count)
  for row in 0..<left.count {
    var current = [row + 1]
    for column in 0..<right.count {
      let replaced = previous[column] + (left[row] == right[column] ? 0 : 1)
      var least = min(replaced, previous[column + 1] + 1, current[column] + 1)
      if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
        least = min(least, before[column - 1] + 1)
      }
      current.append(least)
    }
    (before, previous) = (previous, current)
  }
  return previous[right.count]
}
