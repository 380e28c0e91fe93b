import Glibc

/// What shared strings leave in memory when they are many: appended to an unnamed file in `TMPDIR` (else `/tmp`), and
/// read back by blocks, of which a few stay in memory (`SpilledBlocks`).
struct StringSpill: BitwiseCopyable {
  /// Fewer bytes than this stay in memory.
  static let bytesMin = 4 << 20

  fileprivate let descriptor: Int32
  private(set) var count = 0

  /// Nil where no file can be made: then the strings stay in memory.
  init?() {
    let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(directory)/varve-\(String(repeating: "X", count: 6))".utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else { return nil }
    unlink(template)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }

  /// False when the disk is full or fails.
  mutating func append<Element: BitwiseCopyable>(_ elements: UnsafeBufferPointer<Element>) -> Bool {
    let bytes = UnsafeRawBufferPointer(elements)
    var done = 0
    while done < bytes.count {
      let written = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return false }
      done += written
    }
    count += bytes.count
    return true
  }

  func discard() { close(descriptor) }
}

/// A spill being read, in whatever order. Memory: `blocksMax` blocks, whatever the file's size.
///
/// Not a mapping: the system makes resident what lies around each page looked at, so that a workbook's strings would
/// come to lie in memory as far as its rows jump about in them. Whoever makes one frees it with `deallocate()`.
struct SpilledBlocks: BitwiseCopyable {
  private static let blockBytes = 4 << 10

  private let descriptor: Int32
  private let byteCount: Int
  private let memory: UnsafeMutablePointer<UInt8>
  /// The block that each place in memory holds, or -1. A block has one place where it can be.
  private let held: UnsafeMutablePointer<Int>
  private let mask: Int
  /// What reaches over the end of a block, put together.
  private let joined: UnsafeMutablePointer<GrowingBytes>

  /// Takes over the spill's file. `blocksMax`: a power of two.
  init(_ spill: StringSpill, blocksMax: Int) {
    precondition(blocksMax > 0 && blocksMax & (blocksMax - 1) == 0, "places of blocks are found by a mask")
    descriptor = spill.descriptor
    byteCount = spill.count
    memory = .allocate(capacity: blocksMax * Self.blockBytes)
    held = .allocate(capacity: blocksMax)
    held.initialize(repeating: -1, count: blocksMax)
    mask = blocksMax - 1
    joined = .allocate(capacity: 1)
    joined.initialize(to: GrowingBytes())
  }

  func deallocate() {
    close(descriptor)
    memory.deallocate()
    held.deallocate()
    joined.pointee.deallocate()
    joined.deallocate()
  }

  /// Good until the next call; nil when the file cannot be read.
  @inline(__always)
  func bytes(at offset: Int, count: Int) -> UnsafePointer<UInt8>? {
    let block = offset / Self.blockBytes
    let start = offset % Self.blockBytes
    guard start + count <= Self.blockBytes else { return join(offset, count) }
    let place = block & mask
    if held[place] != block, !fetch(block, to: place) { return nil }
    return UnsafePointer(memory + place * Self.blockBytes + start)
  }

  @inline(never)
  private func fetch(_ block: Int, to place: Int) -> Bool {
    held[place] = -1
    let start = block * Self.blockBytes
    guard read(at: start, into: memory + place * Self.blockBytes, min(Self.blockBytes, byteCount - start)) else {
      return false
    }
    held[place] = block
    return true
  }

  @inline(never)
  private func join(_ offset: Int, _ count: Int) -> UnsafePointer<UInt8>? {
    joined.pointee.removeAll()
    joined.pointee.append(repeating: 0, count: count)
    return read(at: offset, into: joined.pointee.start, count) ? UnsafePointer(joined.pointee.start) : nil
  }

  private func read(at offset: Int, into target: UnsafeMutablePointer<UInt8>, _ count: Int) -> Bool {
    var done = 0
    while done < count {
      let read = pread(descriptor, target + done, count - done, off_t(offset + done))
      if read < 0, errno == EINTR { continue }
      guard read > 0 else { return false }
      done += read
    }
    return true
  }
}
