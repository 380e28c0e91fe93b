internal import CZstd
internal import Synchronization

/// zstd's working memory, kept for the next page: at most as many contexts as there ever were pages in work at once.
enum ZstdContexts {
  private static let compressing = Mutex<[Context]>([])
  private static let decompressing = Mutex<[Context]>([])

  /// A libzstd context is bound to no thread, only used by one at a time: whoever popped it from the pool.
  private struct Context: @unchecked Sendable {
    var pointer: OpaquePointer
  }

  /// Appends the compressed bytes to `target`.
  static func compress(_ source: UnsafeRawBufferPointer, level: Int, into target: ByteBuffer) {
    let context = compressing.withLock { $0.popLast() } ?? Context(pointer: ZSTD_createCCtx())
    defer { compressing.withLock { $0.append(context) } }
    let bound = ZSTD_compressBound(source.count)
    let written = ZSTD_compressCCtx(
      context.pointer, target.reserve(bound), bound, source.baseAddress, source.count, Int32(clamping: level))
    precondition(ZSTD_isError(written) == 0, "zstd refused to compress into a buffer of the size that it asked for")
    target.advance(written)
  }

  /// Fills `target`, or says why it cannot.
  static func decompress(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) throws(Damage) {
    let context = decompressing.withLock { $0.popLast() } ?? Context(pointer: ZSTD_createDCtx())
    defer { decompressing.withLock { $0.append(context) } }
    let written = ZSTD_decompressDCtx(
      context.pointer, target.baseAddress, target.count, source.baseAddress, source.count)
    guard ZSTD_isError(written) == 0 else {
      throw Damage("zstd cannot decompress a page (\(String(cString: ZSTD_getErrorName(written))))")
    }
    guard written == target.count else {
      throw Damage("a page holds \(written) bytes, not \(target.count) as declared")
    }
  }
}
