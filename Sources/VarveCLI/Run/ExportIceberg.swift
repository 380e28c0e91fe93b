import Varve
import VarveJSON

extension Session {
  func exportIceberg(_ reference: String, _ call: Invocation, _ warehouse: Warehouse) throws {
    let report = try warehouse.exportIceberg(reference, basePath: call["base-path"])
    if call.has("json") {
      let json: JSONValue = [
        "table": .init(report.table), "version": .init(report.version), "snapshots": .init(report.snapshotCount),
        "metadata": .init(report.metadata), "left_out": .array(report.leftOut.map { .init($0) }),
      ]
      return try output.writeLine(json.text(.pretty))
    }
    if !report.leftOut.isEmpty, !call.has("quiet") {
      let versions = report.leftOut.map(String.init).joined(separator: ", ")
      try errors.writeLine("left out, since files of theirs are gone: versions \(versions)")
      try errors.flush()
    }
    let snapshots = "\(report.snapshotCount) snapshot\(report.snapshotCount == 1 ? "" : "s")"
    try output.writeLine("\(report.table): version \(report.version), \(snapshots), \(printable(report.metadata))")
  }
}
