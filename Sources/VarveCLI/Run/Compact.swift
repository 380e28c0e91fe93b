import Varve
import VarveJSON

extension Session {
  func compact(_ call: Invocation, _ warehouse: Warehouse) throws {
    let report = try warehouse.compact(
      call.arguments[0], partitions: declaredPartitions(call),
      targetBytes: call.integer("target-mb").map { $0 << 20 } ?? Warehouse.targetBytesStandard,
      isDryRun: call.has("dry-run"))
    if call.has("json") {
      let object: JSONValue = [
        "table": .init(report.table), "version": .init(report.version), "outcome": .init(report.outcome.rawValue),
        "partitions": .init(report.partitionCount), "files_before": .init(report.fileCountBefore),
        "bytes_before": .init(report.byteCountBefore), "files_after": count(report.fileCountAfter),
        "bytes_after": count(report.byteCountAfter), "rows": count(report.rowCount),
        "rows_sha256": text(report.rowsSHA256), "remarks": .array(report.remarks.map { .init($0) }),
      ]
      return try output.writeLine(object.text(.pretty))
    }
    for text in report.remarks { try errors.writeLine(text) }
    let before = sizes(report.fileCountBefore, report.byteCountBefore)
    let places = report.partitionCount == 1 ? "" : " in \(grouped(report.partitionCount)) partitions"
    switch report.outcome {
    case .unchanged:
      try output.writeLine("\(report.table): unchanged, still version \(report.version): no files worth compacting")
    case .planned:
      try output.writeLine("\(report.table): nothing committed, as asked: \(before)\(places) would be written anew")
    case .committed:
      let after = sizes(report.fileCountAfter ?? 0, report.byteCountAfter ?? 0)
      let rows = grouped(report.rowCount ?? 0)
      try output.writeLine(
        "\(report.table): version \(report.version), \(before)\(places) became \(after); the same \(rows) rows, "
          + "SHA-256 \(report.rowsSHA256?.prefix(16) ?? "")")
    }
  }
}
