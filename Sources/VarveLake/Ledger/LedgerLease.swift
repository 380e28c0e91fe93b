internal import CSystem
internal import Glibc
internal import VarveTables

/// The right to work on one entry of the ledger: a kernel lock that ends with its holder, process death included.
package final class LedgerLease: Sendable {
  private let descriptor: Int32

  private init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Nil while somebody else, here or in another process, holds it.
  static func take(_ storage: Storage, byte: Int64) throws -> LedgerLease? {
    let file = varve_open_beneath(
      storage.descriptor, Layout.ledgerLocks, O_RDWR | O_CREAT | O_CLOEXEC, Storage.fileMode)
    guard file >= 0 else { throw storage.problem("open", Layout.ledgerLocks) }
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    lock.l_whence = Int16(SEEK_SET)
    lock.l_start = off_t(byte)
    lock.l_len = 1
    if fcntl(file, setOpenFileLock, &lock) == 0 { return LedgerLease(file) }
    let code = errno
    close(file)
    guard code == EAGAIN || code == EACCES else {
      errno = code
      throw storage.problem("lock", Layout.ledgerLocks)
    }
    return nil
  }

  /// Whether somebody, here or in another process, holds it.
  static func isHeld(_ storage: Storage, byte: Int64) -> Bool {
    let file = varve_open_beneath(storage.descriptor, Layout.ledgerLocks, O_RDONLY | O_CLOEXEC, 0)
    guard file >= 0 else { return false }
    defer { close(file) }
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    lock.l_whence = Int16(SEEK_SET)
    lock.l_start = off_t(byte)
    lock.l_len = 1
    return fcntl(file, getOpenFileLock, &lock) == 0 && lock.l_type != Int16(F_UNLCK)
  }

  /// F_OFD_GETLK and F_OFD_SETLK, which Swift does not see: the lock belongs to the open file, not to the process.
  private static let getOpenFileLock: Int32 = 36
  private static let setOpenFileLock: Int32 = 37

  /// Who holds a lease, for people to read: only the lock itself is believed.
  static let owner: String = {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    return
      "process \(getpid()) on \(String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))"
  }()

  /// The byte of an ingestion, and that of a target, in the lock file.
  static func byte(ingestion row: Int64) -> Int64 { row }
  static func byte(target row: Int64) -> Int64 { 1 << 40 + row }
}

/// When a failed attempt is made again: after a while that doubles each time, spread by chance so that many do not come
/// back at once.
package struct RetryPolicy: Sendable {
  package var attemptsMax = 8
  package var firstSeconds = 30.0
  package var secondsMax = 3_600.0
  /// No ingestion waits longer.
  static let millisecondsMax: Int64 = 5_400_000

  package init(attemptsMax: Int = 8, firstSeconds: Double = 30, secondsMax: Double = 3_600) {
    self.attemptsMax = attemptsMax
    self.firstSeconds = firstSeconds
    self.secondsMax = secondsMax
  }

  /// Milliseconds since 1970; nil when there have been attempts enough. `chance` lies in 0..<1.
  package func nextTry(attempts: Int, now: Int64, chance: Double) -> Int64? {
    guard attempts < attemptsMax else { return nil }
    var seconds = firstSeconds
    for _ in 1..<max(1, attempts) { seconds = min(seconds * 2, secondsMax) }
    return now + Int64(min(seconds, secondsMax) * (0.5 + chance) * 1_000)
  }
}
