import Faults
import Foundation
import Testing

/// The program of Documentation/Example does what it says.
@Suite struct EmbeddingTests {
  @Test func `a program that embeds the library ingests with a transform, tells what changed, and travels`() throws {
    let here = NSTemporaryDirectory() + "varve-example-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: here, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: here) }
    try Data("sku,price,currency\nA,1,eur\nB,2,EUR\n,9,EUR\n".utf8).write(to: URL(fileURLWithPath: here + "/1.csv"))
    try Data("sku,price,currency\nA,3,EUR\nC,4,usd\n".utf8).write(to: URL(fileURLWithPath: here + "/2.csv"))
    let first = try run(here)
    #expect(
      first == """
        1.csv: committed, version 1
        2.csv: committed, version 2
        updated A
        inserted C
        A 1 EUR 1 2
        A 3 EUR 2 now
        B 2 EUR 1 now
        C 4 USD 2 now
        2 rows of version 1 in first.csv

        """)
    #expect(
      try String(contentsOfFile: here + "/W/first.csv", encoding: .utf8) == "sku,price,currency\nA,1,EUR\nB,2,EUR\n")
    // A second run finds both feeds there, and the export.
    #expect(try run(here).contains("2.csv: unchanged, version 2") && run(here).contains("is there already"))
  }

  private func run(_ directory: String) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: builtExecutable("PriceWatchExample"))
    process.arguments = ["W", "1.csv", "2.csv"]
    process.currentDirectoryURL = URL(fileURLWithPath: directory)
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return output
  }
}
