internal import VarveParquet
internal import VarveTables

/// The columns that say where each row came from.
struct SpoolOrigins {
  private(set) var names: [String] = [Feed.rowColumn, Feed.sheetColumn, Feed.fileColumn]
  private var encoders: [ColumnChunkEncoder] = []
  private(set) var groups: [[(offset: Int, metadata: ColumnChunkMetadata)]] = []
  private(set) var unit = Origins.Unit.row
  private(set) var file = ""
  private(set) var sheet: String?

  static let schema = Schema([
    Field(Feed.rowColumn, .int64), Field(Feed.sheetColumn, .text), Field(Feed.fileColumn, .text),
  ])

  mutating func append(_ origins: Origins, options: ParquetOptions) {
    if encoders.isEmpty {
      encoders = SpoolOrigins.schema.fields.map { ColumnChunkEncoder(type: $0.type, options: options) }
    }
    unit = origins.unit
    file = origins.file
    sheet = origins.sheet
    let count = origins.positions.count
    encoders[0].append(Column(.int64, .int64(origins.positions.map(Int64.init))))
    encoders[1].append(.repeating(origins.sheet.map(Value.text) ?? .null, .text, count: count))
    encoders[2].append(.repeating(.text(origins.file), .text, count: count))
  }

  mutating func closeGroup(place: (ColumnChunk) throws -> Int) throws {
    groups.append(
      try encoders.map { encoder in
        let chunk = encoder.finish()
        return (try place(chunk), chunk.metadata)
      })
    encoders = []
  }
}
