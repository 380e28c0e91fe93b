import Foundation
import Given
import Testing
import VarveJSON

/// Against orjson, where a Python interpreter that has it is there (`VARVE_PYTHON`, or `.venv` in the repository).
@Suite(.enabled(if: Python.path != nil, "no Python interpreter")) struct OrjsonTests {
  @Test func `a hundred thousand random doubles are spelled alike and read back`() throws {
    var random = Seed()
    let doubles = (0..<100_000).map { index -> Double in
      while true {
        let value =
          index % 2 == 0
          ? Double(bitPattern: random.next())
          : Double(Int.random(in: -1_000_000_000...1_000_000_000, using: &random))
            / [1, 10, 100, 1e5, 1e9, 1e-8].randomElement(using: &random)!
        if value.isFinite { return value }
      }
    }
    let spellings = try Python.lines(
      """
      import sys, struct, orjson
      for line in sys.stdin:
          print(orjson.dumps(struct.unpack("<d", int(line).to_bytes(8, "little"))[0]).decode())
      """, doubles.map { "\($0.bitPattern)" })
    for (value, spelling) in zip(doubles, spellings) where JSONNumber.text(of: value) != spelling {
      Issue.record("\(JSONNumber.text(of: value)) here, \(spelling) there")
    }
    #expect(spellings.count == doubles.count)
    for value in doubles where try JSONValue(parsing: JSONNumber.text(of: value)).double != value {
      Issue.record("\(value) does not read back")
    }
  }

  @Test func `random documents have the same canonical form`() throws {
    var random = Seed()
    let documents = (0..<3_000).map { _ in random.spelled(random.value(depth: 0)) }
    let theirs = try Python.lines(
      """
      import sys, orjson
      for line in sys.stdin:
          print(orjson.dumps(orjson.loads(line), option=orjson.OPT_SORT_KEYS).decode())
      """, documents)
    #expect(theirs.count == documents.count)
    for (document, theirs) in zip(documents, theirs) {
      #expect(try JSONValue(parsing: document).text(.canonical) == theirs)
      let member = try rows(Array("[{\"v\": \(document)}]".utf8))[0].members[0]
      if member.kind == .nested {
        #expect(member.text.utf8.elementsEqual(theirs.utf8))
        // What is canonical stays as it is.
        #expect(try rows(Array("[{\"v\": \(theirs)}]".utf8))[0].members[0].text == theirs)
      } else if member.kind == .string {
        #expect(JSONValue(member.text).text() == theirs)
      }
    }
  }

  @Test func `broken documents are refused by both parsers and by orjson`() throws {
    var random = Seed()
    let documents = (0..<5_000).map { _ in random.broken(Array(random.spelled(random.value(depth: 1)).utf8)) }
    let verdicts = try Python.lines(
      """
      import sys, orjson
      for line in sys.stdin:
          try:
              orjson.loads(bytes.fromhex(line))
              print("1")
          except orjson.JSONDecodeError:
              print("0")
      """, documents.map { $0.map { String(Int($0) + 0x100, radix: 16).dropFirst() }.joined() })
    #expect(verdicts.count == documents.count)
    var refusedCount = 0
    for (document, verdict) in zip(documents, verdicts) {
      let shown = String(decoding: document, as: UTF8.self)
      let isAccepted = (try? JSONValue(parsing: document, duplicateKeys: .lastWins)) != nil
      let options = JSONRecordOptions(duplicateKeys: .lastWins)
      let wrapped = Array(#"[{"v":"#.utf8) + document + Array("}]".utf8)
      let isScanned = (try? rows(wrapped, options, piece: 7)) != nil
      // Numbers too large for a double are no fault here; orjson refuses them.
      if !(isAccepted && verdict == "0" && hasHugeExponent(document)) {
        #expect(isAccepted == (verdict == "1"), "\(shown)")
      }
      // Within a record more can follow the value.
      if !isScanned || !shown.contains(",") { #expect(isScanned == isAccepted, "\(shown)") }
      if !isAccepted { refusedCount += 1 }
    }
    #expect(refusedCount > 1_000)
  }

  private func hasHugeExponent(_ document: [UInt8]) -> Bool {
    String(decoding: document, as: UTF8.self).firstMatch(of: /[0-9][eE]\+?[0-9]{3,}/) != nil
  }
}

extension Seed {
  /// A value whose numbers orjson keeps.
  fileprivate mutating func value(depth: Int) -> JSONValue {
    switch below(depth > 4 ? 5 : 8) {
    case 0: return .null
    case 1: return JSONValue(below(2) == 0)
    case 2: return JSONValue(Int64(bitPattern: next()) >> Int64(below(64)))
    case 3: return JSONValue(Double(Int64(bitPattern: next()) >> Int64(below(64))) / 1000)
    case 4: return .string(text())
    case 5: return .array((0..<below(6)).map { _ in value(depth: depth + 1) })
    default:
      return .object(JSONObject((0..<below(below(10) == 0 ? 40 : 6)).map { _ in (text(), value(depth: depth + 1)) }))
    }
  }

  /// The value with white space, escapes and keys in any order.
  fileprivate mutating func spelled(_ value: JSONValue) -> String {
    func space(_ random: inout Seed) -> String {
      random.below(4) == 0 ? [" ", "\t", "  "][random.below(3)] : ""
    }
    switch value {
    case .string(let text): return spelled(text)
    case .array(let values):
      return "[" + space(&self)
        + values.map { spelled($0) + space(&self) }.joined(separator: "," + space(&self)) + "]"
    case .object(let object):
      return "{" + space(&self)
        + object.members.map { spelled($0.key) + space(&self) + ":" + space(&self) + spelled($0.value) }
        .joined(separator: "," + space(&self)) + "}"
    default: return value.text()
    }
  }

  fileprivate mutating func spelled(_ text: String) -> String {
    if below(2) == 0 { return JSONValue(text).text() }
    var spelled = "\""
    for scalar in text.unicodeScalars {
      if scalar == "/", below(2) == 0 {
        spelled += "\\/"
      } else if below(4) == 0 {
        for unit in String(scalar).utf16 {
          let digits = String(0x10000 + Int(unit), radix: 16, uppercase: below(2) == 0).dropFirst()
          spelled += "\\u" + digits
        }
      } else {
        // By scalars, since a combining one joins the quote before it.
        spelled.unicodeScalars += JSONValue(String(scalar)).text().unicodeScalars.dropFirst().dropLast()
      }
    }
    return spelled + "\""
  }

  /// The document with a few bytes changed, left out or put in.
  mutating func broken(_ document: [UInt8]) -> [UInt8] {
    var document = document
    for _ in 0...below(2) {
      let marks = Array("{}[]\",:\\u0-+.eE1 tfn\u{1}\u{7F}\u{C3}".utf8) + [0x80, 0xED, 0xA0, 0xF4, 0xC0, 0xFF, 0]
      let index = below(document.count + 1)
      switch below(3) {
      case 0: document.insert(marks.randomElement(using: &self)!, at: index)
      case 1 where index < document.count: document.remove(at: index)
      case _ where index < document.count: document[index] = marks.randomElement(using: &self)!
      default: break
      }
    }
    return document
  }
}
