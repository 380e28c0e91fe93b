/// Memory for plain values that keeps its contents when it grows; what was not written yet is zero.
struct GrowingMemory<Element: BitwiseCopyable>: ~Copyable {
  private(set) var base: UnsafeMutablePointer<Element>
  private(set) var capacity: Int

  init(capacity: Int) {
    self.capacity = capacity
    base = GrowingMemory.zeros(capacity)
  }

  deinit { base.deallocate() }

  /// Makes room for at least that many. Addresses taken before are void.
  @inline(__always)
  mutating func reserve(_ count: Int) {
    if count > capacity { grow(count) }
  }

  @inline(never)
  private mutating func grow(_ count: Int) {
    let larger = max(count, capacity * 2)
    let memory = GrowingMemory.zeros(larger)
    memory.update(from: base, count: capacity)
    base.deallocate()
    base = memory
    capacity = larger
  }

  private static func zeros(_ count: Int) -> UnsafeMutablePointer<Element> {
    let memory = UnsafeMutablePointer<Element>.allocate(capacity: count)
    UnsafeMutableRawPointer(memory).initializeMemory(
      as: UInt8.self, repeating: 0, count: count * MemoryLayout<Element>.stride)
    return memory
  }
}

/// Copies by 16 bytes, the last of which may lie behind `count`: both sides must have them.
@inline(__always)
func copy(_ from: UnsafePointer<UInt8>, to into: UnsafeMutablePointer<UInt8>, _ count: Int) {
  if count > 128 {
    into.update(from: from, count: count)
    return
  }
  var done = 0
  while done < count {
    let words = UnsafeRawPointer(from + done).loadUnaligned(as: SIMD2<UInt64>.self)
    UnsafeMutableRawPointer(into + done).storeBytes(of: words, as: SIMD2<UInt64>.self)
    done += 16
  }
}
