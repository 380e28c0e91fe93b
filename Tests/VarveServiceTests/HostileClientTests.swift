import Foundation
import Glibc
import Testing
import VarveService

/// Clients that are slow, many, or speak something that only looks like HTTP.
@Suite struct HostileClientTests {
  /// What is sent, what the status must be; each answered with one sentence, and the connection closed.
  static let malformed: [(String, String, Int)] = [
    ("no Host", "GET /health HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", "GET /health HTTP/1.1\r\nHost: HERE\r\nHost: HERE\r\n\r\n", 400),
    ("no version", "GET /health\r\n\r\n", 400),
    ("another protocol", "GET /health SPDY/3\r\nHost: HERE\r\n\r\n", 400),
    ("a later version", "GET /health HTTP/2.0\r\nHost: HERE\r\n\r\n", 505),
    ("a header without a colon", "GET /health HTTP/1.1\r\nHost: HERE\r\nnonsense\r\n\r\n", 400),
    ("a blank before the colon", "GET /health HTTP/1.1\r\nHost: HERE\r\nContent-Length : 0\r\n\r\n", 400),
    ("two lengths", "POST /api/ingest HTTP/1.1\r\nHost: HERE\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    (
      "a length and chunks",
      "POST /api/ingest HTTP/1.1\r\nHost: HERE\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400
    ),
    ("a length that is no number", "POST /api/ingest HTTP/1.1\r\nHost: HERE\r\nContent-Length: 2x\r\n\r\n{}", 400),
    ("a negative length", "POST /api/ingest HTTP/1.1\r\nHost: HERE\r\nContent-Length: -2\r\n\r\n{}", 400),
    (
      "a length of 10 GB", "POST /api/ingest HTTP/1.1\r\nHost: HERE\r\nTOKEN\r\nContent-Length: 10000000000\r\n\r\n",
      413
    ),
    (
      "an unknown coding",
      "POST /api/ingest HTTP/1.1\r\nHost: HERE\r\nTOKEN\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip\r\n\r\n",
      400
    ),
    (
      "a chunk without a size",
      "POST /api/ingest HTTP/1.1\r\nHost: HERE\r\nTOKEN\r\nContent-Type: application/json\r\n"
        + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400
    ),
    (
      "a huge header", "GET /health HTTP/1.1\r\nHost: HERE\r\nA: \(String(repeating: "a", count: 100_000))\r\n\r\n", 431
    ),
    ("a huge path", "GET /\(String(repeating: "a", count: 100_000)) HTTP/1.1\r\nHost: HERE\r\n\r\n", 414),
    ("a NUL in the path", "GET /health%00 HTTP/1.1\r\nHost: HERE\r\nTOKEN\r\n\r\n", 404),
    ("a path that climbs", "GET /../etc/passwd HTTP/1.1\r\nHost: HERE\r\nTOKEN\r\nConnection: close\r\n\r\n", 404),
    ("another method", "BREW /health HTTP/1.1\r\nHost: HERE\r\nTOKEN\r\n\r\n", 405),
  ]

  @Test(arguments: malformed.map(\.0))
  func `a request that is none has its status and one sentence`(name: String) throws {
    let rehearsal = try Rehearsal { $0.requestSecondsMax = 2 }
    let (_, text, status) = try #require(HostileClientTests.malformed.first { $0.0 == name })
    let sent = text.replacingOccurrences(of: "HERE", with: "127.0.0.1:\(rehearsal.service.port)")
      .replacingOccurrences(of: "TOKEN", with: "Authorization: Bearer \(rehearsal.token)")
    let answer = try rehearsal.raw(sent)
    #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer.prefix(300))")
    #expect(answer.contains("."), "no sentence: \(answer.prefix(600))")
    #expect(try rehearsal.ask("GET", "/health").status == 200)
  }

  @Test(arguments: [
    "G", "GET /health HTTP/1.1\r\nHost: a",
    "POST /api/ingest HTTP/1.1\r\nHost: HERE\r\nTOKEN\r\n"
      + "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
  ])
  func `who does not come to the end of a request is told so`(text: String) throws {
    let rehearsal = try Rehearsal { $0.requestSecondsMax = 1 }
    let answer = try rehearsal.raw(
      text.replacingOccurrences(of: "HERE", with: "127.0.0.1:\(rehearsal.service.port)")
        .replacingOccurrences(of: "TOKEN", with: "Authorization: Bearer \(rehearsal.token)"))
    #expect(answer.hasPrefix("HTTP/1.1 408 "))
    #expect(answer.hasSuffix(#"{"status":408,"error":"The request did not arrive within 1 seconds."}"#))
  }

  @Test func `hundreds of dripping clients keep nobody out, and are let go of`() throws {
    let rehearsal = try Rehearsal { $0.requestSecondsMax = 3 }
    var files: [Int32] = []
    defer { for file in files { close(file) } }
    for _ in 0..<300 {
      let file = try rehearsal.connected()
      Rehearsal.send("GET /health HT", to: file)
      files.append(file)
    }
    for _ in 0..<20 { #expect(try rehearsal.ask("GET", "/health").status == 200) }
    #expect(try rehearsal.ask("GET", "/api/v1/tables").status == 200)
    for file in files { #expect(Rehearsal.answer(on: file).hasPrefix("HTTP/1.1 408 ")) }
  }

  @Test func `too many connections are told so, and health is answered all the same`() throws {
    let rehearsal = try Rehearsal { $0.connectionsMax = 5 }
    var files: [Int32] = []
    defer { for file in files { close(file) } }
    for _ in 0..<5 {
      files.append(try rehearsal.connected())
      Rehearsal.send("GET", to: files[files.count - 1])
    }
    // Until each of them is known to the server.
    var refused = try rehearsal.ask("GET", "/api/v1/tables")
    while refused.status != 503 { refused = try rehearsal.ask("GET", "/api/v1/tables") }
    #expect(refused.error == "Too many connections are open; try again later.")
    #expect(try rehearsal.ask("GET", "/health").status == 200)
  }

  @Test func `requests one behind the other on one connection are answered in order`() throws {
    let rehearsal = try Rehearsal()
    let one = "GET /health HTTP/1.1\r\nHost: 127.0.0.1:\(rehearsal.service.port)\r\n\r\n"
    let last =
      "GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1:\(rehearsal.service.port)\r\n"
      + "Authorization: Bearer \(rehearsal.token)\r\nConnection: close\r\n\r\n"
    let answer = try rehearsal.raw(String(repeating: one, count: 50) + last)
    let answers = answer.components(separatedBy: "HTTP/1.1 ").dropFirst()
    #expect(answers.map { String($0.prefix(3)) } == Array(repeating: "200", count: 50) + ["404"])
  }

  @Test func `a body that hides a second request does not smuggle it`() throws {
    let rehearsal = try Rehearsal()
    let hidden = "GET /health HTTP/1.1\r\nHost: 127.0.0.1:\(rehearsal.service.port)\r\n\r\n"
    let head =
      "GET /api/v1/tables HTTP/1.1\r\nHost: 127.0.0.1:\(rehearsal.service.port)\r\n"
      + "Authorization: Bearer \(rehearsal.token)\r\nContent-Length: \(hidden.utf8.count)\r\nConnection: close\r\n\r\n"
    let answer = try rehearsal.raw(head + hidden)
    #expect(answer.components(separatedBy: "HTTP/1.1 ").count == 2)
    #expect(!answer.contains("success check ok!"))
  }

  @Test func `it listens on this machine only`() throws {
    let rehearsal = try Rehearsal()
    let port = String(format: "%04X", rehearsal.service.port)
    let lines = try String(contentsOfFile: "/proc/net/tcp", encoding: .utf8).split(separator: "\n")
      .filter { $0.contains(":\(port) ") && $0.contains(" 0A ") }
    #expect(lines.count == 1)
    #expect(lines.allSatisfy { $0.contains(" 0100007F:\(port) ") })
    #expect(try !String(contentsOfFile: "/proc/net/tcp6", encoding: .utf8).contains(":\(port) "))
  }
}
