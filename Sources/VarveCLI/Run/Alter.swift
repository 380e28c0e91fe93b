import Varve
import VarveTables

extension Session {
  func alter(_ call: Invocation, _ warehouse: Warehouse) throws {
    var request = AlterRequest(call.arguments[0])
    request.drops = call.list("drop")
    request.renames = call.pairs("rename").map { ($0.column, $0.value) }
    request.adds = try typed(call, "add", parted: ":").map { Field($0.column, $0.type) }
    request.widenings = try typed(call, "widen", parted: "=")
    request.order = call.list("order")
    request.schemaPath = call["schema"]
    for word in call.list("contract") {
      let parts = word.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
      let contract = ColumnContract(rawValue: parts[parts.count - 1])
      guard parts.count <= 2, contract != nil || (parts.count == 2 && parts[1] == "table") else {
        throw Problem(
          .usage, "--contract: \"\(word)\" is no contract",
          advice: "write evolve, freeze or quarantine, or COLUMN= before one of them or before table")
      }
      if parts.count == 2 { request.contracts.append((parts[0], contract)) } else { request.contract = contract }
    }
    request.updates = call["updates"].flatMap { UpdateMethod(rawValue: $0) }
    request.isDryRun = call.has("dry-run")
    if ["drop", "rename", "add", "widen", "order", "schema", "contract", "updates"].allSatisfy({ !call.has($0) }) {
      throw Problem(.usage, "nothing is to be altered", advice: "see `varve alter --help`")
    }
    try write(warehouse.alter(request), call)
  }

  /// `NAME:TYPE` and `NAME=TYPE`; the comma of `decimal(10,2)` parts no two of them.
  private func typed(_ call: Invocation, _ option: String, parted mark: Character) throws -> [(
    column: String, type: DataType
  )] {
    var items: [String] = []
    for piece in call.list(option) {
      if let last = items.last, last.contains("("), !last.contains(")") {
        items[items.count - 1] = "\(last),\(piece)"
      } else {
        items.append(piece)
      }
    }
    return try items.map { item in
      guard let place = item.lastIndex(of: mark), let type = DataType(name: String(item[item.index(after: place)...]))
      else {
        throw Problem(
          .usage, "--\(option): \"\(item)\" does not name a column and its type",
          advice: "write NAME\(mark)TYPE, with boolean, int64, double, decimal(p,s), date, timestamp, text or json")
      }
      return (String(item[..<place]), type)
    }
  }
}
