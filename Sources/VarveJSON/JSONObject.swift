/// The members of a JSON object in their order, each key once, keys compared by code points.
package struct JSONObject: Sendable {
  package struct Member: Sendable {
    package var key: String
    package var value: JSONValue
  }

  package private(set) var members: [Member] = []
  /// Where each key stands in `members`; made only for objects that are too large to be searched one by one.
  private var positions: [JSONKey: Int] = [:]
  private static let searchedMembersMax = 16

  package init() {}

  /// The last value counts for a key that comes twice, at the place of the first.
  package init(_ members: [(String, JSONValue)]) {
    self.members.reserveCapacity(members.count)
    for (key, value) in members { self[key] = value }
  }

  package var count: Int { members.count }
  package var isEmpty: Bool { members.isEmpty }
  package var keys: [String] { members.map(\.key) }

  /// Setting a key that is there keeps its place; setting nil removes it.
  package subscript(_ key: String) -> JSONValue? {
    get { position(of: key).map { members[$0].value } }
    set {
      switch (position(of: key), newValue) {
      case (let position?, let value?): members[position].value = value
      case (nil, let value?): append(key, value)
      case (let position?, nil):
        members.remove(at: position)
        positions = [:]
        if members.count > JSONObject.searchedMembersMax { index() }
      case (nil, nil): break
      }
    }
  }

  /// The members by code points of their keys.
  package var sortedMembers: [Member] {
    members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
  }

  private func position(of key: String) -> Int? {
    guard members.count <= JSONObject.searchedMembersMax else { return positions[JSONKey(key)] }
    return members.firstIndex { $0.key.utf8.elementsEqual(key.utf8) }
  }

  private mutating func append(_ key: String, _ value: JSONValue) {
    members.append(Member(key: key, value: value))
    if members.count == JSONObject.searchedMembersMax + 1 {
      index()
    } else if members.count > JSONObject.searchedMembersMax {
      positions[JSONKey(key)] = members.count - 1
    }
  }

  private mutating func index() {
    for (position, member) in members.enumerated() { positions[JSONKey(member.key)] = position }
  }
}

extension JSONObject: Hashable {
  package static func == (one: JSONObject, other: JSONObject) -> Bool {
    one.members.count == other.members.count
      && zip(one.members, other.members).allSatisfy {
        $0.key.utf8.elementsEqual($1.key.utf8) && $0.value == $1.value
      }
  }

  package func hash(into hasher: inout Hasher) {
    for member in members {
      JSONKey(member.key).hash(into: &hasher)
      hasher.combine(member.value)
    }
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  package init(dictionaryLiteral members: (String, JSONValue)...) { self.init(members) }
}

/// A string that equals only strings of the same code points; Swift's own equality is Unicode equivalence.
struct JSONKey: Hashable {
  let text: String

  init(_ text: String) { self.text = text }

  static func == (one: JSONKey, other: JSONKey) -> Bool { one.text.utf8.elementsEqual(other.text.utf8) }

  func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    hasher.combine(text.utf8.count)
  }
}
