package import Foundation

/// The Python that tests may use: `VARVE_PYTHON`, or `.venv` in the repository.
package enum Python {
  /// Nil where there is none.
  package static let path: String? = {
    let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let given = ProcessInfo.processInfo.environment["VARVE_PYTHON"]
    let path = given ?? repository.appendingPathComponent(".venv/bin/python").path
    return FileManager.default.isExecutableFile(atPath: path) ? path : nil
  }()

  /// What the program prints, given its standard input; the exit status, where it is not 0, is thrown.
  package static func output(_ program: String, _ input: Data) throws -> String {
    let file = URL(fileURLWithPath: NSTemporaryDirectory() + "varve-python-\(UUID())")
    try input.write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    process.executableURL = path.map { URL(fileURLWithPath: $0) }
    process.arguments = ["-X", "utf8", "-c", program]
    process.standardInput = try FileHandle(forReadingFrom: file)
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failed(status: process.terminationStatus) }
    return String(decoding: data, as: UTF8.self)
  }

  /// What it prints line by line, given lines.
  package static func lines(_ program: String, _ input: [String]) throws -> [String] {
    try output(program, Data((input.joined(separator: "\n") + "\n").utf8)).unicodeScalars.split(separator: "\n")
      .map { String($0) }
  }

  package struct Failed: Error { let status: Int32 }
}
