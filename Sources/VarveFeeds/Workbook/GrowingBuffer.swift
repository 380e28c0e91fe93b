import Glibc

/// Elements in memory that grows in place, for parser callbacks: appending neither retains nor checks for uniqueness.
///
/// Whoever makes one frees it with `deallocate()`.
struct GrowingBuffer<Element: BitwiseCopyable>: BitwiseCopyable {
  private(set) var start: UnsafeMutablePointer<Element>
  private(set) var count = 0
  private var capacity: Int

  init(capacity: Int = 64) {
    self.capacity = max(capacity, 16)
    start = Self.resized(nil, to: self.capacity)
  }

  func deallocate() { free(start) }

  var view: UnsafeBufferPointer<Element> { UnsafeBufferPointer(start: start, count: count) }

  func view(_ range: Range<Int>) -> UnsafeBufferPointer<Element> { UnsafeBufferPointer(rebasing: view[range]) }

  mutating func removeAll() { count = 0 }

  mutating func removeFirst(_ length: Int) {
    start.update(from: start + length, count: count - length)
    count -= length
  }

  mutating func truncate(to newCount: Int) { count = newCount }

  @inline(__always)
  mutating func reserve(_ more: Int) {
    if count + more > capacity { grow(count + more) }
  }

  @inline(__always)
  mutating func append(_ element: Element) {
    reserve(1)
    start[count] = element
    count += 1
  }

  @inline(__always)
  mutating func append(_ elements: UnsafePointer<Element>, _ length: Int) {
    reserve(length)
    (start + count).initialize(from: elements, count: length)
    count += length
  }

  @inline(__always)
  mutating func append(_ elements: UnsafeBufferPointer<Element>) {
    if let base = elements.baseAddress { append(base, elements.count) }
  }

  mutating func append(repeating element: Element, count length: Int) {
    reserve(length)
    (start + count).initialize(repeating: element, count: length)
    count += length
  }

  @inline(never)
  private mutating func grow(_ needed: Int) {
    capacity = max(needed, capacity * 2)
    start = Self.resized(start, to: capacity)
  }

  private static func resized(_ old: UnsafeMutablePointer<Element>?, to capacity: Int) -> UnsafeMutablePointer<Element>
  {
    // Large blocks grow by remapping pages, so that a table of hundreds of megabytes is never there twice.
    guard let new = realloc(old, capacity * MemoryLayout<Element>.stride) else { fatalError("out of memory") }
    return new.assumingMemoryBound(to: Element.self)
  }
}

typealias GrowingBytes = GrowingBuffer<UInt8>

extension GrowingBuffer<UInt8> {
  mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { append($0) }
  }
}
