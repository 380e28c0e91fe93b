import VarveTables

/// The keys of a feed's rows, looked up by value. Holds the keys whose hash lies in a range, so that a feed with more
/// keys than memory is worked off range by range.
///
/// Keys are the byte strings of `RowKeys`; equal hashes are told apart by the bytes.
struct KeyIndex: Sendable {
  let hashes: ClosedRange<UInt64>
  private var bytes: [UInt8] = []
  /// Key i lies between the end of key i-1 (0 for the first) and `ends[i]`.
  private var ends: [Int] = []
  private var tails: [UInt32] = []
  private(set) var feedRows: [Int] = []
  /// Open addressing, a power of two long, at most half full: an entry's number plus 1, or 0.
  private var slots = [UInt32](repeating: 0, count: 1 << 10)

  /// What a key costs beside its bytes, slots and growth included.
  static let keyBytesOverhead = 44

  init(hashes: ClosedRange<UInt64> = 0...UInt64.max) { self.hashes = hashes }

  var count: Int { ends.count }

  var byteCount: Int { bytes.count + count * Self.keyBytesOverhead }

  /// The key's entry, made if there is none. `isNew` says which.
  mutating func insert(_ key: UnsafeBufferPointer<UInt8>, hash: UInt64, feedRow: Int) -> (entry: Int, isNew: Bool) {
    var slot = slot(hash)
    while slots[slot] != 0 {
      let entry = Int(slots[slot]) - 1
      if holds(entry, key, hash) { return (entry, false) }
      slot = (slot + 1) & (slots.count - 1)
    }
    bytes.append(contentsOf: key)
    ends.append(bytes.count)
    tails.append(UInt32(truncatingIfNeeded: hash))
    feedRows.append(feedRow)
    slots[slot] = UInt32(ends.count)
    if ends.count * 2 >= slots.count { grow() }
    return (ends.count - 1, true)
  }

  /// The entry of that key, or nil.
  func find(_ key: UnsafeBufferPointer<UInt8>, hash: UInt64) -> Int? {
    var slot = slot(hash)
    while slots[slot] != 0 {
      let entry = Int(slots[slot]) - 1
      if holds(entry, key, hash) { return entry }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  /// Makes another row of the feed the one that its key stands for.
  mutating func replace(_ entry: Int, feedRow: Int) { feedRows[entry] = feedRow }

  /// The lower half of a hash is kept in `tails`, so that growing needs no keys; slots are chosen by it alone.
  private func slot(_ hash: UInt64) -> Int { Int(UInt32(truncatingIfNeeded: hash)) & (slots.count - 1) }

  private func holds(_ entry: Int, _ key: UnsafeBufferPointer<UInt8>, _ hash: UInt64) -> Bool {
    guard tails[entry] == UInt32(truncatingIfNeeded: hash) else { return false }
    let start = entry == 0 ? 0 : ends[entry - 1]
    guard ends[entry] - start == key.count else { return false }
    return bytes.withUnsafeBufferPointer { bytes in
      compareBytes(UnsafeBufferPointer(rebasing: bytes[start..<ends[entry]]), key) == 0
    }
  }

  private mutating func grow() {
    precondition(slots.count < 1 << 31, "an index is bounded by its budget")
    slots = [UInt32](repeating: 0, count: slots.count * 2)
    for entry in tails.indices {
      var slot = Int(tails[entry]) & (slots.count - 1)
      while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
      slots[slot] = UInt32(entry + 1)
    }
  }

  /// A hash of all bytes; its upper half is as good as its lower.
  static func hash(_ key: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var hash = UInt64(key.count) &* 0x9E37_79B9_7F4A_7C15
    let bytes = UnsafeRawBufferPointer(key)
    var offset = 0
    while offset + 8 <= bytes.count {
      hash = mix(hash ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += 8
    }
    var rest: UInt64 = 0
    while offset < bytes.count {
      rest = rest << 8 | UInt64(bytes[offset])
      offset += 1
    }
    return mix(hash ^ rest)
  }

  /// The two halves of the 128-bit product, folded.
  private static func mix(_ value: UInt64) -> UInt64 {
    let product = (value ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: 0xE703_7ED1_A0B4_28DB)
    return product.high ^ product.low
  }
}

extension ClosedRange<UInt64> {
  var lowerHalf: ClosedRange<UInt64> { lowerBound...lowerBound + (upperBound - lowerBound) / 2 }
}
