/// A set of row numbers, one bit each.
struct RowSet: Sendable {
  private var words: [UInt64] = []
  private(set) var count = 0

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
