/// A set of row numbers, one bit each.
struct RowSet: Sendable {
  /// The bit of row r is bit r % 64 of word r / 64; words at the end may be missing.
  private(set) var words: [UInt64] = []
  private(set) var count = 0

  init() {}

  /// Rows 0 up to that one.
  init(all count: Int) {
    words = Array(repeating: .max, count: count >> 6)
    if count & 63 != 0 { words.append(1 << UInt64(count & 63) - 1) }
    self.count = count
  }

  var isEmpty: Bool { count == 0 }

  func contains(_ row: Int) -> Bool {
    let word = row >> 6
    return word < words.count && words[word] & (1 << UInt64(row & 63)) != 0
  }

  mutating func insert(_ row: Int) {
    let word = row >> 6
    if word >= words.count {
      words.append(contentsOf: repeatElement(0, count: max(word + 1, words.count * 2) - words.count))
    }
    let bit = (1 as UInt64) << UInt64(row & 63)
    if words[word] & bit == 0 { count += 1 }
    words[word] |= bit
  }

  /// The rows that the other lacks.
  func subtracting(_ other: RowSet) -> RowSet {
    var rest = self
    for word in 0..<min(words.count, other.words.count) { rest.words[word] &= ~other.words[word] }
    rest.count = rest.words.reduce(0) { $0 + $1.nonzeroBitCount }
    return rest
  }

  mutating func formUnion(_ other: RowSet) {
    for (word, bits) in other.words.enumerated() {
      var bits = bits
      while bits != 0 {
        insert(word << 6 | bits.trailingZeroBitCount)
        bits &= bits - 1
      }
    }
  }
}
