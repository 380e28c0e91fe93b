internal import Glibc
internal import VarveFeeds
internal import VarveLake
internal import VarveTables

/// Feeds that are ingested one by one, in order: those of directories and patterns.
public struct FolderRequest: Sendable {
  /// Directories (their own files, not those of directories in them), patterns with `*`, `?` and `[…]`, and files.
  public var paths: [String]
  /// How each file is ingested; its first feed says how a file is read.
  public var request: IngestRequest
  /// Whether files after one that failed are taken. Nil: in append and insert, where the order of feeds means little.
  public var keepsGoing: Bool?

  /// The files of directories or patterns, each ingested as the request says.
  public init(_ paths: [String], each request: IngestRequest) {
    self.paths = paths
    self.request = request
  }

  /// Whether a path names more than one file: a directory, or a pattern that is no file's name.
  public static func isMany(_ path: String) -> Bool {
    var status = stat()
    if stat(path, &status) == 0 { return status.st_mode & S_IFMT == S_IFDIR }
    return path.utf8.contains { $0 == 0x2A || $0 == 0x3F || $0 == 0x5B }
  }
}

/// What became of one file of a folder.
public struct FolderEntry: Sendable {
  /// Where the file lies.
  public var path: String
  /// Nil where it failed.
  public var report: IngestReport?
  /// What went wrong; nil where nothing did.
  public var problem: Problem?
}

extension Warehouse {
  /// Ingests every file of a folder, each as one version, in the order of their names.
  ///
  /// A file whose content was ingested from there before is passed over as unchanged, in `overwrite` too; `reingest` takes
  /// it again. `onFile` is told of each file as it ends.
  public func ingest(
    _ folder: FolderRequest, onEvent: @escaping (Event) -> Void = { _ in }, onFile: (FolderEntry) -> Void = { _ in }
  ) throws -> [FolderEntry] {
    let files = try FeedFolder(folder).files()
    guard !files.isEmpty else {
      throw Problem(
        .failed, at: folder.paths, "there is no regular file to ingest",
        advice: "hidden files and those that end in .tmp or .part are passed over")
    }
    var entries: [FolderEntry] = []
    for file in files {
      let request = folder.request(for: file.path)
      var entry = FolderEntry(path: file.path)
      do {
        try file.checkName()
        entry.report = try done(request) ?? ingest(request, onEvent: onEvent)
      } catch let problem as Problem where problem.kind != .interrupted && problem.kind != .usage {
        entry.problem = problem
      }
      entries.append(entry)
      onFile(entry)
      if entry.problem != nil, try !keepsGoing(folder) { break }
    }
    return entries
  }

  /// Looks again and again for new and changed files, ingests those that are complete, and runs the retries that are due;
  /// returns when it is interrupted.
  ///
  /// A file is complete when two looks in a row find it the same. One that failed waits for its retries; where order
  /// matters, those after it wait with it, until it is done or a dead letter. A folder that is not there at first is an
  /// error.
  public func watch(
    _ folder: FolderRequest, everySeconds: Double, onEvent: @escaping (Event) -> Void = { _ in },
    onFile: (FolderEntry) -> Void = { _ in }, onRetry: (RetryReport) -> Void = { _ in }
  ) throws {
    for path in folder.paths where !FolderRequest.isMany(path) { _ = try SourceFile.Identity(path: path) }
    var before: [String: FeedFolder.File] = [:]
    var settled: [String: FeedFolder.File] = [:]
    do {
      while !surroundings.isInterrupted() {
        let files = try FeedFolder(folder).files()
        for file in files where before[file.path] == file && settled[file.path] != file {
          let request = folder.request(for: file.path)
          if let record = noted(request), record.state == .failed || record.state == .dead {
            if record.state == .dead { settled[file.path] = file }
          } else {
            var entry = FolderEntry(path: file.path)
            do {
              try file.checkName()
              let attempt = Attempt(self, request, isAlwaysNoted: true, onEvent: onEvent)
              entry.report = try done(request) ?? ingest(request, attempt, onEvent: onEvent)
            } catch let problem as Problem where problem.kind != .interrupted && problem.kind != .usage {
              entry.problem = problem
            }
            onFile(entry)
            // Where there is no ledger to tell when it is due, it waits until it changes.
            if entry.problem == nil || noted(request) == nil { settled[file.path] = file }
          }
          if try settled[file.path] != file && !keepsGoing(folder) { break }
        }
        before = Dictionary(uniqueKeysWithValues: files.map { ($0.path, $0) })
        settled = settled.filter { before[$0.key] == $0.value }
        do {
          for report in try retry(onEvent: onEvent) { onRetry(report) }
        } catch let problem as Problem where problem.kind != .interrupted {
          onEvent(.remark("the retries that are due were not run: \(problem)"))
        }
        pause(everySeconds)
      }
    } catch let problem as Problem where problem.kind == .interrupted {
      return
    }
  }

  private func pause(_ seconds: Double) {
    var left = seconds
    while left > 0, !surroundings.isInterrupted() {
      usleep(UInt32(min(left, 0.05) * 1_000_000))
      left -= 0.05
    }
  }

  private func keepsGoing(_ folder: FolderRequest) throws -> Bool {
    if let chosen = folder.keepsGoing { return chosen }
    let table = try lake()?.table(folder.request.table)
    let remembered = try table?.snapshot(at: .head).metadata[.mode].flatMap(IngestMode.init(rawValue:))
    let mode = folder.request.mode ?? remembered ?? .append
    return mode == .append || mode == .insert
  }

  /// What the ledger knows of this very content under this path.
  private func noted(_ request: IngestRequest) -> IngestionRecord? {
    guard let lake = try? lake(), let ledger = try? Ledger.openToRead(lake.storage),
      let record = try? ledger.ingestion(request.record(sources: []).id), let source = record.sources.first,
      record.sources.count == 1, !source.sha256.isEmpty, let file = try? SourceFile(path: request.feeds[0].path),
      file.byteCount == source.byteCount
    else { return nil }
    file.startDigest()
    guard let digest = try? file.digest(), digest == source.sha256 else { return nil }
    return record
  }

  /// The report on a file whose content was ingested from there, and is in the table by its log.
  private func done(_ request: IngestRequest) throws -> IngestReport? {
    guard !request.reingest, !request.dryRun, let record = noted(request), record.state == .done,
      let source = record.sources.first,
      let found = try lake()?.table(request.table)?.ingested(
        FeedSource(
          name: source.name, sha256: source.sha256, byteCount: source.byteCount, selector: source.selector,
          schemaVersion: request.schemaVersion))
    else { return nil }
    return IngestReport(
      table: request.table, version: Int(found.version), outcome: .unchanged, rows: IngestReport.Rows(),
      ingestionID: found.bookkeeping?.ingestion ?? record.id,
      remarks: ["already in version \(found.version); `--reingest` applies it again"], plan: [])
  }
}

extension FolderRequest {
  fileprivate func request(for path: String) -> IngestRequest {
    var request = request
    var feed = request.feeds.first ?? FeedRequest(path: path)
    feed.path = path
    request.feeds = [feed]
    return request
  }
}

/// The files that a folder request means, as they are now.
struct FeedFolder {
  struct File: Equatable {
    var path: String
    var byteCount: Int
    var modifiedSeconds: Int
    var modifiedNanoseconds: Int
    var inode: UInt
    var isNamedInUTF8: Bool

    func checkName() throws {
      if !isNamedInUTF8 { throw SourceFile.notUTF8(path) }
    }
  }

  private let paths: [String]

  init(_ request: FolderRequest) { paths = request.paths }

  /// Regular files, those of each path in the order of their names.
  func files() throws -> [File] {
    var found: [File] = []
    var seen = Set<[UInt8]>()
    for path in paths {
      let candidates = try expand(path).sorted { $0.lexicographicallyPrecedes($1) }
      for candidate in candidates where seen.insert(candidate).inserted {
        if let file = file(candidate) { found.append(file) }
      }
    }
    return found
  }

  /// Paths as the file system has them, which need not be UTF-8.
  private func expand(_ path: String) throws -> [[UInt8]] {
    guard FolderRequest.isMany(path) else { return [Array(path.utf8)] }
    if let names = try names(in: path) {
      let directory = Array((path.hasSuffix("/") ? path : path + "/").utf8)
      return names.filter(isFeed).map { directory + $0 }
    }
    var matches = glob_t()
    defer { globfree(&matches) }
    guard glob(path, 0, nil, &matches) == 0 else { return [] }
    return (0..<Int(matches.gl_pathc)).compactMap { matches.gl_pathv[$0].map { bytes(of: $0) } }
      .filter { isFeed($0.split(separator: UInt8(ascii: "/")).last ?? []) }
  }

  /// Nil where the path is no directory.
  private func names(in path: String) throws -> [[UInt8]]? {
    guard let directory = opendir(path) else {
      guard errno == ENOTDIR || errno == ENOENT else {
        throw Problem(.failed, at: [path], "cannot be listed (\(String(cString: strerror(errno))))")
      }
      return nil
    }
    defer { closedir(directory) }
    var names: [[UInt8]] = []
    while let entry = readdir(directory) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { bytes(of: $0) }
        })
    }
    return names
  }

  private func bytes(of text: UnsafePointer<CChar>) -> [UInt8] {
    UnsafeBufferPointer(start: text, count: strlen(text)).map(UInt8.init(bitPattern:))
  }

  /// Not hidden, no lock file of an office program, and not still being written under another name.
  private func isFeed(_ name: some Collection<UInt8>) -> Bool {
    let name = String(decoding: name, as: UTF8.self)
    return !name.hasPrefix(".") && !name.hasPrefix("~$") && ![".tmp", ".part"].contains { name.hasSuffix($0) }
  }

  private func file(_ path: [UInt8]) -> File? {
    var status = stat()
    guard (path + [0]).withUnsafeBytes({ stat($0.baseAddress!.assumingMemoryBound(to: CChar.self), &status) }) == 0,
      status.st_mode & S_IFMT == S_IFREG
    else { return nil }
    let text = String(validating: path, as: UTF8.self)
    return File(
      path: text ?? escaped(path), byteCount: Int(status.st_size), modifiedSeconds: status.st_mtim.tv_sec,
      modifiedNanoseconds: status.st_mtim.tv_nsec, inode: UInt(status.st_ino), isNamedInUTF8: text != nil)
  }

  /// Each byte beyond ASCII as in `$'Gr\xf6\xdfe.csv'`, which a shell takes for the name.
  private func escaped(_ path: [UInt8]) -> String {
    path.map { $0 < 0x80 ? String(UnicodeScalar($0)) : "\\x" + String($0, radix: 16) }.joined()
  }
}
