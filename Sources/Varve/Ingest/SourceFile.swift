internal import CSystem
internal import Dispatch
internal import Glibc
internal import Synchronization
internal import VarveLake
internal import VarveTables

/// The file of a feed, held open: what it was when the ingestion began, and its SHA-256, computed beside the decoding.
final class SourceFile: Sendable {
  let path: String
  /// The last path component.
  let name: String
  let byteCount: Int
  private let source: FileByteSource
  private let identity: Identity
  private let result = Mutex<Result<String, any Error>?>(nil)
  private let isCancelled = Mutex(false)
  private let done = DispatchGroup()

  struct Identity: Equatable {
    private var device: UInt
    private var inode: UInt
    private var byteCount: Int
    private var modifiedNanoseconds: Int64

    init(path: String) throws {
      var status = stat()
      guard stat(path, &status) == 0 else {
        // What a process is given in place of bytes that are no UTF-8.
        if errno == ENOENT, path.unicodeScalars.contains("\u{FFFD}") { throw SourceFile.notUTF8(path) }
        let reason = errno == ENOENT ? "there is no such file" : "cannot be read (\(String(cString: strerror(errno))))"
        throw Problem(.failed, at: [path], reason, advice: "check the path")
      }
      device = UInt(status.st_dev)
      inode = UInt(status.st_ino)
      byteCount = Int(status.st_size)
      modifiedNanoseconds = varve_status_modified_nanoseconds(&status)
    }
  }

  static func notUTF8(_ path: String) -> Problem {
    Problem(.failed, at: [path], "the name is not UTF-8, and cannot be kept", advice: "rename it")
  }

  static func name(ofPath path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

  init(path: String, name: String? = nil) throws {
    self.path = path
    self.name = name ?? SourceFile.name(ofPath: path)
    identity = try Identity(path: path)
    source = try FileByteSource(path: path)
    byteCount = source.byteCount
  }

  /// Begins to compute the digest on another thread.
  func startDigest() {
    DispatchQueue(label: "varve.source").async(group: done) { [self] in
      let computed = Result { () throws -> String in
        let digest = Digest()
        var offset = 0
        while offset < byteCount, !isCancelled.withLock({ $0 }) {
          let piece = try source.read(at: offset, count: min(1 << 20, byteCount - offset))
          digest.update(piece)
          offset += piece.count
        }
        return digest.finish()
      }
      result.withLock { $0 = computed }
    }
  }

  /// The digest if it is there yet.
  func digestIfDone() throws -> String? { try result.withLock { try $0?.get() } }

  /// The digest, waited for.
  func digest() throws -> String {
    done.wait()
    guard let digest = try digestIfDone() else { preconditionFailure("the digest is started before it is asked for") }
    return digest
  }

  func cancel() { isCancelled.withLock { $0 = true } }

  /// Refuses a file that changed while it was read: what was decoded would not be what was digested.
  func checkUnchanged() throws {
    guard try Identity(path: path) == identity else {
      throw Problem(
        .failed, at: [path], "the file changed while it was read", advice: "ingest it again when it is complete")
    }
  }
}
