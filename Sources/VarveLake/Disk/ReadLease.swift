internal import CSystem
internal import Glibc
internal import VarveTables

/// A reader's hold on a version: as long as it lives, in this process, a vacuum leaves the version as it is.
///
/// It is a shared kernel lock on one byte of `_varve/lock`, the one whose number is the version's. Nothing is written
/// for it, it works on read-only media, ends with its process, and concerns nobody but a vacuum, which locks the bytes
/// of the versions that it takes. (The writers' turn is a lock of another kind on the same file.)
package final class ReadLease: Sendable {
  private let descriptor: Int32

  private init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Waits while a vacuum is taking that version. Nil where there is nothing to lock: no Varve ever wrote to the table,
  /// or its file system has no such locks.
  package static func take(_ version: Int64, in storage: Storage) -> ReadLease? {
    take(version...version, in: storage)
  }

  /// As above, on each version of a range.
  package static func take(_ versions: ClosedRange<Int64>, in storage: Storage) -> ReadLease? {
    let file = varve_open_beneath(storage.descriptor, Layout.lock, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
    guard file >= 0 else { return nil }
    while !OpenFileLock.set(file, versions, F_RDLCK, waits: true) {
      guard errno == EINTR else {
        close(file)
        return nil
      }
    }
    return ReadLease(file)
  }
}

extension Table {
  /// A version, held. One that was replaced and vacuumed between the look and the hold is looked for again.
  package func held(at selector: Selector) throws -> (snapshot: Snapshot, lease: ReadLease?) {
    var snapshot = try snapshot(at: selector)
    while true {
      do {
        return (snapshot, try snapshot.lease())
      } catch {
        let next = try self.snapshot(at: selector)
        guard next.version != snapshot.version else { throw error }
        snapshot = next
      }
    }
  }
}

/// The versions that a vacuum takes, each locked so that nobody begins to read it.
final class VacuumLease {
  private let descriptor: Int32
  private var versions = Set<Int64>()

  /// Of a table whose lock is held.
  init(_ storage: Storage) throws {
    descriptor = varve_open_beneath(storage.descriptor, Layout.lock, O_RDWR | O_CLOEXEC | O_NONBLOCK, 0)
    guard descriptor >= 0 else { throw storage.problem("open", Layout.lock) }
  }

  deinit { close(descriptor) }

  /// False while somebody reads it.
  func take(_ version: Int64) throws -> Bool {
    if versions.contains(version) { return true }
    guard OpenFileLock.set(descriptor, version...version, F_WRLCK, waits: false) else {
      guard errno == EAGAIN || errno == EACCES else { throw storageProblem("lock", Layout.lock) }
      return false
    }
    versions.insert(version)
    return true
  }

  func release(_ version: Int64) {
    if versions.remove(version) != nil { _ = OpenFileLock.set(descriptor, version...version, F_UNLCK, waits: false) }
  }

  /// Whether somebody reads the version, without locking anything.
  static func isRead(_ version: Int64, in storage: Storage) -> Bool {
    let file = varve_open_beneath(storage.descriptor, Layout.lock, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
    guard file >= 0 else { return false }
    defer { close(file) }
    return OpenFileLock.isTaken(file, version...version)
  }
}

/// Locks on single bytes that belong to the open file, not to the process (fcntl(2), "Open file description locks").
private enum OpenFileLock {
  // Swift does not see these.
  private static let look: Int32 = 36
  private static let set: Int32 = 37
  private static let setAndWait: Int32 = 38

  private static func lock(_ bytes: ClosedRange<Int64>, _ type: Int32) -> flock {
    var lock = flock()
    lock.l_type = Int16(type)
    lock.l_whence = Int16(SEEK_SET)
    lock.l_start = off_t(bytes.lowerBound)
    lock.l_len = off_t(bytes.count)
    return lock
  }

  static func set(_ file: Int32, _ bytes: ClosedRange<Int64>, _ type: Int32, waits: Bool) -> Bool {
    var lock = lock(bytes, type)
    return fcntl(file, waits ? setAndWait : set, &lock) == 0
  }

  static func isTaken(_ file: Int32, _ bytes: ClosedRange<Int64>) -> Bool {
    var lock = lock(bytes, F_WRLCK)
    return fcntl(file, look, &lock) == 0 && lock.l_type != Int16(F_UNLCK)
  }
}
