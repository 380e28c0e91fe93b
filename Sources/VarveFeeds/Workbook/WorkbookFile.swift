import Glibc
import VarveTables

/// The workbook as a file: one descriptor, opened and looked at once, through which everything is read.
package final class WorkbookFile {
  /// The last path component, for messages and origins.
  package let name: String
  let descriptor: Int32
  let size: Int
  private let closesDescriptor: Bool
  /// Bytes read so far, some of them more than once.
  var bytesFetched = 0

  /// Opens a regular file and looks at its first bytes.
  ///
  /// - Throws: `failed` when there is no such file, it cannot be read, or it is plainly no workbook.
  package convenience init(path: String, name: String? = nil) throws {
    // Without O_NONBLOCK a FIFO would wait for its writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else {
      throw Problem(.failed, at: [path], errno == ENOENT ? "no such file" : String(cString: strerror(errno)))
    }
    try self.init(descriptor: descriptor, path: name ?? path, closesDescriptor: true)
  }

  /// Reads an open file, whatever the descriptor's own offset is, which stays as it is.
  package convenience init(descriptor: Int32, path: String) throws {
    try self.init(descriptor: descriptor, path: path, closesDescriptor: false)
  }

  private init(descriptor: Int32, path: String, closesDescriptor: Bool) throws {
    self.descriptor = descriptor
    self.closesDescriptor = closesDescriptor
    name = path.split(separator: "/").last.map(String.init) ?? path
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw Problem(.failed, at: [path], String(cString: strerror(errno)))
    }
    size = Int(status.st_size)
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw Problem(.failed, at: [path], "is a directory, not a workbook")
    default: throw Problem(.failed, at: [path], "is no regular file")
    }
    guard size > 0 else { throw Problem(.failed, at: [path], "the file is empty") }
    try refuseOtherFormats()
  }

  deinit { if closesDescriptor { close(descriptor) } }

  /// Fills `buffer` from `offset` on; less than asked for only at the end of the file.
  func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var filled = 0
    while filled < buffer.count {
      let count = pread(descriptor, buffer.baseAddress! + filled, buffer.count - filled, off_t(offset + filled))
      if count < 0 {
        if errno == EINTR { continue }
        throw Problem(.failed, at: [name], "cannot be read: \(String(cString: strerror(errno)))")
      }
      if count == 0 { break }
      filled += count
    }
    bytesFetched += filled
    return filled
  }

  func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = try read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
    }
  }

  /// A sentence for each kind of file that people take for a workbook.
  private func refuseOtherFormats() throws {
    let head = try bytes(at: 0, count: 8)
    if head.starts(with: [0x50, 0x4B, 0x03, 0x04]) { return }
    if head.starts(with: [0x50, 0x4B, 0x05, 0x06]) { throw Problem(.failed, at: [name], "the zip archive is empty") }
    guard head.starts(with: [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) else {
      throw Problem(
        .failed, at: [name], "is no workbook: it does not begin as a zip archive does",
        advice: "save it as an Excel workbook (.xlsx), or name its format with --format")
    }
    if try !mentions("EncryptedPackage"), try mentions("Workbook") || mentions("Book") {
      throw Problem(
        .failed, at: [name], "is a workbook of the old binary format (.xls)",
        advice: "save it as an Excel workbook (.xlsx)")
    }
    throw Problem(
      .failed, at: [name], "is an encrypted workbook", advice: "remove the password in the program that set it")
  }

  /// Whether an OLE container has a stream of that name: its directory lies near the beginning or the end.
  private func mentions(_ stream: String) throws -> Bool {
    let name = stream.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
    let window = 1 << 20
    for start in Set([0, max(0, size - window)]) {
      let bytes = try bytes(at: start, count: window)
      if bytes.count >= name.count,
        (0...(bytes.count - name.count)).contains(where: {
          bytes[$0] == name[0] && bytes[$0..<($0 + name.count)].elementsEqual(name)
        })
      {
        return true
      }
    }
    return false
  }
}
