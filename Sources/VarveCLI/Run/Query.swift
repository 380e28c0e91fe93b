import Varve
import VarveJSON

extension Session {
  func query(_ call: Invocation, _ warehouse: Warehouse) throws {
    let sql = call.arguments[0]
    if call.has("explain") {
      try explain(sql, call, warehouse)
      return
    }
    let result = try warehouse.query(sql, limits: QueryLimits(isInterrupted: { Interruption.isRequested }))
    let printer = try RowPrinter(rowFormat(call), columns: result.columns.map(\.name), to: output)
    while let row = try result.next() { try printer.add(row.map(json)) }
    try printer.finish()
  }

  private func explain(_ sql: String, _ call: Invocation, _ warehouse: Warehouse) throws {
    let plans = try warehouse.explain(sql)
    if call.has("json") {
      let objects = plans.map { plan -> JSONValue in
        [
          "table": .init(plan.table), "reads": .array(plan.lines.map { .init($0) }),
          "lookup_columns": .array(plan.lookupColumns.map { .init($0) }),
        ]
      }
      try output.writeLine(JSONValue.array(objects).text(.pretty))
      return
    }
    for plan in plans {
      try output.writeLine(plan.table)
      for line in plan.lines { try output.writeLine("  " + printable(line)) }
      if !plan.lookupColumns.isEmpty {
        try output.writeLine("  looked up by \(plan.lookupColumns.joined(separator: ", "))")
      }
    }
  }

  func diff(_ call: Invocation, _ warehouse: Warehouse) throws {
    let difference = try warehouse.diff(call.arguments[0], call.arguments[1])
    let format = rowFormat(call)
    if format == .table {
      try printChanges(difference)
    } else {
      try printRows(difference, format)
    }
  }

  /// For people: the key, and what changed.
  private func printChanges(_ difference: Difference) throws {
    let names = difference.schema.fields.map(\.name)
    let key = difference.key.compactMap { difference.schema.index(of: $0) }
    let printer = try RowPrinter(.table, columns: ["change"] + difference.key + ["values"], to: output)
    while let change = try difference.next() {
      let row = change.after ?? change.before ?? []
      var parts: [String] = []
      if let before = change.before, let after = change.after {
        parts = change.changedColumns.map { "\(names[$0]): \(shown(before[$0])) → \(shown(after[$0]))" }
      } else {
        let filled = row.indices.filter { !key.contains($0) && row[$0] != .null }
        parts = filled.map { "\(names[$0]): \(shown(row[$0]))" }
      }
      try printer.add(
        [.init(change.kind.rawValue)] + key.map { json(row[$0]) } + [.init(parts.joined(separator: ", "))])
    }
    try printer.finish()
    let counts = [
      (difference.insertedCount, "inserted"), (difference.updatedCount, "updated"),
      (difference.deletedCount, "deleted"),
    ]
    try output.writeLine(counts.map { "\(grouped($0)) \($1)" }.joined(separator: ", "))
  }

  /// For programs: the row as it is now, or was before it was deleted, and what an update replaced.
  private func printRows(_ difference: Difference, _ format: RowFormat) throws {
    let names = difference.schema.fields.map(\.name)
    let printer = try RowPrinter(format, columns: ["_change"] + names + ["_before"], to: output)
    while let change = try difference.next() {
      let row = change.after ?? change.before ?? []
      let before = change.before ?? []
      let replaced = JSONObject(change.changedColumns.map { (names[$0], json(before[$0])) })
      try printer.add([.init(change.kind.rawValue)] + row.map(json) + [.object(replaced)])
    }
    try printer.finish()
  }

  private func rowFormat(_ call: Invocation) -> RowFormat {
    call["format"].flatMap { RowFormat(rawValue: $0) } ?? (call.has("json") ? .json : .table)
  }
}

private func shown(_ value: Value) -> String { plainText(json(value)) ?? "null" }

/// Numbers stay numbers with all their digits; times are text; nested JSON is JSON again.
private func json(_ value: Value) -> JSONValue { value.jsonValue }
