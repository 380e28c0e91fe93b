/// The keys of the records, numbered in order of first appearance.
///
/// Records of a feed tend to have the same keys in the same order. So the table remembers which key followed which, and
/// a key is mostly found by one comparison with the one expected; only otherwise is it looked up by its hash.
struct JSONKeyTable: ~Copyable {
  struct Entry: BitwiseCopyable {
    /// Where its bytes begin in `bytes`, followed by a quote.
    var start: Int
    var length: Int
    /// Length with the quote if the key looks the same in JSON text; 0, which matches nothing, if it needs escapes.
    var matchedLength: Int
    /// The record that had it last.
    var record: UInt64
    /// The keys that came behind it: the last one, and the one before that.
    var next: Int32
    var otherNext: Int32
  }

  private(set) var count = 0
  private var entries = GrowingMemory<Entry>(capacity: 64)
  private var bytes = GrowingMemory<UInt8>(capacity: 4096)
  private var bytesUsed = 0
  /// Open addressing; a slot holds a key's number plus 1, or 0.
  private var slots = GrowingMemory<Int32>(capacity: 256)
  private var record: UInt64 = 0
  /// Stands before the first key of a record, as if it were a key.
  private var first = Entry(start: 0, length: 0, matchedLength: 0, record: 0, next: 0, otherNext: 0)

  mutating func beginRecord() { record += 1 }

  /// The number of the key whose text and closing quote stand at `place`, if it is one of the two expected behind
  /// `previous` (-1 before the first).
  @inline(__always)
  func expected(behind previous: Int, at place: UnsafePointer<UInt8>) -> (number: Int, length: Int)? {
    let (next, other) =
      previous < 0 ? (first.next, first.otherNext) : (entries.base[previous].next, entries.base[previous].otherNext)
    if matches(Int(next), place) { return (Int(next), entries.base[Int(next)].length) }
    if other != next, matches(Int(other), place) { return (Int(other), entries.base[Int(other)].length) }
    return nil
  }

  @inline(__always)
  private func matches(_ number: Int, _ place: UnsafePointer<UInt8>) -> Bool {
    // Numbers past `count` are read as entries of zeros, which match nothing.
    let entry = entries.base + number
    var left = entry.pointee.matchedLength
    if left == 0 { return false }
    var one = UnsafePointer(bytes.base) + entry.pointee.start
    var other = place
    while left > 8 {
      if JSONLexer.word(one) != JSONLexer.word(other) { return false }
      one += 8
      other += 8
      left -= 8
    }
    return (JSONLexer.word(one) ^ JSONLexer.word(other)) << UInt64(64 - 8 * left) == 0
  }

  /// Remembers that `number` came behind `previous`, where it was not expected.
  mutating func follow(_ number: Int, behind previous: Int) {
    if previous < 0 {
      (first.next, first.otherNext) = (Int32(number), first.next)
    } else {
      let entry = entries.base + previous
      (entry.pointee.next, entry.pointee.otherNext) = (Int32(number), entry.pointee.next)
    }
  }

  /// Whether this record has the key for the first time.
  @inline(__always)
  mutating func mark(_ number: Int) -> Bool {
    let entry = entries.base + number
    if entry.pointee.record == record { return false }
    entry.pointee.record = record
    return true
  }

  /// The number of the key of these unescaped bytes, which is new if it was not there; nil if there would be too many.
  mutating func number(of key: UnsafeBufferPointer<UInt8>, looksSame: Bool, countMax: Int) -> Int? {
    // Seeded anew in each process, so that no feed can be made whose keys all fall into one slot.
    var hasher = Hasher()
    hasher.combine(bytes: UnsafeRawBufferPointer(key))
    let hash = hasher.finalize()
    var slot = hash & (slots.capacity - 1)
    while slots.base[slot] != 0 {
      let number = Int(slots.base[slot]) - 1
      if self[number].elementsEqual(key) { return number }
      slot = (slot + 1) & (slots.capacity - 1)
    }
    guard count < countMax else { return nil }
    add(key, looksSame: looksSame)
    slots.base[slot] = Int32(count)
    if count * 2 > slots.capacity { rehash() }
    return count - 1
  }

  subscript(_ number: Int) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: bytes.base + entries.base[number].start, count: entries.base[number].length)
  }

  private mutating func add(_ key: UnsafeBufferPointer<UInt8>, looksSame: Bool) {
    // One more than used, since the next key is expected behind the last before it is there.
    entries.reserve(count + 2)
    bytes.reserve(bytesUsed + key.count + 1 + JSONLexer.padding)
    if let base = key.baseAddress { (bytes.base + bytesUsed).update(from: base, count: key.count) }
    bytes.base[bytesUsed + key.count] = UInt8(ascii: "\"")
    entries.base[count] = Entry(
      start: bytesUsed, length: key.count, matchedLength: looksSame ? key.count + 1 : 0, record: 0,
      next: Int32(count + 1), otherNext: Int32(count + 1))
    bytesUsed += key.count + 1
    count += 1
  }

  private mutating func rehash() {
    slots = GrowingMemory<Int32>(capacity: slots.capacity * 2)
    for number in 0..<count {
      var hasher = Hasher()
      hasher.combine(bytes: UnsafeRawBufferPointer(self[number]))
      var slot = hasher.finalize() & (slots.capacity - 1)
      while slots.base[slot] != 0 { slot = (slot + 1) & (slots.capacity - 1) }
      slots.base[slot] = Int32(number + 1)
    }
  }
}
