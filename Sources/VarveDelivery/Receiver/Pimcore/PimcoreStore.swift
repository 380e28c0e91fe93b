package import VarveJSON

/// The objects of one class, the import queue and what works on it, as Pimcore keeps them. A value: it knows nothing of
/// HTTP or clocks.
package struct PimcoreStore: Sendable {
  package struct Object: Sendable {
    package var id: Int
    package var values: JSONObject
    package var isPublished = true
  }

  /// A row that waits.
  private struct Job: Sendable {
    enum Kind: Sendable { case process, cleanup }
    var kind: Kind
    var data: [UInt8]
  }

  /// What is wrong with the set-up, or with what works on the queue.
  package struct Faults: Sendable {
    package var hasCleanup = false
    package var hasDeltaCheck = false
    package var hasNoWorkers = false
    /// Too long rows are cut, in place of being refused.
    package var cutsText = false
    /// Of so many rows that are worked on, the last is lost, or gets another value.
    package var losesEvery: Int?
    package var changesEvery: Int?

    package init() {}
  }

  private let setup: PimcoreSetup
  package var faults = Faults()
  package private(set) var objects: [Int: Object] = [:]
  /// By the text of their key as MySQL compares it.
  private var ids: [String: [Int]] = [:]
  private var nextID = 1
  private var queue: [Job] = []
  private var queueStart = 0
  private var deltas: [String: [UInt8]] = [:]
  private var workedCount = 0
  /// What the application log tells of rows that failed.
  package private(set) var log: [String] = []

  package init(_ setup: PimcoreSetup) { self.setup = setup }

  package var queueCount: Int { queue.count - queueStart }

  /// MySQL's usual collations know neither case nor blanks at the end.
  private static func collated(_ text: String) -> String {
    var text = text.lowercased()
    while text.last == " " { text.removeLast() }
    return text
  }

  static func text(_ value: JSONValue?) -> String? {
    switch value {
    case nil, .null?: nil
    case .string(let text)?: text
    case let value?: value.text()
    }
  }

  // MARK: Preparation: inside the request

  /// An exception while rows are put into the queue: those before it stay.
  package struct Interrupted: Error { package var reason: String }

  /// Puts rows into the queue; with `failsBehind`, an exception comes behind so many.
  package mutating func prepare(_ rows: [JSONValue], failsBehind: Int? = nil) throws(Interrupted) -> Int {
    let before = queue.count
    var identifiers: Set<String> = []
    for (index, row) in rows.enumerated() {
      if index == failsBehind { throw Interrupted(reason: "An exception occurred while executing a query") }
      let identifier = PimcoreStore.text(identifier(of: row))
      if let identifier { identifiers.insert(identifier) }
      let data = QueueRow.bytes(row)
      if faults.hasDeltaCheck {
        guard let identifier, deltas[identifier] != data else { continue }
        deltas[identifier] = data
      }
      guard data.count <= QueueRow.bytesMax || faults.cutsText else {
        throw Interrupted(reason: "Data too long for column 'data' at row 1")
      }
      queue.append(Job(kind: .process, data: Array(data.prefix(QueueRow.bytesMax))))
    }
    if faults.hasCleanup {
      for object in objects.values.sorted(by: { $0.id < $1.id }) {
        guard let key = PimcoreStore.text(object.values[setup.key]), !identifiers.contains(key) else { continue }
        queue.append(Job(kind: .cleanup, data: Array(key.utf8)))
      }
    }
    return queue.count - before
  }

  private func identifier(of row: JSONValue) -> JSONValue? {
    guard let csv = setup.csv else { return row[setup.key] }
    return csv.fields.firstIndex(of: setup.key).flatMap { row[$0] }
  }

  // MARK: Processing: later

  /// Works on up to so many rows. A row leaves the queue whatever became of it.
  package mutating func work(_ countMax: Int) {
    guard !faults.hasNoWorkers else { return }
    for _ in 0..<min(countMax, queueCount) {
      let job = queue[queueStart]
      queueStart += 1
      workedCount += 1
      switch job.kind {
      case .cleanup:
        for id in ids[PimcoreStore.collated(String(decoding: job.data, as: UTF8.self))] ?? [] { remove(id) }
      case .process: process(job.data)
      }
    }
    if queueCount == 0 {
      queue = []
      queueStart = 0
    }
  }

  private mutating func process(_ data: [UInt8]) {
    if let every = faults.losesEvery, workedCount % every == 0 {
      return log.append("a row is lost: deadlock found when trying to get lock")
    }
    guard let row = try? JSONValue(parsing: data) else { return log.append("a row cannot be decoded") }
    var values = JSONObject()
    if let csv = setup.csv {
      for (index, field) in csv.fields.enumerated() { values[field] = row[index] ?? .null }
    } else {
      for member in row.object?.members ?? [] where setup.fields?.contains(member.key) ?? true {
        values[member.key] = member.value
      }
      // What a row lacks is set to null.
      for field in setup.fields ?? [] where values[field] == nil { values[field] = .null }
    }
    for (field, lengthMax) in setup.lengthsMax {
      if let text = PimcoreStore.text(values[field]), text.unicodeScalars.count > lengthMax {
        return log.append("Data too long for column '\(field)' at row 1")
      }
    }
    if let every = faults.changesEvery, workedCount % every == 0,
      let field = values.keys.first(where: { $0 != setup.key })
    {
      values[field] = "changed by a listener"
    }
    save(values)
  }

  private mutating func save(_ values: JSONObject) {
    let key = PimcoreStore.text(values[setup.key])
    if let key, let id = ids[PimcoreStore.collated(key)]?.first {
      objects[id]?.values = values
      return
    }
    _ = create(values)
  }

  // MARK: One object

  package mutating func create(_ values: JSONObject) -> Int {
    let id = nextID
    nextID += 1
    objects[id] = Object(id: id, values: values)
    if let key = PimcoreStore.text(values[setup.key]) { ids[PimcoreStore.collated(key), default: []].append(id) }
    return id
  }

  package mutating func update(_ id: Int, _ changes: JSONObject) -> Bool {
    guard var object = objects[id] else { return false }
    for member in changes.members { object.values[member.key] = member.value }
    objects[id] = object
    return true
  }

  /// False where there is none.
  @discardableResult
  package mutating func remove(_ id: Int) -> Bool {
    guard let object = objects.removeValue(forKey: id) else { return false }
    if let key = PimcoreStore.text(object.values[setup.key]) {
      ids[PimcoreStore.collated(key)]?.removeAll { $0 == id }
    }
    return true
  }

  /// The objects that a filter of Data Hub's wants: equality, `$or` and `$and`; nil for a filter that it does not know.
  package func objects(_ filter: JSONValue?) -> [Object]? {
    guard let filter else { return objects.values.sorted { $0.id < $1.id } }
    if let keys = equalities(filter) {
      return keys.flatMap { ids[$0] ?? [] }.sorted().compactMap { objects[$0] }
    }
    var found: [Object] = []
    for object in objects.values.sorted(by: { $0.id < $1.id }) {
      guard let isWanted = matches(object, filter) else { return nil }
      if isWanted { found.append(object) }
    }
    return found
  }

  /// The keys of a filter that asks for nothing but some keys.
  private func equalities(_ filter: JSONValue) -> Set<String>? {
    guard filter.object?.count == 1, let alternatives = filter["$or"]?.array else { return nil }
    var keys: Set<String> = []
    for alternative in alternatives {
      guard alternative.object?.count == 1, let key = PimcoreStore.text(alternative[setup.key]) else { return nil }
      keys.insert(PimcoreStore.collated(key))
    }
    return keys
  }

  private func matches(_ object: Object, _ filter: JSONValue) -> Bool? {
    for member in filter.object?.members ?? [] {
      switch member.key {
      case "$or", "$and":
        guard let parts = member.value.array else { return nil }
        let results = parts.map { matches(object, $0) }
        if results.contains(nil) { return nil }
        let isMatch = member.key == "$or" ? results.contains(true) : !results.contains(false)
        if !isMatch { return false }
      case let key where key.hasPrefix("$"): return nil
      case let field:
        let value = PimcoreStore.text(object.values[field]).map(PimcoreStore.collated)
        if value != PimcoreStore.text(member.value).map(PimcoreStore.collated) { return false }
      }
    }
    return true
  }
}
