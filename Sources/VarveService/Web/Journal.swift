internal import CSystem
internal import Glibc
internal import Synchronization
internal import Varve
package import VarveJSON
package import VarveLake
internal import VarveTables

/// The service's log: lines of JSON in `debug.jsonl`, `info.jsonl` and `error.jsonl`. Texts are cut; payloads and secrets
/// are never given to it.
package final class Journal: Sendable {
  package enum Level: String, CaseIterable, Sendable { case debug, info, error }

  /// A file that is larger, or of another day (UTC), makes room; so many old ones of a level stay.
  package static let bytesPreset = 16 << 20
  package static let oldFilesMax = 7
  private static let millisecondsPerDay: Int64 = 86_400_000
  private static let textLengthMax = 500

  private struct Log {
    var descriptor: Int32
    var byteCount: Int
    /// Of what was last written, since 1970.
    var day: Int64
  }

  private let directory: String
  private let clock: WallClock
  private let bytesMax: Int
  private let logs: Mutex<[Level: Log]>

  package init(directory: String, _ clock: WallClock, bytesMax: Int = Journal.bytesPreset) throws {
    self.directory = directory
    self.clock = clock
    self.bytesMax = bytesMax
    guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
      throw Problem(.failed, at: [directory], "the logs cannot be made: \(String(cString: strerror(errno)))")
    }
    var logs: [Level: Log] = [:]
    for level in Level.allCases { logs[level] = try Journal.open(Journal.path(directory, level), clock.milliseconds()) }
    self.logs = Mutex(logs)
  }

  deinit { logs.withLock { for log in $0.values { close(log.descriptor) } } }

  package func write(_ level: Level, _ event: String, _ fields: JSONObject = [:]) {
    let now = clock.milliseconds()
    var line: JSONObject = ["time": .string(timeText(now)), "level": .string(level.rawValue), "event": .string(event)]
    for member in fields.members {
      line[member.key] = member.value.string.map { .string(String($0.prefix(Journal.textLengthMax))) } ?? member.value
    }
    var bytes = JSONValue.object(line).bytes()
    bytes.append(UInt8(ascii: "\n"))
    logs.withLock { logs in
      guard var log = logs[level] else { return }
      let day = now / Journal.millisecondsPerDay
      if log.byteCount > 0, log.byteCount + bytes.count > bytesMax || day != log.day {
        // Where it cannot be moved away, the old file goes on.
        if let fresh = rotated(level, now) {
          close(log.descriptor)
          log = fresh
        }
      }
      // A log that cannot be written stops nothing.
      log.day = day
      log.byteCount += max(0, Glibc.write(log.descriptor, bytes, bytes.count))
      logs[level] = log
    }
  }

  private func rotated(_ level: Level, _ now: Int64) -> Log? {
    let path = Journal.path(directory, level)
    for number in stride(from: Journal.oldFilesMax - 1, through: 1, by: -1) {
      rename("\(path).\(number)", "\(path).\(number + 1)")
    }
    rename(path, "\(path).1")
    return try? Journal.open(path, now)
  }

  private static func path(_ directory: String, _ level: Level) -> String { "\(directory)/\(level.rawValue).jsonl" }

  private static func open(_ path: String, _ now: Int64) throws -> Log {
    let file = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else {
      throw Problem(.failed, at: [path], "the log cannot be opened: \(String(cString: strerror(errno)))")
    }
    // A service that is started anew goes on with the file of the same day only.
    let byteCount = max(0, Int(lseek(file, 0, SEEK_END)))
    let time = byteCount == 0 ? now : varve_modified_nanoseconds(file) / 1_000_000
    return Log(descriptor: file, byteCount: byteCount, day: time / Journal.millisecondsPerDay)
  }
}
