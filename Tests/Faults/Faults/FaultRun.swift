import Foundation

/// A program run once under `fault.c`: watched, stopped or disturbed at one of its storage calls.
package struct FaultRun: Sendable {
  /// Calls on paths below this directory count, and no others. Numbers are from 1.
  package var under: String
  package var killAt: Int?
  /// At this call half of the bytes are written, and then the program is killed; another call is as without fault.
  package var tearAt: Int?
  package var errorAt: Int?
  /// A name of fault.c's table: `EIO`, `ENOSPC`, …
  package var error: String
  /// Whether every later call fails too.
  package var errorStays: Bool

  package init(
    under: String, killAt: Int? = nil, tearAt: Int? = nil, errorAt: Int? = nil, error: String = "EIO",
    errorStays: Bool = false
  ) {
    self.under = under
    self.killAt = killAt
    self.tearAt = tearAt
    self.errorAt = errorAt
    self.error = error
    self.errorStays = errorStays
  }

  package struct Outcome: Sendable {
    /// Nil where the program was killed.
    package var exitCode: Int32?
    package var output: String
    package var errors: String
    package var calls: [StorageCall]
  }

  /// Runs the program to its end.
  package func run(_ executable: String, _ arguments: [String]) throws -> Outcome {
    let shim = try FaultRun.shim.get()
    let log = NSTemporaryDirectory() + "fault-\(UUID().uuidString).log"
    defer { try? FileManager.default.removeItem(atPath: log) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    var environment = ProcessInfo.processInfo.environment
    environment["LD_PRELOAD"] = shim
    environment["SWIFT_BACKTRACE"] = "enable=no"
    environment["VARVE_FAULT_UNDER"] = under
    environment["VARVE_FAULT_LOG"] = log
    environment["VARVE_FAULT_KILL_AT"] = killAt.map(String.init)
    environment["VARVE_FAULT_TEAR_AT"] = tearAt.map(String.init)
    environment["VARVE_FAULT_ERROR_AT"] = errorAt.map(String.init)
    environment["VARVE_FAULT_ERROR"] = error
    environment["VARVE_FAULT_ERROR_STAYS"] = errorStays ? "1" : nil
    process.environment = environment
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    process.standardInput = FileHandle.nullDevice
    try process.run()
    // Both are small: neither fills its pipe before the other is read.
    let printed = output.fileHandleForReading.readDataToEndOfFile()
    let complained = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let calls = (try? String(contentsOfFile: log, encoding: .utf8))?.split(separator: "\n").map(StorageCall.init) ?? []
    return Outcome(
      exitCode: process.terminationReason == .exit ? process.terminationStatus : nil,
      output: String(decoding: printed, as: UTF8.self), errors: String(decoding: complained, as: UTF8.self),
      calls: calls)
  }

  /// fault.c, compiled once per test run.
  private static let shim: Result<String, any Error> = Result {
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("fault.c").path
    let library = NSTemporaryDirectory() + "varve-fault-\(ProcessInfo.processInfo.processIdentifier).so"
    let compile = ["cc", "clang", "gcc"].map { "\($0) -shared -fPIC -O1 -o \"$0\" \"$1\" -ldl" }
    let compiler = Process()
    compiler.executableURL = URL(fileURLWithPath: "/bin/sh")
    compiler.arguments = ["-c", compile.joined(separator: " || "), library, source]
    try compiler.run()
    compiler.waitUntilExit()
    guard compiler.terminationStatus == 0 else { throw CompileFailure() }
    atexit { unlink(NSTemporaryDirectory() + "varve-fault-\(ProcessInfo.processInfo.processIdentifier).so") }
    return library
  }

  private struct CompileFailure: Error {}
}

/// One storage call, as fault.c logs it.
package struct StorageCall: Hashable, Sendable {
  /// `create`, `write`, `fchmod`, `futimens`, `fsync`, `syncfs`, `mkdir`, `rename`, `link`, `unlink`.
  package var name: String
  package var path: String
  /// The new name of a rename or link.
  package var newPath: String?

  init(_ line: Substring) {
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
    name = fields.count > 1 ? String(fields[1]) : ""
    path = fields.count > 2 ? String(fields[2]) : ""
    newPath = fields.count > 3 ? String(fields[3]) : nil
  }
}

/// An executable of this package, beside the tests that were built with it.
package func builtExecutable(_ name: String) -> String {
  let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
  let bundle = maps.split(separator: "\n").lazy.compactMap { line in line.firstIndex(of: "/").map { line[$0...] } }
    .first { $0.hasSuffix(".xctest") }
  let directory = bundle.map { URL(fileURLWithPath: String($0)).deletingLastPathComponent().path } ?? "."
  return directory + "/" + name
}
