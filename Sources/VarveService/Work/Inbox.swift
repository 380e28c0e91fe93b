internal import CSystem
internal import Glibc
internal import VarveLake
internal import VarveTables

/// The directories below which callers may name files. A path is resolved below its root and through no link.
struct Inbox: Sendable {
  let roots: [String]

  init(_ roots: [String]) throws {
    self.roots = try roots.map { root in
      guard let resolved = realpath(root, nil) else {
        throw Problem(
          .failed, at: [root], "cannot be an inbox: \(String(cString: strerror(errno)))",
          advice: "name a directory with --allow-root")
      }
      defer { free(resolved) }
      return String(cString: resolved)
    }
  }

  /// A regular file held open: what was checked is what is read.
  final class File: Sendable {
    let descriptor: Int32
    let byteCount: Int

    init(_ descriptor: Int32, _ byteCount: Int) {
      self.descriptor = descriptor
      self.byteCount = byteCount
    }

    deinit { close(descriptor) }

    /// Leads to the file that is open, whatever lies at its path by now.
    var path: String { "/proc/self/fd/\(descriptor)" }

    /// 64 hexadecimal digits.
    func digest() throws -> String {
      let digest = Digest()
      var buffer = [UInt8](repeating: 0, count: 1 << 20)
      var offset = 0
      while true {
        let count = pread(descriptor, &buffer, buffer.count, off_t(offset))
        guard count >= 0 else { throw Refusal(400, "file_path cannot be read: \(String(cString: strerror(errno))).") }
        if count == 0 { return digest.finish() }
        buffer.withUnsafeBytes { digest.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        offset += count
      }
    }
  }

  /// Opens what a caller named: an absolute path, or one relative to a root.
  func open(_ path: String) throws -> File {
    guard !roots.isEmpty else {
      throw Refusal(403, "No directory is open to file_path; start the service with --allow-root.")
    }
    var isOutside = true
    for root in roots {
      guard let relative = relative(path, to: root) else { continue }
      let directory = Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard directory >= 0 else { continue }
      defer { close(directory) }
      // A FIFO must not hang the opening.
      let file = varve_open_beneath(directory, relative, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0)
      guard file >= 0 else {
        if errno != EXDEV && errno != ELOOP { isOutside = false }
        continue
      }
      var status = stat()
      guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
        close(file)
        throw Refusal(403, "file_path is no regular file.")
      }
      return File(file, Int(status.st_size))
    }
    throw isOutside
      ? Refusal(403, "file_path lies outside the directories that are open to it.")
      : Refusal(404, "There is no file at file_path, or it cannot be read.")
  }

  private func relative(_ path: String, to root: String) -> String? {
    guard path.hasPrefix("/") else { return path }
    guard path.hasPrefix(root == "/" ? root : root + "/") else { return nil }
    let rest = path.dropFirst(root.count).drop { $0 == "/" }
    return rest.isEmpty ? nil : String(rest)
  }
}

/// Which URLs callbacks may have.
struct CallbackRule: Sendable {
  let prefixes: [String]

  func check(_ url: String) throws {
    let isPlain =
      !url.contains("/../") && !url.contains("/./") && !url.lowercased().contains("%2e")
      && !url.hasSuffix("/..") && !url.contains("\\") && !url.contains("@")
    guard isPlain, url.hasPrefix("http://") || url.hasPrefix("https://") else {
      throw Refusal.invalid("callback_url", "callback_url must be a plain http or https URL.", type: "url")
    }
    let allowed =
      prefixes.isEmpty ? ["http://127.0.0.1", "http://localhost", "https://127.0.0.1", "https://localhost"] : prefixes
    let isAllowed = allowed.contains { prefix in
      guard url.hasPrefix(prefix) else { return false }
      let next = url.utf8.dropFirst(prefix.utf8.count).first
      // A prefix without a path lets any port through only where none is named.
      let isHost = prefixes.isEmpty && next == UInt8(ascii: ":")
      return prefix.hasSuffix("/") || next == nil || next == UInt8(ascii: "/") || next == UInt8(ascii: "?") || isHost
    }
    guard isAllowed else {
      throw Refusal(403, "callback_url is not among those that --allow-callback allows.")
    }
  }
}
