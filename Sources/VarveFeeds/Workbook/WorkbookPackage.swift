import VarveTables

/// A workbook opened: its sheets, strings and styles, found by relationships as the Open Packaging Conventions say.
package final class WorkbookPackage {
  package let outline: WorkbookOutline
  let parts: ZipParts
  let numbersDatesFrom1904: Bool
  let formats: NumberFormats
  private let sharedStringsPart: String?
  private var sharedStringsRead: SharedStrings?

  package convenience init(
    path: String, name: String? = nil, limits: WorkbookLimits = WorkbookLimits()
  ) throws {
    try self.init(WorkbookFile(path: path, name: name), limits: limits)
  }

  package init(_ file: WorkbookFile, limits: WorkbookLimits = WorkbookLimits()) throws {
    let parts = try ZipParts(file, limits: limits)
    let part = try Self.workbookPart(parts)
    let relationships = try Relationships(of: part, in: parts)
    let workbook = try Self.readWorkbook(part, relationships, parts)
    self.parts = parts
    outline = workbook.outline
    numbersDatesFrom1904 = workbook.numbersDatesFrom1904
    let styles = relationships.target(ofType: "styles")
    formats = try styles.map { try NumberFormats.read($0, in: parts) } ?? NumberFormats()
    sharedStringsPart = relationships.target(ofType: "sharedStrings")
  }

  var fileName: String { parts.file.name }

  /// Read when first asked for: in most archives they lie behind the sheets.
  func sharedStrings() throws -> SharedStrings {
    if let sharedStringsRead { return sharedStringsRead }
    let strings = try sharedStringsPart.map { try SharedStrings.read($0, in: parts) } ?? SharedStrings()
    sharedStringsRead = strings
    return strings
  }

  private static func workbookPart(_ parts: ZipParts) throws -> String {
    let name = parts.file.name
    if parts.contains("_rels/.rels"),
      let part = try Relationships(of: "", in: parts).target(ofType: "officeDocument")
    {
      if part.hasSuffix(".bin") {
        throw Problem(
          .failed, at: [name], "is a binary workbook (.xlsb)", advice: "save it as an Excel workbook (.xlsx)")
      }
      return part
    }
    // Some writers leave the package's own relationships out, and every reader finds the usual name.
    if parts.contains("xl/workbook.xml") { return "xl/workbook.xml" }
    if parts.contains("mimetype"), parts.contains("content.xml") {
      throw Problem(.failed, at: [name], "is an OpenDocument file", advice: "save it as an Excel workbook (.xlsx)")
    }
    throw Problem(.failed, at: [name], "is a zip archive, but holds no workbook")
  }

  private static func readWorkbook(
    _ part: String, _ relationships: Relationships, _ parts: ZipParts
  ) throws -> (outline: WorkbookOutline, numbersDatesFrom1904: Bool) {
    let file = parts.file.name
    var sheets: [WorkbookOutline.Sheet] = []
    var names: Set<String> = []
    var numbersDatesFrom1904 = false
    var worksheets = 0
    try XMLElements.read(part, in: parts) { path, attributes in
      guard path[0] == "workbook" else { throw Problem(.failed, at: [file], "is an Office document, but no workbook") }
      switch path.dropFirst() {
      case ["workbookPr"]: numbersDatesFrom1904 = ["1", "true", "on"].contains(attributes["date1904"] ?? "")
      case ["sheets", "sheet"]:
        guard let name = attributes["name"] else { throw Problem(.failed, at: [file], "has a sheet without a name") }
        guard names.insert(name).inserted else {
          throw Problem(.failed, at: [file], "has two sheets named \"\(name)\"")
        }
        let id = relationshipNamespaces.lazy.compactMap { attributes[$0 + "|id"] }.first
        let target = id.flatMap { relationships.byId[$0] }
        let kind = target.map { Self.kind(ofType: $0.type) } ?? WorkbookOutline.Kind.unknown
        if kind == .worksheet { worksheets += 1 }
        sheets.append(
          WorkbookOutline.Sheet(
            name: name, number: kind == .worksheet ? worksheets : nil, kind: kind,
            visibility: WorkbookOutline.Visibility(rawValue: attributes["state"] ?? "visible") ?? .visible,
            part: target?.part ?? ""))
      default: break
      }
    }
    if let lost = sheets.first(where: { $0.kind == .unknown && $0.part.isEmpty }) {
      throw Problem(
        .failed, at: [file, "sheet \"\(lost.name)\""], "the workbook names no part that holds it",
        advice: "save it anew")
    }
    guard worksheets > 0 else { throw Problem(.failed, at: [file], "has no worksheet") }
    return (WorkbookOutline(sheets: sheets), numbersDatesFrom1904)
  }

  private static let relationshipNamespaces = [
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    "http://purl.oclc.org/ooxml/officeDocument/relationships",
  ]

  private static func kind(ofType type: String) -> WorkbookOutline.Kind {
    switch type {
    case "worksheet": .worksheet
    case "chartsheet": .chart
    case "dialogsheet": .dialog
    case "xlMacrosheet", "xlIntlMacrosheet": .macro
    default: .unknown
    }
  }
}

/// What one part of a package refers to (Open Packaging Conventions, 6.5).
private struct Relationships {
  struct Relationship {
    /// The last segment of the type's URI: the segments before it differ between the editions of the standard.
    var type: String
    /// The name of the part referred to.
    var part: String
  }

  private(set) var byId: [String: Relationship] = [:]
  private var first: [String: String] = [:]

  /// - Parameter source: the part that refers to others; the empty name is the package itself.
  init(of source: String, in parts: ZipParts) throws {
    let segments = source.split(separator: "/").map(String.init)
    let folder = Array(segments.dropLast())
    let name = (folder + ["_rels", (segments.last ?? "") + ".rels"]).joined(separator: "/")
    guard parts.contains(name) else { return }
    var byId: [String: Relationship] = [:]
    var first: [String: String] = [:]
    try XMLElements.read(name, in: parts) { path, attributes in
      guard path == ["Relationships", "Relationship"], attributes["TargetMode"] != "External",
        let id = attributes["Id"], let type = attributes["Type"], let target = attributes["Target"]
      else { return }
      let relationship = Relationship(
        type: type.split(separator: "/").last.map(String.init) ?? type, part: Self.resolved(target, in: folder))
      guard byId.updateValue(relationship, forKey: id) == nil else {
        throw Problem(.failed, at: [parts.file.name, "part \(name)"], "has two relationships named \(id)")
      }
      if first[relationship.type] == nil { first[relationship.type] = relationship.part }
    }
    self.byId = byId
    self.first = first
  }

  func target(ofType type: String) -> String? { first[type] }

  /// The name of the part that `target` means when it stands in a part of `folder`.
  private static func resolved(_ target: String, in folder: [String]) -> String {
    let target = String(target.map { $0 == "\\" ? "/" : $0 })
    var segments = target.hasPrefix("/") ? [] : folder
    for segment in target.split(separator: "/") {
      switch segment {
      case ".": continue
      case "..": _ = segments.popLast()
      default: segments.append(String(segment))
      }
    }
    return segments.joined(separator: "/")
  }
}
