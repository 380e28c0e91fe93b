internal import Glibc
internal import VarveTables

extension DeletionVector {
  /// The rows that it strikes out of a file of so many rows. `file` is for messages.
  func rows(of file: String, rowCount: Int, in storage: Storage) throws -> RowSet {
    func damaged(_ what: String) -> Problem {
      Problem(.damaged, at: [storage.path, file], "its deletion vector \(what)", advice: "run varve verify")
    }
    let bytes: [UInt8]
    switch self.storage {
    case .inline:
      guard let text = Z85.bytes(text), text.count >= byteCount else { throw damaged("is no text of that length") }
      bytes = Array(text.prefix(byteCount))
    case .relative, .absolute:
      bytes = try contents(of: file, in: storage)
    }
    guard let rows = RowBitmap.rows(bytes, rowCount: rowCount) else {
      throw damaged("is no bitmap of the file's rows")
    }
    guard rows.count == self.rowCount else {
      throw damaged("strikes out \(rows.count) rows, and the log says \(self.rowCount)")
    }
    return rows
  }

  /// Where its file lies, below the table's root; nil where it lies in the log.
  func path(in storage: Storage) throws -> String? {
    switch self.storage {
    case .inline: return nil
    case .relative:
      guard let path = relativePath, LogPath.isSafe(path) else {
        throw Problem(.damaged, at: [storage.path], "the deletion vector \(text) has no name of a file")
      }
      return path
    case .absolute:
      let address = text.hasPrefix("file://") ? String(text.dropFirst("file://".utf8.count)) : text
      let root = try storage.absolutePath() + "/"
      guard address.hasPrefix(root), let path = LogPath.decode(String(address.dropFirst(root.utf8.count))) else {
        throw Problem(
          .refused, at: [storage.path], "the deletion vector \(text) lies outside the table",
          advice: "copy the table with the engine that made it")
      }
      return path
    }
  }

  /// A file of vectors: a version, and for each its length, its bytes and their sum (Delta protocol, "Deletion Vector File
  /// Storage Format").
  private static let fileVersion: UInt8 = 1

  private func contents(of file: String, in storage: Storage) throws -> [UInt8] {
    guard let path = try path(in: storage) else { preconditionFailure("only inline vectors have no file") }
    func damaged(_ what: String) -> Problem {
      Problem(.damaged, at: [storage.path, path], what, advice: "run varve verify")
    }
    guard let source = try storage.openToRead(path) else {
      throw damaged("the deletion vectors of \(file) are missing")
    }
    let offset = offset ?? 1
    guard offset >= 1, byteCount <= source.byteCount - offset - 8, source.byteCount > 0 else {
      throw damaged("ends before the deletion vector of \(file)")
    }
    guard try source.read(at: 0, count: 1) == [DeletionVector.fileVersion] else {
      throw damaged("is no file of deletion vectors of version \(DeletionVector.fileVersion)")
    }
    let bytes = try source.read(at: offset, count: byteCount + 8)
    func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }
    let vector = bytes[4..<4 + byteCount]
    guard number(bytes.prefix(4)) == byteCount, number(bytes.suffix(4)) == crc32(vector) else {
      throw damaged("the deletion vector of \(file) is not what was written")
    }
    return Array(vector)
  }
}

extension Storage {
  /// The directory's path from the root of the file system, without links.
  func absolutePath() throws -> String {
    guard let resolved = realpath(path, nil) else { throw storageProblem("find the place of", path) }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
