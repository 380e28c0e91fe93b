internal import Glibc

// The distinct values of a chunk, each with the index of its first appearance.

/// Open addressing, at most half full. A slot holds the index plus one in its lower half and part of the hash in its
/// upper, 0 when free.
private final class SlotTable {
  private(set) var slots: UnsafeMutablePointer<UInt64>
  private(set) var mask: Int

  init() {
    slots = .allocate(capacity: 1024)
    slots.initialize(repeating: 0, count: 1024)
    mask = 1023
  }

  deinit { slots.deallocate() }

  /// Indices that there may be before it must grow.
  var indicesMax: Int { (mask + 1) / 2 }

  /// Four times the slots, filled anew.
  func grow(_ count: Int, hash: (Int) -> UInt64) {
    let capacity = (mask + 1) * 4
    slots.deallocate()
    slots = .allocate(capacity: capacity)
    slots.initialize(repeating: 0, count: capacity)
    mask = capacity - 1
    for index in 0..<count {
      let hash = hash(index)
      var at = Int(truncatingIfNeeded: hash) & mask
      while slots[at] != 0 { at = (at + 1) & mask }
      slots[at] = hash & tagMask | UInt64(index + 1)
    }
  }
}

private let tagMask: UInt64 = 0xFFFF_FFFF_0000_0000

/// Distinct numbers: int64, or the bit patterns of doubles, or 128-bit decimals.
final class NumberDictionary<Key: FixedWidthInteger & BitwiseCopyable> {
  private let keys = ByteBuffer()
  private let table = SlotTable()
  private let countMax: Int
  private(set) var count = 0

  init(countMax: Int) { self.countMax = countMax }

  var values: UnsafeBufferPointer<Key> { keys.values(of: Key.self) }

  /// Writes the index of each value that is valid; returns how many rows were taken (fewer: the dictionary is full)
  /// and how many indices written.
  func add(
    _ source: UnsafePointer<Key>, _ validity: UnsafePointer<Bool>?, count rows: Int,
    into indices: UnsafeMutablePointer<UInt32>
  ) -> (rows: Int, indices: Int) {
    var row = 0
    var written = 0
    while true {
      let limit = min(table.indicesMax, countMax)
      _ = keys.reserve((limit - count) * MemoryLayout<Key>.stride)
      let known = keys.base.assumingMemoryBound(to: Key.self)
      let slots = table.slots
      let mask = table.mask
      var count = self.count
      rows: while row < rows {
        if let validity, !validity[row] {
          row += 1
          continue
        }
        let key = source[row]
        let hash = NumberDictionary.hash(key)
        var at = Int(truncatingIfNeeded: hash) & mask
        while true {
          let slot = slots[at]
          if slot == 0 {
            if count == limit { break rows }
            known[count] = key
            count += 1
            slots[at] = hash & tagMask | UInt64(truncatingIfNeeded: count)
            indices[written] = UInt32(truncatingIfNeeded: count - 1)
            break
          }
          let index = Int(UInt32(truncatingIfNeeded: slot)) - 1
          if (slot ^ hash) & tagMask == 0, known[index] == key {
            indices[written] = UInt32(truncatingIfNeeded: index)
            break
          }
          at = (at + 1) & mask
        }
        written += 1
        row += 1
      }
      keys.advance((count - self.count) * MemoryLayout<Key>.stride)
      self.count = count
      if row == rows || count == countMax { return (row, written) }
      table.grow(count) { NumberDictionary.hash(known[$0]) }
    }
  }

  @inline(__always)
  private static func hash(_ key: Key) -> UInt64 {
    var low = UInt64(truncatingIfNeeded: key)
    if Key.bitWidth > 64 { low ^= mix(UInt64(truncatingIfNeeded: key >> 64), 0x9E37_79B9_7F4A_7C15) }
    return mix(low ^ 0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB)
  }
}

/// Distinct byte strings, kept as a dictionary page has them: each behind its length.
final class BytesDictionary {
  /// The PLAIN encoding of the strings in order.
  let plain = ByteBuffer()
  private let starts = ByteBuffer()
  private let table = SlotTable()
  private let byteCountMax: Int
  private(set) var count = 0
  /// Strings made to collide would cost a long search each: then there is no dictionary.
  private static let stepsMax = 128

  init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

  /// Where string `index` lies in `plain`, with its length before it.
  func range(_ index: Int) -> Range<Int> {
    let starts = starts.values(of: Int.self)
    return starts[index]..<(index + 1 < count ? starts[index + 1] : plain.count)
  }

  /// Writes the index of each string that is valid; returns how many rows were taken (fewer: the dictionary is full)
  /// and how many indices written. The first row's string starts at `start`, each ends at its of `ends`.
  func add(
    _ bytes: UnsafeRawPointer, from start: Int, _ ends: UnsafePointer<Int>, _ validity: UnsafePointer<Bool>?,
    count rows: Int, into indices: UnsafeMutablePointer<UInt32>
  ) -> (rows: Int, indices: Int) {
    var written = 0
    var from = start
    for row in 0..<rows {
      let length = ends[row] - from
      let key = bytes + from
      from = ends[row]
      if let validity, !validity[row] { continue }
      let hash = BytesDictionary.hash(key, length)
      var at = Int(truncatingIfNeeded: hash) & table.mask
      var steps = 0
      var slot = table.slots[at]
      while slot != 0 {
        if (slot ^ hash) & tagMask == 0 {
          let index = Int(UInt32(truncatingIfNeeded: slot)) - 1
          let known = plain.base + starts.base.load(fromByteOffset: index * 8, as: Int.self)
          if Int(known.loadUnaligned(as: UInt32.self)) == length, memcmp(known + 4, key, length) == 0 { break }
        }
        at = (at + 1) & table.mask
        steps += 1
        slot = table.slots[at]
      }
      if slot == 0 {
        guard steps < BytesDictionary.stepsMax, plain.count + 4 + length <= byteCountMax else { return (row, written) }
        slot = insert(key, length)
        table.slots[at] = hash & tagMask | slot
        if count == table.indicesMax { grow() }
      }
      indices[written] = UInt32(truncatingIfNeeded: slot) - 1
      written += 1
    }
    return (rows, written)
  }

  /// The new string's index plus one.
  private func insert(_ key: UnsafeRawPointer, _ length: Int) -> UInt64 {
    starts.append(plain.count)
    plain.append(UInt32(length).littleEndian)
    plain.append(key, count: length)
    count += 1
    return UInt64(count)
  }

  private func grow() {
    table.grow(count) { index in
      let range = range(index)
      return BytesDictionary.hash(plain.base + range.lowerBound + 4, range.count - 4)
    }
  }

  /// Eight bytes at a time; the last ones overlap those before.
  @inline(__always)
  private static func hash(_ key: UnsafeRawPointer, _ length: Int) -> UInt64 {
    var state = UInt64(truncatingIfNeeded: length) ^ 0xA076_1D64_78BD_642F
    if length >= 8 {
      var at = 0
      while at + 8 < length {
        state = mix(state ^ key.loadUnaligned(fromByteOffset: at, as: UInt64.self), 0xE703_7ED1_A0B4_28DB)
        at += 8
      }
      return mix(state ^ key.loadUnaligned(fromByteOffset: length - 8, as: UInt64.self), 0x8EBC_6AF0_9C88_C6E3)
    }
    var last: UInt64 = 0
    if length >= 4 {
      last = UInt64(key.loadUnaligned(as: UInt32.self))
      last |= UInt64(key.loadUnaligned(fromByteOffset: length - 4, as: UInt32.self)) << 32
    } else {
      for at in 0..<length { last = last << 8 | UInt64(key.load(fromByteOffset: at, as: UInt8.self)) }
    }
    return mix(state ^ last, 0x8EBC_6AF0_9C88_C6E3)
  }
}

/// The product's halves folded together.
@inline(__always)
private func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
  let product = a.multipliedFullWidth(by: b)
  return product.high ^ product.low
}
