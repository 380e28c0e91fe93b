internal import Glibc

/// Growing raw memory. Behind the bytes in use at least `slack` more are allocated, so that loops may load and store
/// whole words at the end.
final class ByteBuffer {
  static let slack = 64

  private(set) var base: UnsafeMutableRawPointer
  private(set) var count = 0
  private var capacity: Int

  init(capacity: Int = 0) {
    self.capacity = capacity
    base = malloc(capacity + ByteBuffer.slack)!
  }

  deinit { free(base) }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  /// The bytes as values of a trivial type.
  func values<T: BitwiseCopyable>(of type: T.Type) -> UnsafeBufferPointer<T> {
    UnsafeBufferPointer(
      start: base.assumingMemoryBound(to: T.self), count: count / MemoryLayout<T>.stride)
  }

  /// The first free byte, with room for `extra` bytes and the slack.
  @inline(__always)
  func reserve(_ extra: Int) -> UnsafeMutableRawPointer {
    if count + extra > capacity { grow(to: count + extra) }
    return base + count
  }

  @inline(never)
  private func grow(to needed: Int) {
    capacity = max(needed, capacity * 2, 64)
    base = realloc(base, capacity + ByteBuffer.slack)!
  }

  /// Takes `added` bytes that were written behind a `reserve` into use.
  @inline(__always)
  func advance(_ added: Int) { count += added }

  func append(_ source: UnsafeRawPointer, count added: Int) {
    guard added > 0 else { return }
    memcpy(reserve(added), source, added)
    count += added
  }

  func append(_ buffer: ByteBuffer) { append(buffer.base, count: buffer.count) }

  func append(_ array: [UInt8]) {
    array.withUnsafeBytes { if let start = $0.baseAddress { append(start, count: $0.count) } }
  }

  @inline(__always)
  func append<T: BitwiseCopyable>(_ value: T) {
    reserve(MemoryLayout<T>.size).storeBytes(of: value, as: T.self)
    count += MemoryLayout<T>.size
  }

  func truncate(to count: Int) {
    precondition(count <= self.count, "a buffer is truncated to less than it holds")
    self.count = count
  }

  func removeAll() { count = 0 }

  func array() -> [UInt8] { Array(bytes) }
}
