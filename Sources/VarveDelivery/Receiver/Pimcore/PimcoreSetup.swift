internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// What the Pimcore to rehearse with is set up as: one class, one import configuration, one Data Hub configuration.
public struct PimcoreSetup: Sendable {
  /// Which of its two sides answer; the others are as if their bundle were not installed.
  public enum Side: String, CaseIterable, Sendable {
    case importer = "data-importer"
    case graphQL = "graphql"
  }

  /// The ways in that are open.
  public var sides: Set<Side> = Set(Side.allCases)
  package var className = "Product"
  /// The attribute by which objects are loaded.
  package var key = "sku"
  /// The class's attributes; nil where it takes whatever comes.
  package var fields: [String]?
  /// Rows with longer texts in these fields cannot be saved, as MySQL's columns have it.
  package var lengthsMax: [String: Int] = [:]
  package var importName = "products"
  package var importKey = ""
  package var isActive = true
  /// Nil for JSON.
  package var csv: ImporterCSV?
  package var graphQLName = "products"
  package var graphQLKey = ""
  package var mayDelete = true
  /// How many rows of the queue are worked on in a second; nil for all at once.
  package var rowsPerSecond: Double?

  package init() {}

  /// As a file declares it; what it leaves out is as above, and the keys come from the environment's
  /// `PIMCORE_IMPORT_KEY` and `PIMCORE_GRAPHQL_KEY`.
  public init(path: String?, sides: Set<Side>) throws {
    self.sides = sides
    var importKey = Secret.environment("PIMCORE_IMPORT_KEY")
    var graphQLKey = Secret.environment("PIMCORE_GRAPHQL_KEY")
    if let path {
      var reader = try SettingsReader(try PimcoreSetup.read(path), [path])
      className = try reader.text("class") ?? className
      key = try reader.text("key") ?? key
      fields = try reader.texts("fields")
      for member in reader.take("length_max")?.object?.members ?? [] { lengthsMax[member.key] = member.value.int }
      rowsPerSecond = try reader.seconds("rows_per_second")
      if let json = reader.take("import") {
        var reader = try SettingsReader(json, [path, "import"])
        importName = try reader.text("config") ?? importName
        isActive = try reader.flag("active") ?? isActive
        csv = try ImporterCSV(&reader)
        importKey = try reader.take("api_key").map { try Secret($0, place: reader.place) } ?? importKey
        try reader.finish()
      }
      if let json = reader.take("graphql") {
        var reader = try SettingsReader(json, [path, "graphql"])
        graphQLName = try reader.text("config") ?? graphQLName
        mayDelete = try reader.flag("may_delete") ?? mayDelete
        graphQLKey = try reader.take("api_key").map { try Secret($0, place: reader.place) } ?? graphQLKey
        try reader.finish()
      }
      try reader.finish()
    }
    if sides.contains(.importer) { self.importKey = try importKey.read(place: ["the import's key"]) }
    if sides.contains(.graphQL) { self.graphQLKey = try graphQLKey.read(place: ["Data Hub's key"]) }
  }

  private static func read(_ path: String) throws -> JSONValue {
    let split = path.lastIndex(of: "/")
    let directory = split.map { path[..<$0].isEmpty ? "/" : String(path[..<$0]) } ?? "."
    let name = split.map { String(path[path.index(after: $0)...]) } ?? path
    guard let bytes = try Storage.open(directory)?.read(name) else {
      throw Problem(.failed, at: [path], "is not there")
    }
    do throws(JSONError) {
      return try JSONValue(parsing: bytes)
    } catch {
      throw Problem(.failed, at: [path], "is no JSON: \(error.what)")
    }
  }
}

extension ImporterCSV {
  /// `"format"` and `"csv"`; nil for JSON.
  init?(_ reader: inout SettingsReader) throws {
    let format = try reader.text("format") ?? "json"
    let csv = reader.take("csv")
    switch format {
    case "json":
      guard csv == nil else { throw reader.problem("\"csv\" is for \"format\": \"csv\"") }
      return nil
    case "csv": break
    default: throw reader.problem("\"format\" must be \"json\" or \"csv\"")
    }
    guard let csv else { throw reader.problem("\"csv\" is missing, which says with \"fields\" what stands where") }
    var inner = try SettingsReader(csv, reader.place + ["csv"])
    guard let fields = try inner.texts("fields"), !fields.isEmpty else { throw inner.problem("\"fields\" is missing") }
    self.init(fields: fields)
    hasHeader = try inner.flag("header") ?? hasHeader
    if let text = try inner.text("delimiter") {
      guard text.utf8.count == 1, let byte = text.utf8.first, !"\"\\\r\n".utf8.contains(byte) else {
        throw inner.problem("\"delimiter\" must be one character")
      }
      delimiter = byte
    }
    try inner.finish()
  }
}
