import CArchive
import Glibc
import VarveTables

/// The parts of a workbook: the regular files of its zip archive, read through libarchive, never extracted.
///
/// Only a seekable zip without filters is understood, and in it only stored and deflated parts. Names are compared as
/// package part names are (Open Packaging Conventions, 6.2.2): without regard to ASCII case, and percent-decoded. A
/// backslash counts as a slash.
final class ZipParts {
  let file: WorkbookFile
  let limits: WorkbookLimits
  /// The place in the archive of each part, by its normalized name.
  private var places: [String: Int] = [:]
  private var handle: ZipHandle
  /// Entries passed over or opened, in all passes over the archive.
  private var entriesPassed = 0
  /// Bytes inflated from all parts so far.
  fileprivate var bytesInflated = 0

  init(_ file: WorkbookFile, limits: WorkbookLimits) throws {
    self.file = file
    self.limits = limits
    handle = try ZipHandle(file)
    while let entry = try handle.nextEntry() {
      guard handle.entriesPassed <= limits.partsMax else {
        throw Problem(.failed, at: [file.name], "has more than \(limits.partsMax) parts")
      }
      guard let entry = entry.name else {
        throw Problem(.failed, at: [file.name], "part \(handle.entriesPassed) has no readable name")
      }
      switch handle.entryType {
      case .folder: continue
      case .other: throw Problem(.failed, at: [file.name, "part \(entry)"], "is a link or a device, not a file")
      case .file: break
      }
      if entry.hasSuffix("/") { continue }
      guard places.updateValue(handle.entriesPassed, forKey: Self.normalized(entry)) == nil else {
        throw Problem(.failed, at: [file.name], "has the part \(entry) twice", advice: "save it anew")
      }
    }
    guard !places.isEmpty else { throw Problem(.failed, at: [file.name], "the zip archive is empty") }
  }

  func contains(_ name: String) -> Bool { places[Self.normalized(name)] != nil }

  /// Begins to read the part of that name. The part opened before, if any, ends.
  func open(_ name: String) throws -> ZipPart {
    guard let place = places[Self.normalized(name)] else {
      throw Problem(.failed, at: [file.name], "lacks the part \(name), which it refers to", advice: "save it anew")
    }
    if handle.entriesPassed >= place { handle = try ZipHandle(file) }
    var bytesFetched = file.bytesFetched
    while handle.entriesPassed < place {
      bytesFetched = file.bytesFetched
      entriesPassed += 1
      guard entriesPassed <= limits.entriesPassedMax else {
        throw Problem(
          .failed, at: [file.name], "keeps its many sheets in an order that takes too long to find them in",
          advice: "save it anew")
      }
      guard try handle.nextEntry() != nil else {
        throw Problem(.failed, at: [file.name], "changed while it was read")
      }
    }
    guard !handle.isEncrypted else {
      throw Problem(.failed, at: [file.name], "is an encrypted zip archive", advice: "remove the password")
    }
    let method = handle.method
    guard method == "uncompressed" || method == "deflation" else {
      throw Problem(
        .failed, at: [file.name, "part \(name)"],
        "is compressed by \(method), but workbooks are stored or deflated", advice: "save it anew")
    }
    return ZipPart(self, handle, name: name, bytesFetchedBefore: bytesFetched)
  }

  /// The whole of a small part.
  func bytes(_ name: String) throws -> [UInt8] {
    let part = try open(name)
    var bytes: [UInt8] = []
    while let block = try part.next() {
      bytes.append(contentsOf: block)
      guard bytes.count <= limits.descriptionBytesMax else {
        throw Problem(.failed, at: [file.name, "part \(name)"], "is larger than \(limits.descriptionBytesMax) bytes")
      }
    }
    return bytes
  }

  private static func normalized(_ name: String) -> String {
    var bytes: [UInt8] = []
    var rest = Array(name.utf8)[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): bytes.append(byte | 0x20)
      case UInt8(ascii: "\\"): bytes.append(UInt8(ascii: "/"))
      case UInt8(ascii: "%"):
        if rest.count >= 2, let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
          bytes.append(code)
          rest = rest.dropFirst(2)
        } else {
          bytes.append(byte)
        }
      default: bytes.append(byte)
      }
    }
    return String(decoding: bytes.drop { $0 == UInt8(ascii: "/") }, as: UTF8.self)
  }
}

/// One part being inflated.
final class ZipPart {
  let name: String
  private let parts: ZipParts
  private let handle: ZipHandle
  private let bytesFetchedBefore: Int
  private(set) var bytesInflated = 0

  fileprivate init(_ parts: ZipParts, _ handle: ZipHandle, name: String, bytesFetchedBefore: Int) {
    self.parts = parts
    self.handle = handle
    self.name = name
    self.bytesFetchedBefore = bytesFetchedBefore
  }

  /// The next bytes, valid until the next call, or nil at the end, when size and checksum were found right.
  func next() throws -> UnsafeRawBufferPointer? {
    guard let block = try handle.nextBlock(part: name) else { return nil }
    bytesInflated += block.count
    parts.bytesInflated += block.count
    let limits = parts.limits
    guard bytesInflated <= limits.partBytesMax, parts.bytesInflated <= limits.workbookBytesMax else {
      throw refusal("inflates to more than \(min(limits.partBytesMax, limits.workbookBytesMax)) bytes")
    }
    // Up to a block of this part may have been fetched with what lies before it.
    let bytesFetched = parts.file.bytesFetched - bytesFetchedBefore + ZipHandle.blockBytes
    if bytesInflated > limits.inflationFreeBytes, bytesInflated / limits.inflationMax > bytesFetched {
      throw refusal("inflates to more than \(limits.inflationMax) times its size")
    }
    return block
  }

  private func refusal(_ what: String) -> Problem {
    Problem(.failed, at: [parts.file.name, "part \(name)"], what, advice: "this is how a zip bomb looks")
  }
}

/// One pass over the archive, first entry to last.
private final class ZipHandle {
  static let blockBytes = 64 << 10
  private static let headerBytes = 1 << 10

  private let archive: OpaquePointer
  private let source: UnsafeMutablePointer<Source>
  private let fileName: String
  private var entry: OpaquePointer?
  private(set) var entriesPassed = 0

  /// What libarchive's callbacks read from.
  struct Source {
    unowned(unsafe) let file: WorkbookFile
    let block: UnsafeMutableRawBufferPointer
    var position = 0
    /// Little is read after a seek, which most often is for one entry's header alone.
    var bytesWanted = ZipHandle.headerBytes
    var problem: Problem?
  }

  /// Keeps the file of `source` alive.
  private let file: WorkbookFile

  init(_ file: WorkbookFile) throws {
    self.file = file
    fileName = file.name
    archive = archive_read_new()
    source = .allocate(capacity: 1)
    source.initialize(to: Source(file: file, block: .allocate(byteCount: Self.blockBytes, alignment: 16)))
    archive_read_support_format_zip_seekable(archive)
    archive_read_set_callback_data(archive, source)
    archive_read_set_read_callback(archive) { _, data, block in
      let source = data!.assumingMemoryBound(to: Source.self)
      do {
        let wanted = UnsafeMutableRawBufferPointer(rebasing: source.pointee.block[..<source.pointee.bytesWanted])
        let count = try source.pointee.file.read(at: source.pointee.position, into: wanted)
        source.pointee.bytesWanted = min(source.pointee.bytesWanted * 8, ZipHandle.blockBytes)
        block!.pointee = UnsafeRawPointer(source.pointee.block.baseAddress!)
        source.pointee.position += count
        return count
      } catch {
        source.pointee.problem = error as? Problem
        return -1
      }
    }
    archive_read_set_seek_callback(archive) { _, data, offset, whence in
      let source = data!.assumingMemoryBound(to: Source.self)
      let base =
        switch whence {
        case SEEK_CUR: source.pointee.position
        case SEEK_END: source.pointee.file.size
        default: 0
        }
      let position = base + Int(offset)
      guard position >= 0 else { return Int64(ARCHIVE_FATAL) }
      source.pointee.position = position
      source.pointee.bytesWanted = ZipHandle.headerBytes
      return Int64(position)
    }
    guard withUTF8Names({ archive_read_open1(archive) }) == ARCHIVE_OK else {
      throw source.pointee.problem
        ?? Problem(
          .failed, at: [fileName],
          "is cut off or damaged: a zip archive ends with a directory of its parts, this does not",
          advice: "fetch it again")
    }
  }

  deinit {
    archive_read_free(archive)
    source.pointee.block.deallocate()
    source.deinitialize(count: 1)
    source.deallocate()
  }

  enum EntryType { case file, folder, other }

  var entryType: EntryType {
    switch archive_entry_filetype(entry) & Glibc.S_IFMT {
    case Glibc.S_IFREG: .file
    case Glibc.S_IFDIR: .folder
    default: .other
    }
  }

  var isEncrypted: Bool { archive_entry_is_encrypted(entry) != 0 }

  /// How libarchive names the entry's compression: `deflation` in `ZIP 2.0 (deflation)`.
  var method: String {
    let format = String(cString: archive_format_name(archive))
    guard let open = format.lastIndex(of: "("), format.hasSuffix(")") else { return format }
    return String(format[format.index(after: open)...].dropLast())
  }

  /// Goes to the next entry; its name is nil when it is no text.
  func nextEntry() throws -> (name: String?, Void)? {
    var next: OpaquePointer?
    let result = withUTF8Names { archive_read_next_header(archive, &next) }
    if result == ARCHIVE_EOF { return nil }
    guard result == ARCHIVE_OK else { throw failure(at: [fileName]) }
    entry = next
    entriesPassed += 1
    let name = withUTF8Names { archive_entry_pathname(next).flatMap { String(validatingCString: $0) } }
    return (name, ())
  }

  func nextBlock(part: String) throws -> UnsafeRawBufferPointer? {
    var start: UnsafeRawPointer?
    var count = 0
    var offset: la_int64_t = 0
    while true {
      // A wrong checksum or size is only a warning to libarchive, after the data was handed out.
      switch archive_read_data_block(archive, &start, &count, &offset) {
      case ARCHIVE_OK where count > 0: return UnsafeRawBufferPointer(start: start, count: count)
      case ARCHIVE_OK: continue
      case ARCHIVE_EOF: return nil
      default: throw failure(at: [fileName, "part \(part)"])
      }
    }
  }

  private func failure(at place: [String]) -> Problem {
    if let problem = source.pointee.problem { return problem }
    let message = archive_error_string(archive).map { String(cString: $0) } ?? "unreadable"
    return Problem(.failed, at: place, "the zip archive is damaged (\(message))", advice: "fetch it again")
  }
}

/// Runs `body` with the thread in a UTF-8 locale: in the C locale libarchive has no name for an entry beyond ASCII.
private func withUTF8Names<Result>(_ body: () -> Result) -> Result {
  let before = uselocale(utf8Locale)
  defer { uselocale(before) }
  return body()
}

/// Made once, never freed. Nil, which leaves the thread's locale as it is, where the system has no C.UTF-8.
private nonisolated(unsafe) let utf8Locale: locale_t? = newlocale(1 << LC_CTYPE, "C.UTF-8", nil)
