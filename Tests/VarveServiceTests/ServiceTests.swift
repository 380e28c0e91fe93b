import Foundation
import Testing
import Varve
import VarveDelivery
import VarveJSON
import VarveLake
import VarveService

import class Varve.Warehouse

@Suite struct ServiceTests {
  @Test func `a file is committed to a table and its records arrive under the id that was told`() throws {
    let rehearsal = try Rehearsal()
    try rehearsal.write("Neue Preise.json", #"[{"Preis EUR":1.5,"n":null},{"Preis EUR":2},{"Preis EUR":3,"n":7}]"#)
    let answer = try rehearsal.ingest(rehearsal.body("Neue Preise.json"))
    #expect(answer.status == 200)
    #expect(answer.json["status"] == "STARTED")
    let id = try #require(answer.json["ingestion_id"]?.string)
    let end = try rehearsal.end(of: id)
    #expect(end["state"] == "done")
    #expect(end["table"] == "neue_preise")
    #expect(end["records_acknowledged"] == 3)
    let progress = try #require(rehearsal.receiver.progress(of: id))
    #expect(progress == (3, true))

    let again = try rehearsal.ingest(rehearsal.body("Neue Preise.json"))
    #expect(again.json["ingestion_id"]?.string == id)
    let rows = try rehearsal.ask("GET", "/api/v1/tables/neue_preise/versions/latest/rows?from=1")
    #expect(rows.text.contains(#"{"Preis_EUR":3.0,"n":7}"#))
    #expect(!rows.text.contains(#"1.5"#))

    var sentAgain = rehearsal.body("Neue Preise.json").object ?? JSONObject()
    sentAgain["re_ingestion"] = true
    let other = try #require(try rehearsal.ingest(.object(sentAgain)).json["ingestion_id"]?.string)
    #expect(other != id)
    #expect(try rehearsal.end(of: other)["outcome"] == "unchanged")
    #expect(try #require(rehearsal.receiver.progress(of: other)) == (3, true))
    #expect(try rehearsal.ask("GET", "/api/v1/tables/neue_preise").json["rows"] == 3)
  }

  @Test func `only the rows of the ingestion are sent, not those that were in the table`() throws {
    let rehearsal = try Rehearsal()
    try rehearsal.write("prices.json", #"[{"n":1},{"n":2},{"n":3}]"#)
    let first = try #require(try rehearsal.ingest(rehearsal.body("prices.json")).json["ingestion_id"]?.string)
    #expect(try rehearsal.end(of: first)["state"] == "done")
    try rehearsal.write("prices.json", #"[{"n":4},{"n":5}]"#)
    let second = try #require(try rehearsal.ingest(rehearsal.body("prices.json")).json["ingestion_id"]?.string)
    #expect(second != first)
    #expect(try rehearsal.end(of: second)["records_acknowledged"] == 2)
    #expect(try rehearsal.ask("GET", "/api/v1/tables/prices").json["rows"] == 5)
  }

  @Test(arguments: [
    (#"{}"#, 400, "File url is required!"),
    (#"{"file_path":""}"#, 400, "File url is required!"),
    (#"{"file_path":"a.json"}"#, 400, "File type is required!"),
    (#"{"file_path":"a.json","file_type":"json"}"#, 400, "Callback url is required!"),
    (
      #"{"file_path":"a.json","file_type":"json","callback_url":"http://127.0.0.1:1/"}"#, 400,
      "Either chunk_size_by_records or chunk_size_by_memory must be provided"
    ),
    (
      #"{"file_path":"a","file_type":"json","callback_url":"http://127.0.0.1:1/","chunk_size_by_records":0}"#, 400,
      "Either chunk_size_by_records or chunk_size_by_memory must be provided"
    ),
    (
      #"{"file_path":"a","file_type":"json","callback_url":"u","chunk_size_by_records":1,"chunk_size_by_memory":1}"#,
      400, "Provide only one: chunk_size_by_records OR chunk_size_by_memory"
    ),
    (
      #"{"file_path":"a","file_type":"pdf","callback_url":"u","chunk_size_by_records":1}"#, 400,
      "File type must be json or excel!"
    ),
    (#"{"file_path":7}"#, 422, "file_path must be a text."),
    (#"{"chunk_size_by_records":4001}"#, 422, "chunk_size_by_records must be from 1 to 4000."),
    (#"{"chunk_size_by_records":-1}"#, 422, "chunk_size_by_records must be from 1 to 4000."),
    (#"{"chunk_size_by_memory":"much"}"#, 422, "chunk_size_by_memory must be a whole number."),
    (#"{"re_ingestion":"perhaps"}"#, 422, "re_ingestion must be true or false."),
    (#"[1]"#, 422, "The body must be a JSON object."),
    (#"{"file_path":"#, 422, "The body must be a JSON object."),
    (
      #"{"file_path":"../a","file_type":"json","callback_url":"http://127.0.0.1:1/","chunk_size_by_records":1}"#, 403,
      "file_path lies outside the directories that are open to it."
    ),
    (
      #"{"file_path":"/etc/passwd","file_type":"json","callback_url":"http://127.0.0.1:1/","chunk_size_by_records":1}"#,
      403, "file_path lies outside the directories that are open to it."
    ),
    (
      #"{"file_path":"link.json","file_type":"json","callback_url":"http://127.0.0.1:1/","chunk_size_by_records":1}"#,
      403, "file_path lies outside the directories that are open to it."
    ),
    (
      #"{"file_path":"pipe.json","file_type":"json","callback_url":"http://127.0.0.1:1/","chunk_size_by_records":1}"#,
      403, "file_path is no regular file."
    ),
    (
      #"{"file_path":"none.json","file_type":"json","callback_url":"http://127.0.0.1:1/","chunk_size_by_records":1}"#,
      404, "There is no file at file_path, or it cannot be read."
    ),
    (
      #"{"file_path":"a","file_type":"json","callback_url":"http://169.254.169.254/","chunk_size_by_records":1}"#, 403,
      "callback_url is not among those that --allow-callback allows."
    ),
    (
      #"{"file_path":"a","file_type":"json","callback_url":"http://localhost@evil.example/","chunk_size_by_records":1}"#,
      422, "callback_url must be a plain http or https URL."
    ),
    (
      #"{"file_path":"a","file_type":"json","callback_url":"file:///etc/passwd","chunk_size_by_records":1}"#, 422,
      "callback_url must be a plain http or https URL."
    ),
  ])
  func `a wrong body has its status and one sentence, and no effect`(
    body: String, status: Int, sentence: String
  ) throws {
    let rehearsal = try Rehearsal()
    try FileManager.default.createSymbolicLink(
      atPath: rehearsal.inbox + "/link.json", withDestinationPath: "/etc/passwd")
    mkfifo(rehearsal.inbox + "/pipe.json", 0o600)
    let answer = try rehearsal.ask("POST", "/api/ingest", body: body)
    #expect(answer.status == status)
    #expect(answer.error == sentence)
    #expect(try rehearsal.ask("GET", "/api/v1/ingestions").json["ingestions"] == [])
  }

  @Test(
    arguments: [
      (["Authorization": nil], 401), (["Authorization": "Bearer wrong"], 401), (["Authorization": "Basic YTpi"], 401),
      (["Host": "evil.example"], 421), (["Host": "127.0.0.1:1"], 421), (["Origin": "http://evil.example"], 403),
      (["Origin": "null"], 403), (["Content-Type": "text/plain"], 415),
      (["Content-Type": "application/x-www-form-urlencoded"], 415), (["Content-Type": nil], 415),
      (["Content-Length": "10000000000"], 413), (["Transfer-Encoding": "chunked"], 400),
    ] as [([String: String?], Int)])
  func `a request that does not belong here is refused before its body is read`(
    headers: [String: String?], status: Int
  ) throws {
    let rehearsal = try Rehearsal()
    let answer = try rehearsal.ask("POST", "/api/ingest", body: "{}", headers: headers)
    #expect(answer.status == status)
    #expect(answer.error.hasSuffix("."))
  }

  @Test func `every route but health and docs asks for the token`() throws {
    let rehearsal = try Rehearsal()
    let document = try rehearsal.ask("GET", "/openapi.json").json
    for path in try #require(document["paths"]?.object).members {
      for operation in path.value.object?.members ?? [] {
        let isPost = operation.key == "post"
        let answer = try rehearsal.ask(
          operation.key.uppercased(), path.key, body: isPost ? "{}" : nil, headers: ["Authorization": nil])
        #expect(answer.status == (["/health", "/docs"].contains(path.key) ? 200 : 401), "\(path.key)")
      }
    }
  }

  @Test func `an endless body is cut off at the limit`() throws {
    let rehearsal = try Rehearsal(bodyBytesMax: 1000)
    let piece = "200\r\n" + String(repeating: "a", count: 512) + "\r\n"
    let head = """
      POST /api/ingest HTTP/1.1\r\nHost: 127.0.0.1:\(rehearsal.service.port)\r\nAuthorization: Bearer \(rehearsal.token)\r
      Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n
      """
    let ended = try rehearsal.raw(head + String(repeating: piece, count: 3) + "0\r\n\r\n")
    #expect(ended.hasPrefix("HTTP/1.1 413 "))
    let endless = try rehearsal.raw(head + String(repeating: piece, count: 5000))
    #expect(!endless.contains(" 200 "))
  }

  @Test func `an idempotency key gives the same answer, and refuses another body`() throws {
    let rehearsal = try Rehearsal()
    try rehearsal.write("a.json", #"[{"n":1}]"#)
    try rehearsal.write("b.json", #"[{"n":2}]"#)
    var body = rehearsal.body("a.json").object ?? JSONObject()
    body["re_ingestion"] = true
    let key: [String: String?] = ["Idempotency-Key": "k-1"]
    let first = try rehearsal.ingest(.object(body), headers: key)
    let second = try rehearsal.ingest(.object(body), headers: key)
    #expect(first.json == second.json)
    #expect(try rehearsal.ingest(rehearsal.body("b.json"), headers: key).status == 409)
    let list = try rehearsal.ask("GET", "/api/v1/ingestions").json["ingestions"]?.array
    #expect(list?.count == 1)
  }

  @Test func `a file that cannot be read is a failed ingestion with its reason`() throws {
    let rehearsal = try Rehearsal()
    try rehearsal.write("broken.json", #"[{"n":1},{"n":"#)
    let id = try #require(try rehearsal.ingest(rehearsal.body("broken.json")).json["ingestion_id"]?.string)
    let end = try rehearsal.end(of: id)
    #expect(end["state"] == "failed")
    #expect(end["error"]?.string?.isEmpty == false)
    #expect(try rehearsal.ask("POST", "/api/v1/ingestions/\(id)/requeue").status == 200)
    #expect(try rehearsal.ask("POST", "/api/v1/ingestions/none/requeue").status == 404)
  }

  @Test func `what failed in the command line is tried again here`() throws {
    let rehearsal = try Rehearsal()
    try rehearsal.write("b.json", #"[{"n":"#)
    let warehouse = Warehouse(at: rehearsal.path + "/warehouse")
    let request = IngestRequest([FeedRequest(path: rehearsal.inbox + "/b.json")], into: "b")
    #expect(throws: Problem.self) { try warehouse.ingest(request) }
    let failed = try #require(
      try rehearsal.ask("GET", "/api/v1/ingestions?state=failed").json["ingestions"]?.array?.first)
    let id = try #require(failed["ingestion_id"]?.string)
    try rehearsal.write("b.json", #"[{"n":7}]"#)
    #expect(try rehearsal.ask("POST", "/api/v1/ingestions/\(id)/requeue").status == 200)
    #expect(try rehearsal.end(of: id)["state"] == "done")
    #expect(try rehearsal.ask("GET", "/api/v1/tables/b").json["rows"] == 1)
    #expect(try rehearsal.ask("GET", "/metrics").text.contains(#"varve_ingestions{state="done"} 1"#))
  }

  @Test(arguments: [
    ("GET", "/nowhere", 404), ("DELETE", "/api/v1/tables", 405), ("GET", "/api/v1/tables/none", 404),
    ("GET", "/api/v1/tables/..%2f..%2fetc", 404), ("GET", "/api/v1/tables/none/versions/1/rows", 404),
    ("GET", "/api/v1/tables/none/diff?from=1", 404), ("GET", "/api/v1/tables?limit=x", 200),
    ("GET", "/api/v1/ingestions?limit=x", 400), ("GET", "/api/v1/ingestions?state=x", 400),
    ("GET", "/api/v1/deliveries/none", 404), ("POST", "/api/v1/deliveries/none/resume", 404),
  ])
  func `what is not there has its status`(method: String, path: String, status: Int) throws {
    let rehearsal = try Rehearsal()
    #expect(try rehearsal.ask(method, path).status == status)
  }

  @Test func `a delivery that stopped goes on when that is asked for`() throws {
    let rehearsal = try Rehearsal()
    let warehouse = Warehouse(at: rehearsal.path + "/warehouse")
    func declare(_ targets: String) throws {
      try #"{"targets":{\#(targets)}}"#.write(
        toFile: rehearsal.path + "/warehouse/varve.json", atomically: false, encoding: .utf8)
    }
    func shop(_ url: String) -> String { #""shop":{"kind":"callback","url":"\#(url)","retry":{"attempts":1}}"# }
    try rehearsal.write("a.json", #"[{"n":1},{"n":2}]"#)
    _ = try warehouse.ingest(IngestRequest([FeedRequest(path: rehearsal.inbox + "/a.json")], into: "a"))
    try declare(shop("http://127.0.0.1:1/"))
    #expect(throws: Problem.self) { try warehouse.push(PushRequest("a", to: "shop")) }
    let id = try #require(try warehouse.deliveries().first?.id)
    func resume() throws -> Rehearsal.Answer { try rehearsal.ask("POST", "/api/v1/deliveries/\(id)/resume") }
    func state(after attempts: Int) throws -> JSONValue? {
      for _ in 0..<2000 {
        let delivery = try rehearsal.ask("GET", "/api/v1/deliveries/\(id)").json
        if delivery["attempts"]?.int == attempts, delivery["state"] != "sending" { return delivery["state"] }
        usleep(10_000)
      }
      return nil
    }
    // What stands in the way is said at once, or stands in the ledger.
    try declare("")
    #expect(try resume().error.contains("no target is declared as \"shop\""))
    try declare(shop("http://127.0.0.1:1/"))
    do {
      let ledger = try Ledger.open(try #require(try Storage.open(rehearsal.path + "/warehouse")))
      let other = DeliveryRecord(id: "other", target: "shop", table: "a", version: 1, chunking: "records=1")
      let held = try #require(try ledger.begin(other))
      #expect(try resume().error == "Another process is delivering to shop.")
      withExtendedLifetime(held) {}
    }
    #expect(try resume().status == 200)
    #expect(try state(after: 2) == "stopped")
    try declare(shop(rehearsal.callback))
    // The one before may not quite have ended.
    var status = try resume().status
    while status == 409, try warehouse.delivery(id).state == "stopped" { status = try resume().status }
    #expect(status == 200)
    #expect(try state(after: 3) == "complete")
    #expect(try resume().status == 409)
  }

  @Test func `the delivery of an ingestion goes on with the ingestion`() throws {
    let rehearsal = try Rehearsal()
    try rehearsal.write("a.json", #"[{"n":1}]"#)
    var body = try #require(rehearsal.body("a.json").object)
    // The service itself has no such path.
    body["callback_url"] = .string("http://127.0.0.1:\(rehearsal.port)/nowhere")
    let id = try #require(try rehearsal.ingest(.object(body)).json["ingestion_id"]?.string)
    #expect(try rehearsal.end(of: id)["state"] == "failed")
    func attempts() throws -> JSONValue? { try rehearsal.ask("GET", "/api/v1/deliveries/\(id)").json["attempts"] }
    #expect(try attempts() == 1)
    #expect(try rehearsal.ask("POST", "/api/v1/deliveries/\(id)/resume").status == 200)
    for _ in 0..<2000 where try attempts() == 1 { usleep(10_000) }
    #expect(try attempts() == 2)
    #expect(try rehearsal.end(of: id)["state"] == "failed")
  }

  @Test func `readers are shown the version that was asked for`() throws {
    let rehearsal = try Rehearsal()
    for number in 1...3 {
      try rehearsal.write("a.json", #"[{"n":\#(number)}]"#)
      let id = try #require(try rehearsal.ingest(rehearsal.body("a.json")).json["ingestion_id"]?.string)
      _ = try rehearsal.end(of: id)
    }
    func publish(_ body: String) throws -> Rehearsal.Answer {
      try rehearsal.ask("POST", "/api/v1/tables/a/publish", body: body)
    }
    #expect(try publish(#"{"version":2}"#).json == ["table": "a", "version": 2, "newest": 3, "publication": "pinned"])
    #expect(try rehearsal.ask("GET", "/api/v1/tables/a").json["version"] == 2)
    let shown = try rehearsal.ask("GET", "/api/v1/tables/a/versions").json["versions"]?.array
    #expect(shown?.map { $0["is_published"] } == [false, true, true])
    #expect(try publish("{}").status == 409)
    #expect(try publish(#"{"unpin":true}"#).json["publication"] == "follow")
    #expect(try rehearsal.ask("GET", "/api/v1/tables/a").json["version"] == 3)
    #expect(try publish(#"{"version":9}"#).status == 404)
    #expect(try publish(#"{"version":"1"}"#).error == "version must be a whole number.")
    #expect(try publish(#"{"pin":1}"#).error == "pin must be true or false.")
    #expect(try rehearsal.ask("POST", "/api/v1/tables/none/publish", body: "{}").status == 404)
  }

  @Test(arguments: [
    ("{}", "sql is missing: one SELECT."), (#"{"sql":"DROP TABLE x"}"#, ""), (#"{"sql":"SELECT * FROM none"}"#, ""),
    (#"{"sql":"SELECT 1","limit":0}"#, "limit must be a whole number from 1 to 10000."),
  ])
  func `a query that cannot be answered is a 400`(body: String, sentence: String) throws {
    let rehearsal = try Rehearsal()
    let answer = try rehearsal.ask("POST", "/api/v1/query", body: body)
    #expect(answer.status == 400)
    #expect(sentence.isEmpty ? !answer.error.isEmpty : answer.error == sentence)
  }

  @Test func `no log holds the token or a value of the data`() throws {
    let rehearsal = try Rehearsal()
    try rehearsal.write("secrets.json", #"[{"n":"marker-of-a-payload"}]"#)
    let id = try #require(try rehearsal.ingest(rehearsal.body("secrets.json")).json["ingestion_id"]?.string)
    _ = try rehearsal.end(of: id)
    var text = ""
    for level in ["debug", "info", "error"] {
      text += try String(contentsOfFile: rehearsal.path + "/warehouse/varve.logs/\(level).jsonl", encoding: .utf8)
    }
    #expect(text.contains(id))
    #expect(!text.contains(rehearsal.token))
    #expect(!text.contains("marker-of-a-payload"))
    for line in text.split(separator: "\n") { #expect((try? JSONValue(parsing: Array(line.utf8))) != nil) }
  }
}
