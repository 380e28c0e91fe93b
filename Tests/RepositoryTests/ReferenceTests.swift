import Faults
import Foundation
import Testing

@Suite struct ReferenceTests {
  @Test func `the reference of the library is made without a warning`() throws {
    // The build that this test belongs to.
    let build = URL(fileURLWithPath: builtExecutable("varve")).deletingLastPathComponent().path
    let output = NSTemporaryDirectory() + "varve-reference-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: output) }
    let process = Process()
    process.executableURL = Repository.root.appendingPathComponent("Tests/setup/reference")
    process.arguments = [build, output]
    process.currentDirectoryURL = Repository.root
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text)")
    #expect(FileManager.default.fileExists(atPath: output + "/documentation/varve/warehouse/index.html"))
  }
}
